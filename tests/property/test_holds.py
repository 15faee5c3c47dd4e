"""Holds: whatever order events come in, holding changes what is shown and nothing else."""

from __future__ import annotations

import random  # noqa: TC003 - hypothesis reads the annotations
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from rollcall.hubs.model import Hub
from rollcall.mapping.table import MappingTable
from rollcall.members.model import Hold, Member, Status
from rollcall.members.projection import changed_its_mind, derive, view, with_slice
from rollcall.people.events import DirectoryEvent, Kind
from rollcall.people.merge import Person, merge
from rollcall.people.model import PersonRecord
from rollcall.segments.model import Catalogue
from tests.support.examples import examples

CATALOGUE, TABLE = Catalogue((), ()), MappingTable(1, ())
KINDS = st.sampled_from([Kind.ADDED, Kind.DEACTIVATED, Kind.REACTIVATED, Kind.DELETED, Kind.UPDATED])
HISTORIES = st.lists(KINDS, min_size=1, max_size=7)
HUBS = st.booleans().map(lambda on: Hub("01JA0000000000000000000HUB", "Harbour", "0" * 32, reactivate_on_event=on))


def _events(kinds: list[Kind]) -> list[DirectoryEvent]:
    """Return events of one person, each a minute after the one before."""
    return [
        DirectoryEvent(f"{n:02d}", "payroll", "E-1", kind, f"2026-10-05T08:{n:02d}:00.000Z")
        for n, kind in enumerate(kinds, start=1)
    ]


def _live(events: list[DirectoryEvent], hub: Hub, *, guarded: bool) -> Member:
    """Return the member after the events in this order; a guard that lets nobody go holds every removal."""
    person: Person | None = None
    member = Member("m", "a")
    for rev, event in enumerate(events, start=1):
        person = merge(person, event)
        fresh = with_slice(member, derive(PersonRecord("p", person, rev), TABLE, CATALOGUE), hub, frozenset())
        if guarded and _rank(fresh, hub) > _rank(member, hub):
            part = fresh.slices["payroll"]
            upto = max(stamp for stamp in (part.deactivated, part.deleted) if stamp)
            fresh = replace(fresh, holds={"payroll": Hold(upto, "plan", "removal_held")})
        member = fresh
    return member


def _rank(member: Member, hub: Hub) -> int:
    return [Status.ACTIVE, Status.INACTIVE, Status.DELETED].index(view(member, hub, frozenset()).status)


@settings(max_examples=examples(300), deadline=None)
@given(HISTORIES, st.randoms(use_true_random=False), HUBS)
def test_held_member_stays_active_and_released_is_as_never_held(
    kinds: list[Kind], chance: random.Random, hub: Hub
) -> None:
    """While everything is held the member is active; without the hold it is what it would be without a guard."""
    events = _events(kinds)
    chance.shuffle(events)
    held = _live(events, hub, guarded=True)
    assert view(held, hub, frozenset()).status is Status.ACTIVE
    assert replace(held, holds={}) == _live(events, hub, guarded=False)


@settings(max_examples=examples(300), deadline=None)
@given(HISTORIES, st.randoms(use_true_random=False), HUBS)
def test_change_of_mind_does_not_depend_on_the_order(kinds: list[Kind], chance: random.Random, hub: Hub) -> None:
    """A hold is released by itself exactly if the newest of all that was said of coming and going is an activation."""
    events = _events(kinds)
    said = [event for event in events if event.kind is not Kind.UPDATED]
    chance.shuffle(events)
    member = _live(events, hub, guarded=True)
    hold = member.holds.get("payroll")
    if hold is not None:
        is_back = said[-1].kind in (Kind.ADDED, Kind.REACTIVATED)
        assert changed_its_mind(member.slices["payroll"], hold) is is_back
