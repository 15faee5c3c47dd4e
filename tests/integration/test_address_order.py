"""Whose address it is does not depend on the order in which events come, nor on how often."""

from __future__ import annotations

import itertools
import random
from typing import TYPE_CHECKING, Any

import pytest

from rollcall.people import event_log, store
from rollcall.people.events import Kind
from rollcall.people.model import Address, Barred, EventState
from rollcall.people.sync import apply_event
from rollcall.runtime import dynamo
from tests.support.world import SOURCE, World, everything

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rollcall.people.events import DirectoryEvent

DESK, FORMER, THIRD = "desk@example.com", "former@example.com", "third@example.com"
Telling = tuple[str, int, Kind, str | None]

HISTORIES: dict[str, list[Telling]] = {
    "given up while active, then left": [
        ("E-1", 1, Kind.ADDED, DESK),
        ("E-1", 2, Kind.UPDATED, FORMER),
        ("E-1", 3, Kind.DEACTIVATED, None),
    ],
    "renamed after leaving, then given out again": [
        ("E-1", 1, Kind.ADDED, DESK),
        ("E-1", 2, Kind.DEACTIVATED, None),
        ("E-1", 3, Kind.UPDATED, FORMER),
        ("E-2", 4, Kind.ADDED, DESK),
    ],
    "three want one": [
        ("E-1", 1, Kind.ADDED, DESK),
        ("E-2", 2, Kind.ADDED, DESK),
        ("E-3", 3, Kind.ADDED, DESK),
        ("E-1", 4, Kind.UPDATED, FORMER),
    ],
    "two swap theirs": [
        ("E-1", 1, Kind.ADDED, DESK),
        ("E-2", 2, Kind.ADDED, FORMER),
        ("E-1", 3, Kind.UPDATED, FORMER),
        ("E-2", 4, Kind.UPDATED, DESK),
    ],
    "who comes back does not take it from who got it": [
        ("E-1", 1, Kind.ADDED, DESK),
        ("E-1", 2, Kind.UPDATED, FORMER),
        ("E-2", 3, Kind.ADDED, DESK),
        ("E-1", 4, Kind.UPDATED, DESK),
    ],
    "left in the line, and the holder moves": [
        ("E-2", 1, Kind.ADDED, DESK),
        ("E-3", 2, Kind.ADDED, DESK),
        ("E-2", 3, Kind.UPDATED, FORMER),
        ("E-3", 4, Kind.DEACTIVATED, None),
    ],
    "stands back from what it had": [
        ("E-1", 1, Kind.ADDED, DESK),
        ("E-1", 2, Kind.UPDATED, THIRD),
        ("E-2", 3, Kind.ADDED, DESK),
        ("E-1", 4, Kind.UPDATED, DESK),
    ],
    "left, and somebody new has the same": [
        ("E-1", 1, Kind.ADDED, DESK),
        ("E-1", 2, Kind.DEACTIVATED, None),
        ("E-2", 3, Kind.ADDED, DESK),
    ],
}


def _event(world: World, number: int, told: Telling) -> DirectoryEvent:
    person, second, kind, email = told
    return world.event(f"event-{number}", second, kind, person, fields={"email": email} if email else {})


def _until_settled(world: World) -> None:
    for _ in range(20):
        new = [event_log.event_id_of(item) for item in _events(world) if item["state"] == EventState.NEW]
        if not new:
            return
        for event_id in new:
            apply_event(world.hub.hub_id, event_id)
    raise AssertionError


def _events(world: World) -> list[dict[str, Any]]:
    return [item for item in everything("EVENTS_TABLE") if item["pk"].startswith(world.hub.hub_id)]


def _end(history: Sequence[Telling], order: Sequence[int]) -> Any:
    """Return persons and addresses, and what is held, after the history came to a new hub in this order."""
    world = World().build()
    events = [_event(world, number, told) for number, told in enumerate(history)]
    for place in order:
        world.tell(events[place])
    _until_settled(world)
    nobody = {"holders": {}, "erased": False}
    state = {
        key: {name: value for name, value in item.items() if name == "sk" or not name.endswith("pk")}
        for key, item in world.state().items()
    }
    assert state
    held = {event_log.event_id_of(item) for item in _events(world) if item["state"] == EventState.HELD}
    return {key: item for key, item in state.items() if item != nobody | {"sk": "-"}}, held


@pytest.mark.parametrize("name", list(HISTORIES))
def test_history_in_other_orders_ends_the_same(aws: None, name: str) -> None:
    """Persons, addresses, who waits and which events are held are the same in order, backwards and in between."""
    _agree(HISTORIES[name], _some_orders(len(HISTORIES[name])))


@pytest.mark.long
@pytest.mark.parametrize("name", list(HISTORIES))
def test_history_in_any_order_ends_the_same(aws: None, name: str) -> None:
    """The same with every order there is."""
    _agree(HISTORIES[name], itertools.permutations(range(len(HISTORIES[name]))))


def _some_orders(size: int) -> list[tuple[int, ...]]:
    every = list(itertools.permutations(range(size)))
    return [every[0], every[-1], every[len(every) // 3], every[len(every) // 2], every[2 * len(every) // 3]]


def _agree(history: list[Telling], orders: Iterable[tuple[int, ...]]) -> None:
    ends = {order: _end(history, order) for order in orders}
    expected = next(iter(ends.values()))
    for order, end in ends.items():
        assert end == expected, order


@pytest.mark.long
@pytest.mark.parametrize("seed", range(150))
def test_random_history_in_any_order_ends_the_same(aws: None, seed: int) -> None:
    """Seven events of three persons over three addresses, shuffled four times and partly repeated, agree."""
    chance = random.Random(seed)
    kinds = [Kind.ADDED, Kind.UPDATED, Kind.UPDATED, Kind.DEACTIVATED, Kind.REACTIVATED]
    history: list[Telling] = [
        (
            f"E-{chance.randint(1, 3)}",
            second,
            chance.choice(kinds),
            chance.choice([DESK, FORMER, THIRD, DESK, None]),
        )
        for second in range(7)
    ]
    expected = _end(history, range(7))
    for _ in range(4):
        order = [*range(7), *chance.choices(range(7), k=2)]
        chance.shuffle(order)
        assert _end(history, order) == expected, (history, order)


def _told(world: World, *told: Telling) -> None:
    world.tell(*[_event(world, number, one) for number, one in enumerate(told)])
    _until_settled(world)


def _address(world: World, email: str) -> Address:
    return store.get_address(world.hub.hub_id, world.address_id(email))


def test_former_address_of_a_leaver_is_barred_until_somebody_has_it(aws: None) -> None:
    """An old file invites nobody there; a colleague who is given the address has it without being asked."""
    world = World().build()
    _told(world, *HISTORIES["given up while active, then left"])
    assert _address(world, DESK).barred is Barred.DEACTIVATED
    world.tell(_event(world, 9, ("E-2", 9, Kind.ADDED, DESK)))
    assert _address(world, DESK).barred is None
    assert _address(world, DESK).holders[SOURCE].person_id == world.person_id("E-2")


def test_swapped_addresses_of_members_follow_both(aws: None) -> None:
    """Two members who swap their addresses both get the other's, and stay who they are."""
    world = World().build()
    _told(world, ("E-1", 1, Kind.ADDED, DESK), ("E-2", 2, Kind.ADDED, FORMER))
    first, second = world.enrol("E-1", ("mentor",)), world.enrol("E-2", ("mentee",))
    world.tell(_event(world, 8, ("E-1", 3, Kind.UPDATED, FORMER)), _event(world, 9, ("E-2", 4, Kind.UPDATED, DESK)))
    _until_settled(world)
    assert (_address(world, DESK).member_id, _address(world, FORMER).member_id) == (second, first)
    assert (world.shown(first)["email"], world.shown(second)["email"]) == (FORMER, DESK)


def test_twenty_five_people_with_one_address_get_it_in_turn(aws: None) -> None:
    """However many wait for an address, nobody is forgotten: whoever has it gives it up and the next one gets it."""
    world = World().build()
    people = [f"E-{number}" for number in range(25)]
    _told(world, *[(person, second, Kind.ADDED, DESK) for second, person in enumerate(people)])
    assert len([item for item in everything("PEOPLE_TABLE") if item["sk"].startswith("W#")]) == 24
    for number, person in enumerate(people[:3]):
        world.tell(_event(world, 100 + number, (person, 100 + number, Kind.UPDATED, f"{person}@example.com".lower())))
        _until_settled(world)
        assert _address(world, DESK).holders[SOURCE].person_id == world.person_id(people[number + 1])
    assert len([item for item in everything("PEOPLE_TABLE") if item["sk"].startswith("W#")]) == 21


def test_waiting_event_that_is_kept_no_longer_stops_nobody(aws: None) -> None:
    """The holder's change goes through although the event that waited was purged."""
    world = World().build()
    _told(world, ("E-1", 1, Kind.ADDED, DESK), ("E-2", 2, Kind.ADDED, DESK))
    waiting = _event(world, 1, ("E-2", 2, Kind.ADDED, DESK))
    dynamo.write([dynamo.delete_action("EVENTS_TABLE", *event_log.key(world.hub.hub_id, waiting.event_id))])
    world.tell(_event(world, 9, ("E-1", 3, Kind.UPDATED, FORMER)))
    assert _address(world, FORMER).holders[SOURCE].person_id == world.person_id("E-1")
    assert _address(world, DESK).holders == {}
