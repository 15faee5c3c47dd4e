"""A webhook from request to event log, on the real stores in memory: what is answered, and what is then there."""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rollcall.hubs import store as hubs
from rollcall.hubs.model import DeletedMeans, Source
from rollcall.people import event_log
from rollcall.people.model import EventState, LoggedEvent
from rollcall.runtime import clients, queues
from rollcall.runtime.errors import TransientError
from rollcall.runtime.ids import event_id, event_name, person_of
from rollcall.runtime.settings import env
from tests.support.aws import stack
from tests.support.faults import MODES, Killed, injected
from tests.support.functions import function
from tests.support.units import counted
from tests.support.vendors import STANDARD_SECRET, WORKOS_SECRET, sign_standard, sign_workos
from tests.support.world import everything

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
HUB, STANDARD, WORKOS = (f"01J8Z3QK5V7X9WB2C4D6E8FGH{letter}" for letter in "JKM")
BODY = json.dumps(
    {"type": "person.deleted", "data": {"external_id": "E-1", "email": "maya.okafor@example.com"}}
).encode()


@pytest.fixture
def handler() -> Iterator[Any]:
    """Return the handler of the function, with two sources connected."""
    with stack():
        hubs.create_source(Source(HUB, STANDARD, "standard", "Payroll", "a" * 32), STANDARD_SECRET)
        hubs.create_source(Source(HUB, WORKOS, "workos", "Directory", "a" * 32), WORKOS_SECRET)
        yield function("receive_webhook")


def request(body: bytes, headers: dict[str, str], *, source: str = STANDARD, hub: str = HUB, **parts: Any) -> Any:
    """Return an HTTP API event, payload 2.0."""
    return {
        "version": "2.0",
        "requestContext": {"http": {"method": "POST"}},
        "pathParameters": {"hub_id": hub, "source_id": source},
        "headers": headers,
        "body": body.decode("utf-8", "surrogateescape"),
        "isBase64Encoded": False,
    } | parts


def signed(body: bytes = BODY, **parts: Any) -> Any:
    """Return a request signed now by the vendor's package."""
    return request(body, sign_standard(body, datetime.now(UTC)), **parts)


def logged() -> list[LoggedEvent]:
    """Return what the event log holds."""
    return event_log.list_events(HUB, limit=500)[0]


def placed_id(name: str, person: str = "E-1") -> str:
    """Return the id of an event of the first source."""
    return event_id(event_name(STANDARD, name), hubs.hub_key(HUB, "a" * 32).person_id(STANDARD, person))


def waiting() -> int:
    """Return how many pointers wait in the queue."""
    answer = clients.sqs().get_queue_attributes(
        QueueUrl=env("DIRECTORY_EVENTS_QUEUE_URL"), AttributeNames=["ApproximateNumberOfMessages"]
    )
    return int(answer["Attributes"]["ApproximateNumberOfMessages"])


def test_signed_event_is_durable_and_on_its_way(handler: Any) -> None:
    """A genuine event is answered 202, lies in the log as new, and its pointer holds ids only."""
    answer = handler(signed(), None)
    assert (answer["statusCode"], json.loads(answer["body"])) == (202, {"accepted": 1, "ignored": 0})
    (event,) = logged()
    assert (event.state, event.event_id) == (EventState.NEW, placed_id("msg_1"))
    (message,) = clients.sqs().receive_message(QueueUrl=env("DIRECTORY_EVENTS_QUEUE_URL"))["Messages"]
    assert json.loads(message["Body"]) == {"hub_id": HUB, "source_id": STANDARD, "event_id": event.event_id}


def test_workos_event_is_answered_200(handler: Any) -> None:
    """WorkOS wants exactly 200; header names in any case are found."""
    body = (ROOT / "events/workos/dsync.user.created.json").read_bytes()
    headers = {"WorkOS-Signature": sign_workos(body, datetime.now(UTC))["workos-signature"]}
    answer = handler(request(body, headers, source=WORKOS), None)
    assert (answer["statusCode"], [event.state for event in logged()]) == (200, [EventState.NEW])


def test_base64_body_is_decoded_before_it_is_verified(handler: Any) -> None:
    """The gateway may hand a body over in base64; the signature is over what was sent."""
    event = signed() | {"body": base64.b64encode(BODY).decode(), "isBase64Encoded": True}
    assert handler(event, None)["statusCode"] == 202


def test_replay_a_hundred_times_has_one_event_and_one_pointer(handler: Any) -> None:
    """The same delivery again is answered the same and does nothing (reliability.md T2)."""
    event = signed()
    answers = {json.dumps(handler(event, None)) for _ in range(100)}
    assert (len(answers), len(logged()), waiting()) == (1, 1, 1)
    with counted() as units:
        handler(event, None)
    assert units.written["Events"] == 1


def test_other_body_under_the_same_id_is_kept_apart(handler: Any) -> None:
    """A different event under a known id is answered 2xx, quarantined beside the first, and not sent to the worker."""
    handler(signed(), None)
    other = BODY.replace(b"maya", b"mary")
    assert handler(signed(other), None)["statusCode"] == 202
    assert sorted(event.state for event in logged()) == [EventState.NEW, EventState.QUARANTINED]
    assert {event.person_id for event in logged()} == {person_of(placed_id("msg_1"))}
    assert waiting() == 1


def test_one_id_for_two_persons_is_an_event_of_each(handler: Any) -> None:
    """A sender that uses a name again for somebody else loses nothing; that it comes again changes nothing."""
    for _ in range(2):
        for body in (BODY, BODY.replace(b"E-1", b"E-2")):
            assert handler(signed(body), None)["statusCode"] == 202
    found = {event.event_id: event.state for event in logged()}
    assert found == dict.fromkeys((placed_id("msg_1", "E-1"), placed_id("msg_1", "E-2")), EventState.NEW)


def test_event_about_nobody_is_nobodys_whatever_comes_under_its_id(handler: Any) -> None:
    """What is of no use has no person, other contents under its id neither; both are kept."""
    for kind in (b"company.created", b"company.updated"):
        assert handler(signed(BODY.replace(b"person.deleted", kind)), None)["statusCode"] == 202
    assert [event.person_id for event in logged()] == [None, None]
    assert sorted(event.state for event in logged()) == [EventState.IGNORED, EventState.QUARANTINED]


def test_list_is_recorded_event_by_event(handler: Any) -> None:
    """Each event of a list has an item of its own; those not used are recorded as ignored."""
    kinds = ["person.added"] * 12 + ["invoice.paid"]
    body = json.dumps(
        [{"type": kind, "data": {"external_id": f"E-{number}"}} for number, kind in enumerate(kinds)]
    ).encode()
    answer = handler(signed(body), None)
    assert json.loads(answer["body"]) == {"accepted": 12, "ignored": 1}
    assert sorted(event.state for event in logged()) == [EventState.IGNORED, *[EventState.NEW] * 12]
    assert waiting() == 12


def test_one_fault_in_a_list_records_nothing(handler: Any) -> None:
    """A list is taken whole or not at all, and the answer repeats no value that was sent."""
    bad = {"type": "person.added", "data": {"email": ["maya.okafor@example.com"]}}
    body = json.dumps([json.loads(BODY), bad]).encode()
    answer = handler(signed(body), None)
    assert (answer["statusCode"], logged(), waiting()) == (400, [], 0)
    problem = json.loads(answer["body"])
    assert [fault["place"] for fault in problem["faults"]] == ["$[1].data.external_id", "$[1].data.email"]
    assert "example.com" not in answer["body"]
    assert answer["headers"]["content-type"] == "application/problem+json"


def test_deleted_that_means_deactivate_is_recorded_as_that(handler: Any) -> None:
    """A source may say that its deletions are mere deactivations."""
    hubs.delete_source(HUB, STANDARD)
    hubs.forget_secrets()
    source = Source(HUB, STANDARD, "standard", "Payroll", "a" * 32)
    hubs.create_source(replace(source, deleted_means=DeletedMeans.DEACTIVATE), STANDARD_SECRET)
    handler(signed(), None)
    (found,) = logged()
    assert found.event is not None
    assert found.event.kind == "deactivated"


def refused() -> dict[str, tuple[int, Any]]:
    """Return requests that are refused, by situation, with the status each gets."""
    now = datetime.now(UTC)
    good = sign_standard(BODY, now)
    return {
        "no signature": (401, request(BODY, {})),
        "no headers at all": (401, request(BODY, {}) | {"headers": None}),
        "wrong signature": (401, request(BODY, good | {"webhook-signature": "v1," + "A" * 43 + "="})),
        "changed body": (401, request(BODY + b" ", good)),
        "no body": (401, request(BODY, good) | {"body": None}),
        "body that is not Unicode": (401, request(b"\xff\xfe", good) | {"body": "//4=", "isBase64Encoded": True}),
        "stale": (401, request(BODY, sign_standard(BODY, now - timedelta(seconds=330)))),
        "from the future": (401, request(BODY, sign_standard(BODY, now + timedelta(seconds=330)))),
        "of another system": (401, request(BODY, sign_workos(BODY, now))),
        "of another source": (401, request(BODY, good, source=WORKOS)),
        "unknown source": (404, request(BODY, good, source="01J8Z3QK5V7X9WB2C4D6E8FGHN")),
        "unknown hub": (404, request(BODY, good, hub="01J8Z3QK5V7X9WB2C4D6E8FGHN")),
        "hub id with a delimiter": (404, request(BODY, good, hub=f"{HUB}#")),
        "hub id in look-alikes": (404, request(BODY, good, hub=HUB.replace("0", "０"))),
        "source id with a wildcard": (404, request(BODY, good, source="*")),
        "no path": (404, request(BODY, good, pathParameters=None)),
        "asked by GET": (404, request(BODY, good, requestContext={"http": {"method": "GET"}})),
        "not base64": (400, request(BODY, good) | {"body": "%%%", "isBase64Encoded": True}),
        "base64 with letters beyond ASCII": (400, request(BODY, good) | {"body": "é", "isBase64Encoded": True}),
        "not JSON": (400, signed(b"hello")),
        "nothing": (400, signed(b"")),
        "empty list": (400, signed(b"[]")),
        "list too long": (400, signed(json.dumps([json.loads(BODY)] * 501).encode())),
        "too large": (413, signed(b" " * (1024 * 1024 + 1))),
        "too large in base64": (413, signed() | {"body": "ICAg" * 360_000, "isBase64Encoded": True}),
    }


@pytest.mark.parametrize("situation", refused())
def test_refused_request_changes_nothing(handler: Any, situation: str) -> None:
    """Whatever is wrong has its own status, never a 5xx, and leaves neither an event nor a message."""
    status, event = refused()[situation]
    answer = handler(event, None)
    assert (answer["statusCode"], logged(), waiting()) == (status, [], 0)


def test_reason_of_a_401_stays_with_us(handler: Any) -> None:
    """Missing, wrong and stale signatures get the very same answer."""
    cases = refused()
    answers = {json.dumps(handler(cases[name][1], None)) for name in ("no signature", "wrong signature", "stale")}
    assert len(answers) == 1


def _left_to_the_sweep() -> list[str]:
    """Return the ids of the events that the sweep looks after."""
    return [event_log.event_id_of(item) for item in everything("EVENTS_TABLE") if "due_pk" in item]


def test_lost_wake_up_is_still_accepted(handler: Any) -> None:
    """If the queue does not answer, the event is durable all the same and left to the sweep; else it is not."""
    handler(signed(), None)
    with injected() as counted:
        handler(request(BODY, sign_standard(BODY, datetime.now(UTC), name="msg_2")), None)
    assert _left_to_the_sweep() == []
    at = counted.calls.index("SendMessageBatch") + 1
    with injected(at, "throttle"):
        answer = handler(request(BODY, sign_standard(BODY, datetime.now(UTC), name="msg_3")), None)
    assert (answer["statusCode"], len(logged()), waiting()) == (202, 3, 2)
    assert _left_to_the_sweep() == [placed_id("msg_3")]


def test_each_event_of_a_list_is_left_to_the_sweep_where_the_queue_takes_none(
    handler: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where they are more than are marked at once."""

    def fails(*_: object, **__: object) -> None:
        raise TransientError

    monkeypatch.setattr(queues, "send_many", fails)
    monkeypatch.setattr(event_log, "MARKS_AT_ONCE", 2)
    people = [{"type": "person.added", "data": {"external_id": f"E-{number}"}} for number in range(12)]
    assert handler(signed(json.dumps(people).encode()), None)["statusCode"] == 202
    assert sorted(_left_to_the_sweep()) == sorted(event.event_id for event in logged())
    assert len(logged()) == len(people)


def test_what_nobody_could_be_told_to_look_after_is_503(handler: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Queue and table fail after the event is durable: the sender is told to send again, and then it is swept."""
    event = signed()

    def fails(*_: object, **__: object) -> None:
        raise TransientError

    with monkeypatch.context() as patch:
        patch.setattr(queues, "send_many", fails)
        patch.setattr(event_log, "look_after", fails)
        assert handler(event, None)["statusCode"] == 503
        assert len(logged()) == 1
        assert handler(event, None)["statusCode"] == 503
    assert handler(event, None)["statusCode"] == 202
    assert _left_to_the_sweep() == [placed_id("msg_1")]


@pytest.mark.parametrize("mode", MODES)
def test_death_before_the_answer_leaves_nothing_unlooked_after(handler: Any, mode: str) -> None:
    """Whichever call fails or dies: once the sender was answered, each event has its pointer or is left to the sweep.

    A sender that was not answered sends again, though the event may lie in the log already.
    """
    hubs.forget_secrets()
    with injected() as counted:
        handler(request(BODY, sign_standard(BODY, datetime.now(UTC), name="msg_0")), None)
    _take_pointers()
    for at in range(1, len(counted.calls) + 1):
        hubs.forget_secrets()
        event = request(BODY, sign_standard(BODY, datetime.now(UTC), name=f"msg_{at}"))
        statuses = []
        with injected(at, mode), suppress(Killed):
            statuses.append(handler(event, None)["statusCode"])
        if statuses != [202]:
            assert handler(event, None)["statusCode"] == 202
        name = placed_id(f"msg_{at}")
        assert [found.event_id for found in logged()].count(name) == 1
        assert name in {*_take_pointers(), *_left_to_the_sweep()}


def _take_pointers() -> set[str]:
    taken = set()
    while letters := queues.receive("DIRECTORY_EVENTS_QUEUE_URL", 10):
        for letter in letters:
            taken.add(letter.pointer["event_id"])
            queues.delete("DIRECTORY_EVENTS_QUEUE_URL", letter)
    return taken


@pytest.mark.parametrize("mode", [mode for mode in MODES if not mode.startswith("kill")])
def test_trouble_of_ours_is_503_until_the_event_is_durable(handler: Any, mode: str) -> None:
    """Whichever AWS call fails: a 2xx only with the event in the log, else 503; the retry ends in one event."""
    hubs.forget_secrets()
    with injected() as counted:
        handler(request(BODY, sign_standard(BODY, datetime.now(UTC), name="msg_0")), None)
    statuses = []
    for at in range(1, len(counted.calls) + 1):
        hubs.forget_secrets()
        event = request(BODY, sign_standard(BODY, datetime.now(UTC), name=f"msg_{at}"))
        name = placed_id(f"msg_{at}")
        with injected(at, mode):
            answer = handler(event, None)
        statuses.append(answer["statusCode"])
        if answer["statusCode"] == 503:
            assert int(answer["headers"]["retry-after"]) > 0
            assert handler(event, None)["statusCode"] == 202
        assert [found.event_id for found in logged()].count(name) == 1
    assert set(statuses) == {202, 503}
