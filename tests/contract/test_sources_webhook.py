"""Merge, BambooHR, Okta and Finch through the function that receives webhooks, on the real stores in memory."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rollcall.hubs import store as hubs
from rollcall.hubs.model import Source
from rollcall.people import event_log
from rollcall.people import store as people
from rollcall.people.events import Kind
from rollcall.people.model import EventState, LoggedEvent, PersonRecord
from rollcall.people.sync import apply_event
from rollcall.runtime import clients, dynamo
from rollcall.runtime.settings import env
from rollcall.runtime.times import now
from tests.support.aws import stack
from tests.support.vendors import (
    BAMBOOHR_SECRET,
    FINCH_SECRET,
    FORM,
    MERGE_SECRET,
    OKTA_SECRET,
    STANDARD_SECRET,
    sign_bamboohr,
    sign_finch,
    sign_merge,
    sign_okta,
)
from tests.support.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
SECRETS = {
    "merge": MERGE_SECRET,
    "bamboohr": BAMBOOHR_SECRET,
    "okta": OKTA_SECRET,
    "finch": FINCH_SECRET,
    "standard": STANDARD_SECRET,
}
SIGN: dict[str, Callable[[bytes, datetime], dict[str, str]]] = {
    "merge": sign_merge,
    "bamboohr": sign_bamboohr,
    "okta": sign_okta,
    "finch": sign_finch,
}
SOURCES = {name: f"01J8Z3QK5V7X9WB2C4D6E8FG{number:02d}" for number, name in enumerate(SECRETS)}
CHALLENGE = {"X-Okta-Verification-Challenge": "aGVsbG8tY2hhbGxlbmdlLTAx"}


@pytest.fixture
def world() -> Iterator[World]:
    """Return a hub with a source of every system connected."""
    with stack():
        made = World().build()
        for name, secret in SECRETS.items():
            hubs.create_source(Source(made.hub.hub_id, SOURCES[name], name, name, made.hub.salt), secret)
        yield made


@pytest.fixture
def handler(world: World) -> Any:
    """Return the handler of the function."""
    spec = importlib.util.spec_from_file_location("receive_webhook", ROOT / "functions/receive_webhook/app.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.handler


def request(world: World, name: str, headers: dict[str, str], body: bytes = b"", *, method: str = "POST") -> Any:
    """Return an HTTP API event, payload 2.0."""
    return {
        "requestContext": {"http": {"method": method}},
        "pathParameters": {"hub_id": world.hub.hub_id, "source_id": SOURCES[name]},
        "headers": headers,
        "body": body.decode(),
        "isBase64Encoded": False,
    }


def deliver(world: World, name: str, path: str) -> Any:
    """Return a signed request with the sample of a system."""
    body = (ROOT / "events" / name / path).read_bytes()
    form = {"Content-Type": FORM} if path.endswith(".txt") else {}
    return request(world, name, SIGN[name](body, datetime.now(UTC)) | form, body)


def logged(world: World) -> list[LoggedEvent]:
    return event_log.list_events(world.hub.hub_id, limit=500)[0]


def person(world: World, name: str, external_id: str) -> PersonRecord:
    """Apply what waits in the event log, and return a person."""
    for event in logged(world):
        apply_event(world.hub.hub_id, event.event_id)
    key = hubs.hub_key(world.hub.hub_id, world.hub.salt)
    found = people.get_person(world.hub.hub_id, key.person_id(SOURCES[name], external_id))
    assert found is not None
    return found


def everything_stored() -> str:
    """Return all tables as text."""
    names = clients.dynamodb().list_tables()["TableNames"]
    return json.dumps([clients.dynamodb().scan(TableName=name)["Items"] for name in names], ensure_ascii=False)


@pytest.mark.parametrize(
    ("name", "path", "answer"),
    [
        ("merge", "Employee.changed.json", (200, {"accepted": 1, "ignored": 0})),
        ("bamboohr", "employee_with_fields.updated.json", (200, {"accepted": 2, "ignored": 0})),
        ("bamboohr", "employee_with_fields.updated.form.txt", (200, {"accepted": 2, "ignored": 0})),
        ("bamboohr", "employee.updated.json", (200, {"accepted": 1, "ignored": 0})),
        ("finch", "individual.deleted.json", (200, {"accepted": 1, "ignored": 0})),
        ("okta", "user.lifecycle.deactivate.json", (204, None)),
    ],
)
def test_delivery_is_answered_as_the_vendor_wants(
    world: World, handler: Any, name: str, path: str, answer: Any
) -> None:
    """Exactly 200, or nothing at all for Okta; the same delivery again is answered the same and adds nothing."""
    event = deliver(world, name, path)
    first, second = handler(event, None), handler(event, None)
    body = json.loads(first["body"]) if "body" in first else None
    assert (first["statusCode"], body) == answer
    assert first == second
    assert len(logged(world)) == (2 if path == "user.lifecycle.deactivate.json" or "with_fields" in path else 1)


def test_merge_employee_becomes_a_person_and_leaves(world: World, handler: Any) -> None:
    """Added, changed, then removed: the person has the newest values, and is deleted; the late first event is older."""
    for path in ("Employee.changed.json", "Employee.added.json"):
        assert handler(deliver(world, "merge", path), None)["statusCode"] == 200
    found = person(world, "merge", "0958cbc6-6040-430a-848e-aafacbadf4ae").person
    assert (found.text("last_name"), found.status) == ("Weber-Stein", "active")
    handler(deliver(world, "merge", "Employee.removed.json"), None)
    assert person(world, "merge", "0958cbc6-6040-430a-848e-aafacbadf4ae").person.status == "deleted"


def test_bamboohr_first_update_of_an_unknown_employee_adds_them(world: World, handler: Any) -> None:
    """The created entry says nothing and is recorded; the first update is the add, and an inactive one deactivates."""
    handler(deliver(world, "bamboohr", "employee_with_fields.created_then_updated.wrapped_values.json"), None)
    handler(deliver(world, "bamboohr", "employee_with_fields.updated.json"), None)
    added = person(world, "bamboohr", "102").person
    assert (added.text("email"), added.status) == ("lukasz.obrien@example.com", "active")
    assert person(world, "bamboohr", "101").person.status == "inactive"
    assert [event.reason for event in logged(world) if event.state is EventState.IGNORED] == ["needs_credentials"]


def test_okta_life_cycle_moves_a_person(world: World, handler: Any) -> None:
    """In a group, deactivated, then deleted: each event of a delivery acts on its own; one that failed does nothing."""
    names = ("group.user_membership.add", "user.lifecycle.deactivate", "user.lifecycle.deactivate.failed")
    for name in names:
        assert handler(deliver(world, "okta", f"{name}.json"), None) == {"statusCode": 204}
    found = person(world, "okta", "00u8jonas0weber00Ab1").person
    assert (found.status, found.values()) == ("inactive", {"group": ("Mentors",)})
    handler(deliver(world, "okta", "user.lifecycle.delete.initiated.json"), None)
    assert person(world, "okta", "00u8jonas0weber00Ab1").person.status == "deleted"


def test_event_without_use_is_recorded_with_its_reason(world: World, handler: Any) -> None:
    """What does nothing is in the log all the same, with a sentence for the admin and without a person."""
    handler(deliver(world, "bamboohr", "company.deleted.json"), None)
    (event,) = logged(world)
    assert (event.state, event.event, event.person_id) == (EventState.IGNORED, None, None)
    assert event.detail.endswith(".")


def test_sensitive_values_are_stored_nowhere(world: World, handler: Any) -> None:
    """Government id, birth date, salary, bank and what the source denies are in no table, of events or of people."""
    own = replace(
        Source(world.hub.hub_id, SOURCES["merge"], "merge", "Merge", world.hub.salt), settings={"deny": "Languages"}
    )
    dynamo.write([dynamo.put_action("HUBS_TABLE", own.to_item())])
    handler(deliver(world, "merge", "Employee.changed.sensitive_fields.json"), None)
    assert person(world, "merge", "0958cbc6-6040-430a-848e-aafacbadf4ae").person.text("first_name") == "久美子"
    stored = everything_stored()
    assert "Łódź" in stored
    for value in ("000-00-0000", "1990-01-01", "52000", "DE00", "Polski", "jonas.home", "+15005550100"):
        assert value not in stored


def test_deletion_of_a_thin_source_acts_without_credentials(world: World, handler: Any) -> None:
    """Finch's deletion is applied although nothing can be looked up; the rest says what is missing."""
    for path in ("individual.created.json", "individual.deleted.json"):
        body = (ROOT / "events/finch" / path).read_bytes()
        handler(request(world, "finch", sign_finch(body, datetime.now(UTC), name=path), body), None)
    assert person(world, "finch", "5d0f4c3e-1b2a-4c9d-8e7f-6a5b4c3d2e1f").person.status == "deleted"
    became = {event.event.kind: event.reason for event in logged(world) if event.event}
    assert became == {Kind.ADDED: "needs_credentials", Kind.DELETED: "person_created"}


def test_okta_challenge_is_answered(world: World, handler: Any) -> None:
    """With the right secret, or with none, the challenge comes back; nothing is recorded."""
    for headers in ({}, {"Authorization": OKTA_SECRET}):
        answer = handler(request(world, "okta", CHALLENGE | headers, method="GET"), None)
        assert (answer["statusCode"], json.loads(answer["body"])) == (200, {"verification": "aGVsbG8tY2hhbGxlbmdlLTAx"})
    assert logged(world) == []


def test_challenge_that_cannot_be_answered_is_refused(world: World, handler: Any) -> None:
    """No challenge, another system's source or a wrong secret: no answer."""
    asked: list[tuple[str, dict[str, str], int]] = [
        *(("okta", {"X-Okta-Verification-Challenge": text}, 404) for text in ("", "é", "a b", "x" * 1025)),
        *((name, CHALLENGE, 404) for name in ("merge", "bamboohr", "finch", "standard")),
        *(("okta", CHALLENGE | {"Authorization": text}, 401) for text in ("another", "")),
        ("okta", {}, 404),
    ]
    answers = [handler(request(world, name, headers, method="GET"), None) for name, headers, _ in asked]
    assert [answer["statusCode"] for answer in answers] == [status for *_, status in asked]


def test_challenge_for_nobody_is_not_found(world: World, handler: Any) -> None:
    """An unknown source, and ids that are none, are not found."""
    for source_id in ("01J8Z3QK5V7X9WB2C4D6E8FG99", "", "*", "../x"):
        event = request(world, "okta", CHALLENGE, method="GET")
        event["pathParameters"]["source_id"] = source_id
        assert handler(event, None)["statusCode"] == 404


def test_forged_delivery_changes_nothing(world: World, handler: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Without the secret or with another system's nothing is taken, and no part of the body is logged."""
    body = b'{"x": "maya.okafor@example.com"}'
    for name in SIGN:
        for headers in ({}, *(sign(body, now()) for other, sign in SIGN.items() if other != name)):
            assert handler(request(world, name, headers, body), None)["statusCode"] == 401
    assert logged(world) == []
    queue = clients.sqs().get_queue_attributes(QueueUrl=env("DIRECTORY_EVENTS_QUEUE_URL"), AttributeNames=["All"])
    assert queue["Attributes"]["ApproximateNumberOfMessages"] == "0"
    output = capsys.readouterr()
    assert "maya" not in output.out + output.err


def test_signed_junk_is_told_and_not_repeated(world: World, handler: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """A genuine delivery of the wrong shape is 400 with its faults; neither answer nor log repeats it."""
    for name, sign in SIGN.items():
        for body in (b"", b"maya.okafor@example.com", b"[]", b'{"maya": "okafor"}', b'{"data": "maya", "hook": 7}'):
            answer = handler(request(world, name, sign(body, datetime.now(UTC)), body), None)
            assert answer["statusCode"] == 400
            assert json.loads(answer["body"])["faults"]
            assert "maya" not in answer["body"]
    assert logged(world) == []
    output = capsys.readouterr()
    assert "maya" not in output.out + output.err
