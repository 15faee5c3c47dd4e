"""What one event changed is found at its person and their member, whatever became of them since."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from rollcall.activity import origin
from rollcall.hubs import context
from rollcall.mapping.table import ANY, ProfileTarget, Rule
from rollcall.people import event_log
from rollcall.people.events import Kind
from rollcall.people.model import EventState
from rollcall.people.sync import apply_event
from rollcall.runtime.errors import TransientError
from tests.support.admin import call, claims_of
from tests.support.streams import recording
from tests.support.world import World, everything

if TYPE_CHECKING:
    from rollcall.people.events import DirectoryEvent

pytestmark = pytest.mark.usefixtures("aws")
DESK = {"email": "desk@example.com", "first_name": "Maya", "last_name": "Okafor"}


@pytest.fixture
def world() -> World:
    return World().build()


def _changes(world: World, event: DirectoryEvent) -> list[tuple[str, str, Any]]:
    """Return who changed, in what and to what."""
    path = f"/hubs/{world.hub.hub_id}/events/{event.event_id}"
    found = call("GET", path, claims_of(f"{world.hub.hub_id}:admin")).json["changes"]
    return sorted((entry["subject"], entry["field"], entry["new"]) for entry in found)


def _throttled(*_: Any, **__: Any) -> None:
    raise TransientError


def _moved(world: World, name: str, seconds: int, office: str, person: str = "E-1") -> DirectoryEvent:
    return world.event(name, seconds, person=person, attributes={"Office": office})


def test_changes_of_an_event_are_those_of_its_person_and_their_member(world: World) -> None:
    """Of no other event about them, and of nobody else; what an event has not changed it does not claim."""
    with recording():
        world.tell(world.event("first", 0, Kind.ADDED, fields=dict(DESK), attributes={"Office": "Oslo"}))
        world.tell(world.event("other", 0, Kind.ADDED, "E-2", fields={"email": "other@example.com"}))
        member_id = world.enrol()
        moves = [_moved(world, f"moves-{n}", n, office) for n, office in enumerate(("London", "Toronto"), 1)]
        same = _moved(world, "same", 3, "Toronto")
        world.tell(*moves, _moved(world, "other moves", 2, "London", "E-2"), same)
    for event, office in zip(moves, ("London", "Toronto"), strict=True):
        expected = {(world.person_id(), "attribute:Office"), (member_id, "segment:Location")}
        found = _changes(world, event)
        assert {(subject, field) for subject, field, _ in found} == expected
        assert office in repr([new for *_, new in found])
    assert _changes(world, same) == []


def test_event_that_is_applied_again_shows_what_it_did_before_and_what_it_does_then(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A member gets an address only once somebody else has given it up; shown at once, before the event is settled."""
    monkeypatch.setattr(origin, "SKEW", timedelta())
    wanted = {"email": "wanted@example.com"}
    with recording() as record:
        world.tell(world.event("first", 1, Kind.ADDED, fields=dict(DESK)))
        world.tell(world.event("holder", 2, Kind.ADDED, "E-2", fields=dict(wanted)))
        member_id = world.enrol()
        wants = world.event("wants", 3, fields=dict(wanted))
        world.tell(wants)
        record()
        before = [(world.person_id(), "email", wanted["email"])]
        assert _changes(world, wants) == before
        world.tell(world.event("gives up", 4, person="E-2", fields={"email": "else@example.com"}))
        record()
        again = event_log.get_event(world.hub.hub_id, wants.event_id)
        assert again is not None
        assert again.state is EventState.NEW
        assert _changes(world, wants) == before
        after = sorted([*before, (member_id, "email", wanted["email"])])
        with monkeypatch.context() as patched:
            patched.setattr(event_log, "settle_event", _throttled)
            with pytest.raises(TransientError):
                apply_event(world.hub.hub_id, wants.event_id)
        record()
        assert _changes(world, wants) == after
        apply_event(world.hub.hub_id, wants.event_id)
    assert _changes(world, wants) == after


def test_changes_of_somebody_who_goes_on_under_another_id_stay_to_be_seen(world: World) -> None:
    """The member is now the other person's; what the old id's events did to them is found all the same."""
    with recording() as record:
        world.tell(world.event("first", 1, Kind.ADDED, fields=dict(DESK), attributes={"Office": "London"}))
        member_id = world.enrol(roles=("mentor",))
        moves = _moved(world, "moves", 2, "Toronto")
        world.tell(moves, world.event("left", 3, Kind.DEACTIVATED))
        world.tell(world.event("back", 9, Kind.ADDED, "E-2", fields=dict(DESK), attributes={"Office": "Toronto"}))
        record()
        before = _changes(world, moves)
        path = f"/hubs/{world.hub.hub_id}/collisions/{world.person_id('E-2')}/resolve"
        admin = claims_of(f"{world.hub.hub_id}:admin")
        assert call("POST", path, admin, {"decision": "same_person"}).status == 200
    assert {subject for subject, *_ in before} == {world.person_id(), member_id}
    assert _changes(world, moves) == before


def test_event_touches_nobody_else_when_rules_move_under_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has the address that it asks for is left to the publication of the rules."""
    world.tell(world.event("first", 1, Kind.ADDED, fields=dict(DESK), attributes={"Office": "Oslo"}))
    world.enrol()
    before, read = everything("MEMBERS_TABLE"), context.current_versions

    def read_later(hub_id: str) -> tuple[int, int]:
        if read(hub_id)[0] == 1:
            world.publish(2, (Rule("Office", ANY, ProfileTarget("Office"), 2),))
        return read(hub_id)

    monkeypatch.setattr(context, "current_versions", read_later)
    wants = world.event("wants", 2, Kind.ADDED, "E-2", fields=dict(DESK))
    world.tell(wants)
    assert context.load(world.hub.hub_id).table.version == 2
    assert everything("MEMBERS_TABLE") == before
