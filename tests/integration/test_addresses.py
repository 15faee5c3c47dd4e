"""An address that goes from one person to another: the same end, whoever is heard of first."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from rollcall.people import event_log, store
from rollcall.people.events import Kind
from rollcall.people.model import EventState
from rollcall.people.sync import apply_event
from tests.support.world import SOURCE, World


def _state(world: World) -> dict[str, Any]:
    address = store.get_address(world.hub.hub_id, world.address_id("desk@example.com"))
    holders = {person: store.get_person(world.hub.hub_id, world.person_id(person)) for person in ("E-1", "E-2")}
    return {
        "holder": address.holders[SOURCE].person_id,
        "addresses": {person: record.address_id for person, record in holders.items() if record},
    }


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_address_handed_on_ends_the_same_in_any_order(aws: None, order: tuple[int, ...]) -> None:
    """E-1 gives the address up and E-2 gets it; if E-2 is heard of first, their event is applied again."""
    world = World().build()
    history = [
        world.event("one", 1, Kind.ADDED, "E-1", fields={"email": "desk@example.com"}),
        world.event("two", 2, Kind.UPDATED, "E-1", fields={"email": "former@example.com"}),
        world.event("three", 3, Kind.ADDED, "E-2", fields={"email": "desk@example.com"}),
    ]
    world.tell(*[history[place] for place in order])
    for event in history:
        apply_event(world.hub.hub_id, event.event_id)
    state = _state(world)
    assert state["holder"] == world.person_id("E-2")
    assert state["addresses"] == {
        "E-1": world.address_id("former@example.com"),
        "E-2": world.address_id("desk@example.com"),
    }
    logged = event_log.get_event(world.hub.hub_id, world.event_id("three", "E-2"))
    assert logged is not None
    assert logged.state is EventState.APPLIED


def test_far_future_event_is_quarantined_until_its_day_is_near(aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock a year ahead freezes nobody; replayed when the time has come, the event is applied."""
    world = World().build()
    future = world.event("later", 400 * 86_400, Kind.ADDED, fields={"email": "maya@example.com"})
    world.tell(future)
    logged = event_log.get_event(world.hub.hub_id, future.event_id)
    assert logged is not None
    assert (logged.state, logged.reason) == (EventState.QUARANTINED, "future_time")
    assert store.get_person(world.hub.hub_id, world.person_id()) is None
    from datetime import timedelta

    from rollcall.people import sync
    from tests.support.world import T0

    monkeypatch.setattr(sync, "now", lambda: T0 + timedelta(days=400))
    event_log.reopen_event(world.hub.hub_id, future.event_id, T0 + timedelta(days=400))
    apply_event(world.hub.hub_id, future.event_id)
    again = event_log.get_event(world.hub.hub_id, future.event_id)
    assert again is not None
    assert again.state is EventState.APPLIED
