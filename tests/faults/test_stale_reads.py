"""Events applied together, on reads that are not consistent and answer with what lay there some writes ago."""

from __future__ import annotations

import copy
import itertools
import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from rollcall.people.events import Kind
from rollcall.people.model import EventState
from rollcall.people.sync import apply_event, apply_events
from tests.support.aws import empty
from tests.support.histories import FAR_AHEAD, random_histories
from tests.support.races import PAIRS, Races
from tests.support.stale import Stale, stale
from tests.support.world import World, logged

if TYPE_CHECKING:
    from collections.abc import Callable

    from rollcall.people.events import DirectoryEvent

pytestmark = pytest.mark.usefixtures("aws")

PEOPLE = ("E-1", "E-2")
# Each has two of their own: of two members who want each other's, arrival decides who may keep which.
EMAILS = {person: {"a": f"{person}@example.com", "b": f"{person}.former@example.com"} for person in PEOPLE}
OLDEST = 3
HISTORIES = 4


def _world() -> World:
    """Return a hub with two members."""
    empty()
    world = World().build()
    for person in PEOPLE:
        email = EMAILS[person]["a"]
        world.tell(world.event(f"first-{person}", 0, Kind.ADDED, person, fields={"email": email, "first_name": person}))
        world.enrol(person, roles=("mentee",))
    return world


def _story(world: World, seed: int) -> list[DirectoryEvent]:
    """Return what is told of the two, mixed: mostly moves, now and then a new address or somebody who leaves."""
    chance = random.Random(seed)
    events = itertools.chain.from_iterable(random_histories(chance, HISTORIES))
    told = [_told(world, event, number, chance) for number, event in enumerate(events)]
    chance.shuffle(told)
    return told


def _told(world: World, event: DirectoryEvent, number: int, chance: random.Random) -> DirectoryEvent:
    is_quiet, person = chance.random() < 0.8, chance.choice(PEOPLE)
    fields = {} if is_quiet else {name: EMAILS[person].get(value or "", value) for name, value in event.fields.items()}
    leaves = event.kind in (Kind.DEACTIVATED, Kind.DELETED)
    return replace(
        event,
        event_id=world.event(f"told-{number}", 0, person=person).event_id,
        source_id=world.source_id,
        external_id=person,
        kind=Kind.UPDATED if is_quiet and leaves else event.kind,
        active=None if is_quiet else event.active,
        complete=event.complete and not is_quiet,
        occurred_at="2026-10-05T08:01:00.000Z" if event.occurred_at == FAR_AHEAD else event.occurred_at,
        fields=fields,
        attributes={"Office" if name == "Location" else name: value for name, value in event.attributes.items()},
    )


def _deliver(world: World, ids: list[str], chance: random.Random) -> None:
    """Apply events in batches as a queue would bring them: some twice, and again whatever is still new."""
    waiting = [*ids, *chance.choices(ids, k=2)]
    while waiting:
        size = chance.choice((1, 2, 3, 10))
        batch, waiting = waiting[:size], waiting[size:]
        found = apply_events(world.hub.hub_id, batch)
        assert not [what for what in found.values() if isinstance(what, Exception)]
    for _ in range(9):
        new = [event.event_id for event in logged() if event.state is EventState.NEW]
        if not new:
            return
        apply_events(world.hub.hub_id, new)
    raise AssertionError


def batches_on_old_reads_end_as_one_by_one(seed: int) -> int:
    """Compare the two, and return how many reads were old."""
    world = _world()
    for event in _story(world, seed):
        apply_event(world.hub.hub_id, world.record(event))
    _deliver(world, [event.event_id for event in logged()], random.Random(seed))
    expected = world.state()
    world, chance = _world(), random.Random(seed)
    ids = [world.record(event) for event in _story(world, seed)]
    with stale(lambda _: chance.choice((0, 1, 1, 2, OLDEST))) as reads:
        _deliver(world, ids, chance)
    assert world.state() == expected, f"seed {seed}"
    return reads.answers


def test_batches_on_old_reads_end_as_events_one_by_one_on_fresh_ones(figure: Callable[[str], None]) -> None:
    """Two members, of whom four histories are told; every read that is not consistent may be three writes old."""
    seeds = range(1)
    answers = sum(map(batches_on_old_reads_end_as_one_by_one, seeds))
    assert answers >= 4 * len(seeds)
    figure(f"stale reads: {len(seeds)} stories of two members, {answers} old answers, the same end")


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_many_stories_on_old_reads_end_as_on_fresh_ones(figure: Callable[[str], None]) -> None:
    """The same with many more."""
    seeds = range(100, 160)
    answers = sum(map(batches_on_old_reads_end_as_one_by_one, seeds))
    figure(f"stale reads: {len(seeds)} stories of two members, {answers} old answers, the same end")


class StaleRaces(Races):
    """Races in which every read that is not consistent is one write behind, be that of the race or of what was before.

    Attributes
    ----------
    answers
        How many were.
    """

    def __init__(self, reads: Stale) -> None:
        super().__init__()
        self._reads = reads
        self._kept: dict[str, Any] = {}

    def _begin(self, base: str) -> World:
        is_new = base not in self._kept
        if is_new:
            self._reads.versions.clear()
        world = super()._begin(base)
        if is_new:
            self._kept[base] = copy.deepcopy(self._reads.versions)
        self._reads.versions = copy.deepcopy(self._kept[base])
        return world


def _behind(table: str) -> int:
    """Return that all is one write behind but the event: an old one of those is not there yet."""
    return int(not table.endswith("Events"))


PAIRS_WITH_EVENTS = [pair for pair in PAIRS if pair[0] == "member" and any(name.startswith("event") for name in pair)]
SAMPLE = [("member", "event_office", "event_title")]


def _around_the_writes(calls: int) -> list[int]:
    return [calls - 3, calls - 1]


@pytest.mark.parametrize(("base", "one", "two"), SAMPLE)
def test_second_writer_loses_nothing_to_a_first_that_reads_what_was(base: str, one: str, two: str) -> None:
    """What the second commits is not seen by the first, unless it asks for a consistent answer."""
    with stale(_behind) as reads:
        assert StaleRaces(reads).check(base, one, two, _around_the_writes) == 2
        assert reads.answers >= 2


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("how_old", [_behind, lambda _: 1], ids=["state", "event too"])
@pytest.mark.parametrize("one", sorted({one for _, one, _ in PAIRS_WITH_EVENTS}))
def test_any_pair_with_an_event_of_a_member_loses_nothing_to_old_reads(
    one: str, how_old: Callable[[str], int], figure: Callable[[str], None]
) -> None:
    """The same for every pair of a member that has an event in it, at each AWS call of the first."""
    seconds = [two for _, first, two in PAIRS_WITH_EVENTS if first == one]
    with stale(how_old) as reads:
        races = StaleRaces(reads)
        runs = sum(races.check("member", one, two) for two in seconds)
    figure(f"stale reads, races of {one}: {len(seconds)} other writers, {runs} races, {reads.answers} old answers")
