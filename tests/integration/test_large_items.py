"""What is too large for DynamoDB is refused by us, with a sentence; what we take, DynamoDB takes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from rollcall.hubs import context
from rollcall.people import event_log
from rollcall.people import store as people
from rollcall.people.events import Kind
from rollcall.people.model import EventState
from rollcall.runtime import dynamo
from rollcall.runtime.errors import TooLargeToStoreError
from rollcall.segments import store as segments
from rollcall.segments.model import Option, Segment
from tests.support.world import World

if TYPE_CHECKING:
    from rollcall.people.model import PersonRecord

pytestmark = pytest.mark.usefixtures("aws")


@pytest.fixture
def world() -> World:
    return World().build()


def person_with(world: World, letters: int) -> PersonRecord:
    world.tell(world.event("a", 0, Kind.ADDED, attributes={"Note": "short"}))
    record = people.get_person(world.hub.hub_id, world.person_id())
    assert record is not None
    (cell,) = record.person.attributes.values()
    told = replace(record.person, attributes={"note": replace(cell, value="ż" * letters)})
    return replace(record, person=told)


def test_a_person_up_to_the_limit_is_stored(world: World) -> None:
    """Letters of several bytes count as such: 298,000 bytes are taken, by us and by DynamoDB."""
    record = person_with(world, 149_000)
    dynamo.write([people.put_person(world.hub.hub_id, record, "event:b", "2026-10-05T08:00:00.000Z")])
    assert people.get_person(world.hub.hub_id, record.person_id) == replace(record, rev=record.rev + 1)


def test_a_person_beyond_the_limit_is_refused(world: World) -> None:
    """Nothing is sent to DynamoDB, and the message holds nothing of the person."""
    record = person_with(world, 150_000)
    with pytest.raises(TooLargeToStoreError, match="fewer or shorter attributes") as caught:
        people.put_person(world.hub.hub_id, record, "event:b", "2026-10-05T08:00:00.000Z")
    assert "ż" not in str(caught.value)


def segment_with(name: str, options: int) -> Segment:
    return Segment(name, name, options=tuple(Option(f"{n:026}", "x" * 200) for n in range(options)))


def test_a_segment_is_stored_up_to_the_limit_and_refused_beyond(world: World) -> None:
    """The largest segment that is taken is read back whole; one of a few options more changes nothing."""
    hub_id = world.hub.hub_id
    version = context.load(hub_id).catalogue_version
    segments.change_catalogue(hub_id, version, [], [segment_with("team", 1_100)])
    with pytest.raises(TooLargeToStoreError, match="team"):
        segments.change_catalogue(hub_id, version + 1, [], [segment_with("team", 1_150)])
    kept = context.load(hub_id).catalogue.segment("team")
    assert kept is not None
    assert len(kept.options) == 1_100


def test_more_than_a_transaction_takes_is_refused(world: World) -> None:
    """Segments that are each small enough can be too large together."""
    many = [segment_with(f"team {n}", 1_000) for n in range(14)]
    with pytest.raises(TooLargeToStoreError, match="at once"):
        segments.catalogue_actions(world.hub.hub_id, 1, [], many)
    assert len(segments.catalogue_actions(world.hub.hub_id, 1, [], many[:12])) == 13


def test_event_that_would_make_a_person_too_large_is_quarantined(aws: None) -> None:
    """Partial events cannot grow a person beyond what an item holds; the event says so, and earlier data stays."""
    world = World().build()
    for number in range(3):
        values = {f"Field {number} {n}": "x" * 1_000 for n in range(100)}
        world.tell(world.event(f"part {number}", number, attributes=values))
    states = [event_log.get_event(world.hub.hub_id, world.event_id(f"part {number}")) for number in range(3)]
    assert [(logged.state, logged.reason) for logged in states if logged] == [
        (EventState.APPLIED, "person_created"),
        (EventState.APPLIED, "person_changed"),
        (EventState.QUARANTINED, "too_large_to_store"),
    ]
    person = people.get_person(world.hub.hub_id, world.person_id())
    assert person is not None
    assert len(person.person.attributes) == 200
