"""What is read beside the deliveries: vendors' answers, what a transform makes, Okta's challenge.

Whatever comes ends as something usable, as ignored, or as a fault of the list; nothing else.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rollcall.hubs.model import Source
from rollcall.people.events import DirectoryEvent, Ignored, Kind
from rollcall.people.model import event_from_item, event_to_item
from rollcall.runtime.errors import Fault, MalformedError, NotFoundError, UnauthenticError
from rollcall.runtime.times import to_text
from rollcall.sources import okta, standard
from rollcall.sources.asking import LONGEST_WAIT, Answer, AskingError, NonsenseError, retry_after
from rollcall.sources.model import Delivery, Parsed, as_the_source_wants, is_denied
from rollcall.sources.policy import Away, EmailChoice, Leaving, Policy
from rollcall.sources.registry import asked
from tests.support.examples import examples
from tests.support.spoiling import JSON, spoilt
from tests.support.vendors import OKTA_SECRET

if TYPE_CHECKING:
    from collections.abc import Sequence

AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
NOBODY = "Private canary"
STATUSES = st.sampled_from([200] * 9 + [202, 204, 400, 401, 404, 429, 503]) | st.integers(100, 599)
policies = st.builds(
    Policy,
    leave=st.sampled_from(Away),
    suspended=st.sampled_from(Away),
    email=st.sampled_from(EmailChoice),
    eligible=st.sampled_from([{}, {"department.name": ("Field",)}]),
    leaving=st.sampled_from(Leaving),
)

# --- what vendors answer ---------------------------------------------------------------------------------------------
INDIVIDUAL = {
    "id": "E-1",
    "first_name": NOBODY,
    "last_name": "Raman",
    "emails": [
        {"data": "priya.raman@example.com", "type": "work"},
        {"data": "priya@example.com", "type": "personal"},
        {"data": "p@example.com", "type": None},
    ],
    "dob": "1990-02-03",
    "residence": {"city": "Halifax"},
}
EMPLOYMENT = {
    "id": "E-1",
    "title": "Field Organiser",
    "department": {"name": "Field"},
    "manager": {"id": "E-9"},
    "employment": {"type": "employee", "subtype": "full_time"},
    "employment_status": "leave",
    "start_date": "2024-02-01",
    "latest_rehire_date": "2025-01-01",
    "end_date": "2024-12-01",
    "is_active": True,
    "custom_fields": [{"name": "Office", "value": "London"}, {"name": "Skills", "value": ["a", "b"]}],
}
EMPLOYEE = {
    "id": "E-1",
    "firstName": NOBODY,
    "lastName": "Weber",
    "workEmail": "jonas.weber@example.com",
    "homeEmail": "jonas@example.com",
    "status": "Active",
    "employmentHistoryStatus": "On leave",
    "hireDate": "2024-02-01",
    "terminationDate": "0000-00-00",
    "department": "Field",
    "customSkills": ["a", "b"],
}


def batch(record: dict[str, Any]) -> dict[str, Any]:
    """Return Finch's answer to a batch of one."""
    return {"responses": [{"individual_id": "E-1", "code": 200, "body": record}]}


# Of each system: what it answers to the questions about one person, in their order.
ANSWERS: dict[str, tuple[Any, ...]] = {"finch": (batch(INDIVIDUAL), batch(EMPLOYMENT)), "bamboohr": (EMPLOYEE,)}


def read(name: str, answers: Sequence[Answer], policy: Policy) -> DirectoryEvent | AskingError:
    """Return the event with the record in it, or the trouble; any other exception fails the test."""
    module = asked(name)
    assert module is not None
    source = Source("0" * 26, "1" * 26, name, "Test", "0" * 32, policy=policy)
    event = DirectoryEvent("a" * 32, source.source_id, "E-1", Kind.UPDATED, to_text(AT), look=True)
    try:
        looked = module.read_answers(answers, event, source, AT)
    except AskingError as trouble:
        return trouble
    return as_the_source_wants(looked, source)


@pytest.mark.parametrize("name", ANSWERS)
def test_good_answer_is_the_whole_record(name: str) -> None:
    """The samples below are what the vendor answers: else spoiling them would prove nothing."""
    looked = read(name, [Answer(200, {}, json.dumps(one).encode()) for one in ANSWERS[name]], Policy())
    assert isinstance(looked, DirectoryEvent)
    assert (looked.complete, looked.look, looked.fields["first_name"]) == (True, False, NOBODY)
    assert looked.fields["end_date"] is None


@st.composite
def answers(draw: st.DrawFn, name: str) -> list[Answer]:
    """Return answers of any bytes, of any JSON, and right ones with something wrong in one of them or in all."""
    return [
        Answer(
            draw(STATUSES),
            draw(st.dictionaries(st.just("retry-after"), st.text(max_size=30))),
            draw(
                st.just(json.dumps(sample).encode())
                | st.binary(max_size=200)
                | (JSON | spoilt([sample])).map(lambda value: json.dumps(value).encode())
            ),
        )
        for sample in ANSWERS[name]
    ]


@settings(max_examples=examples(150), deadline=None)
@given(data=st.data(), policy=policies)
@pytest.mark.parametrize("name", ANSWERS)
def test_any_answer_gives_the_record_or_a_trouble(name: str, data: st.DataObject, policy: Policy) -> None:
    """Whatever a vendor answers ends as a whole record that can be stored, or as a trouble that repeats none of it."""
    looked = read(name, data.draw(answers(name)), policy)
    if isinstance(looked, AskingError):
        assert looked.code
        assert looked.detail.endswith(".")
        assert NOBODY not in f"{looked} {looked.detail}"
        return
    assert (looked.event_id, looked.external_id, looked.occurred_at) == ("a" * 32, "E-1", to_text(AT))
    assert looked.complete
    assert not looked.look
    assert looked.kind in {Kind.UPDATED, Kind.DEACTIVATED}
    assert event_from_item(event_to_item(looked)) == looked
    assert not any(is_denied(attribute) for attribute in looked.attributes)


WRONG: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 10**400, 1.5, 1e308, "", " ", "\0", "\ud800", "é", "x" * 5_000, "9999-99-99"),
    *([], {}, [[]], [None], [{}], {"": {}}, ["a"], {"name": 1}, [{"name": "a", "value": {}}], [[[[[[[[[[1]]]]]]]]]]),
)


def spoilt_once(document: Any) -> list[Any]:
    """Return the document once for each of its values, at any depth, and each wrong one in its place."""
    keys = list(document) if isinstance(document, dict) else list(range(len(document)))
    return [
        [*document[:key], other, *document[key + 1 :]] if isinstance(document, list) else {**document, key: other}
        for key in keys
        for other in (*WRONG, *(spoilt_once(document[key]) if isinstance(document[key], (dict, list)) else ()))
    ]


@pytest.mark.parametrize("name", ANSWERS)
def test_one_wrong_value_anywhere_gives_the_record_or_a_trouble(name: str) -> None:
    """Each value of each answer, replaced by each of those that vendors are known to send where they should not."""
    good = [Answer(200, {}, json.dumps(one).encode()) for one in ANSWERS[name]]
    kinds: set[type] = set()
    for number, sample in enumerate(ANSWERS[name]):
        for document in spoilt_once(sample):
            spoilt_answer = Answer(200, {}, json.dumps(document).encode())
            looked = read(name, [*good[:number], spoilt_answer, *good[number + 1 :]], Policy())
            kinds.add(type(looked))
            assert NOBODY not in str(getattr(looked, "detail", ""))
    assert {DirectoryEvent, NonsenseError} <= kinds


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize("depth", [100, 100_000])
def test_deep_answer_is_nonsense(name: str, depth: int) -> None:
    """An answer nested without end is no record."""
    body = b'{"a":' * depth + b"1" + b"}" * depth
    assert isinstance(read(name, [Answer(200, {}, body) for _ in ANSWERS[name]], Policy()), NonsenseError)


@settings(max_examples=examples(150), deadline=None)
@given(st.text() | st.from_regex(r"Mon, [0-9]{1,20} (Nov|Dec) [0-9]{1,20} [0-9:]{1,12} ([A-Z]{3}|[+-][0-9]{1,25})"))
@example("Mon, 16 Nov 2009 13:32:02 +99999999999999")
@example("Mon, 16 Nov 99999999999999999999 13:32:02 GMT")
@example("9" * 5_000)
def test_any_retry_after_is_a_wait_of_up_to_a_day_or_none(value: str) -> None:
    """What a vendor says of when to come back is taken if it can be read, and never as longer than a day."""
    wait = retry_after(value, AT)
    assert wait is None or 0 <= wait <= LONGEST_WAIT


# --- what a transform makes ------------------------------------------------------------------------------------------
OWN = [
    {"no": "7", "mail": "maya.okafor@example.com", "name": {"given": NOBODY}, "office": "London", "status": "in"},
    {"people": [{"id": "a", "skills": ["a", "b"]}, {"id": "b", "skills": []}], "changed": "2026-11-01T08:00:00Z"},
    [{"type": "person.added", "data": {"external_id": "E-1", "first_name": NOBODY, "complete": True}}],
]
ENTRIES = "people[*].{type: 'person.added', timestamp: changed, data: {external_id: id, attributes: {skills: skills}}}"
OWN_EVENT = (
    "{type: status == 'left' && 'person.deactivated' || 'person.updated', timestamp: changed,"
    " data: {external_id: to_string(no), email: mail, first_name: name.given, attributes: {Office: office}}}"
)
EXPRESSIONS = [
    "@",
    "people",
    ENTRIES,
    OWN_EVENT,
    "{type: join('.', ['person', status]), data: merge({external_id: no}, name)}",
    "sort_by(people, &id)[].{type: 'person.updated', data: {external_id: id, attributes: @}}",
    "people[?length(skills) > `1`] | [0].{type: 'person.deleted', data: {external_id: to_string(@)}}",
    "{type: 'person.updated', data: {external_id: keys(@)[0], complete: contains(office, 'L'), email: max(values(@))}}",
]


def transformed(expression: str, body: bytes) -> tuple[Parsed, list[Fault]]:
    """Return the events or the faults of a delivery; any other exception fails the test."""
    source = Source("0" * 26, "1" * 26, "standard", "Test", "0" * 32, transform=expression)
    try:
        return standard.parse(Delivery(body, {"webhook-id": "msg_1"}, AT), source), []
    except MalformedError as exc:
        return [], exc.faults


@pytest.mark.parametrize("expression", [ENTRIES, OWN_EVENT])
def test_good_expression_makes_events(expression: str) -> None:
    """The expressions fit the samples: else spoiling these would prove nothing."""
    found = [transformed(expression, json.dumps(own).encode())[0] for own in OWN]
    assert any(isinstance(event, DirectoryEvent) for events in found for event in events)


@settings(max_examples=examples(150), deadline=None)
@given(
    expression=st.sampled_from(EXPRESSIONS)
    | st.text(max_size=30)
    | st.lists(st.sampled_from([*"@[]{}().*|&?:,'`", "people", "id", "length", "`1`", "0", "=="])).map("".join),
    body=st.binary(max_size=100) | (JSON | spoilt(OWN)).map(lambda value: json.dumps(value).encode()),
)
def test_any_body_through_any_transform_gives_events_or_faults(expression: str, body: bytes) -> None:
    """What a client's own expression makes of a body is events, ignored, or faults that repeat no value of it."""
    events, faults = transformed(expression, body)
    assert bool(events) != bool(faults)
    for fault in faults:
        assert fault.place
        assert fault.code
        assert NOBODY not in fault.detail
    for event in events:
        if isinstance(event, Ignored):
            assert event.reason
            continue
        assert event.external_id
        assert event_from_item(event_to_item(event)) == event


# --- Okta's challenge ------------------------------------------------------------------------------------------------
CHALLENGE = "x-okta-verification-challenge"


@settings(max_examples=examples(150), deadline=None)
@given(
    st.dictionaries(
        st.sampled_from([CHALLENGE, "authorization", "x-other"]),
        st.text(st.characters())
        | st.sampled_from(["aGVsbG8", OKTA_SECRET, f"Bearer {OKTA_SECRET}", "\udcff", "x" * 1_025]),
    )
)
@example({CHALLENGE: "aGVsbG8"})
@example({CHALLENGE: "aGVsbG8", "authorization": OKTA_SECRET})
@example({CHALLENGE: "aGVsbG8", "authorization": ""})
def test_any_challenge_is_answered_with_itself_or_refused(headers: dict[str, str]) -> None:
    """One line of printable ASCII is given back as it came, never to somebody with a wrong secret; all else is not."""
    try:
        answer = okta.answer_challenge(Delivery(b"", headers, AT), [OKTA_SECRET])
    except NotFoundError:
        text = headers.get(CHALLENGE, "")
        assert not (0 < len(text) <= 1_024 and all("!" <= char <= "~" for char in text))
        return
    except UnauthenticError:
        assert headers["authorization"] not in {OKTA_SECRET, f"Bearer {OKTA_SECRET}"}
        return
    assert answer == {"verification": headers[CHALLENGE]}
    assert headers.get("authorization", OKTA_SECRET) in {OKTA_SECRET, f"Bearer {OKTA_SECRET}"}
