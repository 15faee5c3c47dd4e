from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from rollcall.hubs.model import Source
from rollcall.people.events import DirectoryEvent, Ignored
from rollcall.runtime.errors import MalformedError
from rollcall.sources import standard, transform
from rollcall.sources.model import Delivery, Parsed

AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ONE = (
    "{type: status == 'left' && 'person.deactivated' || 'person.updated', timestamp: changed,"
    " data: {external_id: to_string(no), email: mail, first_name: name.given, attributes: {Office: office}}}"
)


def parse(expression: str, document: Any) -> Parsed:
    """Return what a source with this transform understands of a document."""
    source = Source("0" * 26, "1" * 26, "standard", "Test", "0" * 32, transform=expression)
    return standard.parse(Delivery(json.dumps(document).encode(), {"webhook-id": "msg_1"}, AT), source)


def faults(expression: str, document: Any) -> list[tuple[str, str]]:
    with pytest.raises(MalformedError) as caught:
        parse(expression, document)
    return [(fault.place, fault.code) for fault in caught.value.faults]


def test_own_json_becomes_an_event() -> None:
    """Names, conditions and numbers of the client's own record become a canonical event."""
    (event,) = parse(
        ONE, {"no": 7, "mail": "maya.okafor@example.com", "name": {"given": "Maya"}, "office": "London", "status": "in"}
    )
    assert isinstance(event, DirectoryEvent)
    assert (event.kind, event.external_id, event.attributes) == ("updated", "7", {"Office": "London"})
    assert event.fields == {"email": "maya.okafor@example.com", "first_name": "Maya"}
    (left,) = parse(ONE, {"no": 7, "status": "left", "changed": "2026-11-01T08:00:00Z"})
    assert isinstance(left, DirectoryEvent)
    assert (left.kind, left.occurred_at) == ("deactivated", "2026-11-01T08:00:00.000Z")


def test_list_becomes_events_with_ids_of_their_own() -> None:
    """Each entry is an event; one that the transform makes nothing of is recorded as ignored."""
    first, second = parse("people[*].{type: 'person.added', data: {external_id: id}}", {"people": [{"id": "a"}] * 2})
    assert first.event_id != second.event_id
    one, none = parse("[{type: 'person.added', data: {external_id: id}}, other]", {"id": "a"})
    assert isinstance(one, DirectoryEvent)
    assert isinstance(none, Ignored)


@pytest.mark.parametrize("document", [{}, {"people": []}, {"people": None}])
def test_body_that_gives_no_event_is_ignored(document: Any) -> None:
    """What the transform makes nothing of is answered like an event of no use, and recorded."""
    (event,) = parse("people[*].{type: 'person.added', data: {external_id: id}}", document)
    assert isinstance(event, Ignored)
    assert event.reason == "no_event"


def test_fault_of_what_was_made_has_its_place_in_it() -> None:
    """A record without an id is told at its place in what the transform made, not in the body."""
    made = "people[*].{type: 'person.added', data: {external_id: id}}"
    assert faults(made, {"people": [{"id": "a"}, {"name": "b"}]}) == [("transform[1].data.external_id", "bad_id")]
    assert faults("@", 7) == [("transform", "not_an_object")]
    assert faults("[@, @][]", [7] * 300) == [("transform", "bad_count")]


@pytest.mark.parametrize(
    "expression",
    ["join(',', no)", "length(no)", "sort(people)", "abs('x')", "max_by(people, &no)", "keys(no)"],
)
def test_function_that_gets_another_kind_of_value_is_told(expression: str) -> None:
    """A document that the transform does not fit is 400 with a sentence; the value is in no part of it."""
    assert transform.check(expression) == []
    with pytest.raises(MalformedError) as caught:
        parse(expression, {"no": 5, "people": [{"no": "a"}, 5]})
    (fault,) = caught.value.faults
    assert (fault.place, fault.code) == ("transform", "transform_failed")


@pytest.mark.parametrize(
    ("expression", "place", "code"),
    [
        ("", "transform", "empty"),
        ("   ", "transform", "empty"),
        ("a" * 4_001, "transform", "too_long"),
        ("{type: 'person.added'", "transform, character 22", "bad_expression"),
        ("people[", "transform, character 8", "bad_expression"),
        ("a b", "transform, character 3", "bad_expression"),
        ("#", "transform, character 1", "bad_expression"),
        ("`{`", "transform", "bad_expression"),
        ("nothing_like_it(@)", "transform", "unknown_function"),
        ("not_null(" * 70 + "@" + ")" * 70, "transform", "too_deep"),
        ("(" * 1_900 + "@" + ")" * 1_900, "transform", "too_deep"),
        ("|".join(["@"] * 900), "transform", "too_deep"),
    ],
)
def test_bad_expression_is_refused_at_its_place(expression: str, place: str, code: str) -> None:
    """What cannot be read, or is larger or deeper than we take, is refused when it is stored."""
    (fault,) = transform.check(expression)
    assert fault.code == code
    assert fault.place.startswith(place.partition(",")[0])
    if code == "bad_expression" and "character" in place:
        assert fault.place == place


@pytest.mark.parametrize(
    "expression",
    [
        "|".join(["[@,@]"] * 50),
        "|".join(["[@,@][]"] * 50),
        "|".join(["{a:@,b:@}"] * 50),
        "|".join(["[@,@]"] * 50) + "|to_string(@)",
        "|".join(["join('',[@,@])"] * 50),
        "|".join(["map(&[@,@],@)"] * 50),
        "|".join(["[@,@]"] * 25) + "|[@,@]|[0] == [1]",
        "|".join(["to_array(@)|[@,@]"] * 25),
        "@" + "|values({a:@,b:@})" * 50,
        "|".join(["reverse([@,@])"] * 50),
        "|".join(["merge({a:@},{b:@})"] * 50),
        "|".join(["[*].[@,@,@,@]"] * 50),
    ],
)
def test_hostile_expression_is_stopped_soon(expression: str) -> None:
    """Whatever doubles with every step is stopped within its share of work: two seconds on a slow machine at most."""
    document: Any = "x" * 100_000 if "join" in expression else ["x" * 1_000] * 800
    assert transform.check(expression) == []
    begin = time.process_time()
    with pytest.raises(MalformedError) as caught:
        transform.apply(expression, document)
    assert caught.value.faults[0].code == "transform_too_long"
    assert time.process_time() - begin < 2


def test_large_delivery_is_within_the_share_of_work() -> None:
    """The largest list that is taken, of ordinary records, is no hostile one."""
    person = {"no": 7, "mail": "maya.okafor@example.com", "name": {"given": "Maya"}, "status": "in", "office": "London"}
    expression = f"people[*].{ONE}"
    assert len(parse(expression, {"people": [{**person, "no": n} for n in range(500)]})) == 500
