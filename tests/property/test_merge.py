"""The merge: any order and any number of deliveries ends in the same person."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings

from rollcall.people.events import DirectoryEvent, Kind
from rollcall.people.merge import DirectoryStatus, join
from tests.support.examples import examples
from tests.support.histories import (
    CHANCES,
    FEATURES,
    TIMES,
    agrees_with_a_plain_reading,
    any_order_gives_one_person,
    count_orders,
    erased_absorbs,
    features,
    histories,
    restored_stays,
    told,
)

if TYPE_CHECKING:
    import random
    from collections.abc import Callable


def test_any_order_and_duplication_gives_one_person(figure: Callable[[str], None]) -> None:
    """Histories of every kind, shuffled and repeated, end in one person each; it is counted what they were."""
    counted: Counter[str] = Counter()

    @settings(max_examples=examples(1_000), deadline=None)
    @given(histories(), CHANCES)
    def look(events: list[DirectoryEvent], chance: random.Random) -> None:
        counted["histories"] += 1
        counted["orders"] += count_orders(events)
        counted.update(features(events))
        any_order_gives_one_person(events, chance)

    look()
    assert counted["histories"] >= examples(1_000)
    rare = {name: counted[name] for name in FEATURES if counted[name] < counted["histories"] // 50}
    assert not rare
    figure(f"merge: {counted['histories']:,} histories in {counted['orders']:,} orders gave one state each")


@settings(max_examples=examples(200), deadline=None)
@given(histories(), histories(), histories())
def test_join_is_a_semilattice(
    one: list[DirectoryEvent], two: list[DirectoryEvent], three: list[DirectoryEvent]
) -> None:
    """Joining does not depend on grouping, order or repetition, events of equal ids with other contents included."""
    a, b, c = told(one), told(two), told(three)
    assert join(a, join(b, c)) == join(join(a, b), c)
    assert join(a, b) == join(b, a)
    assert join(a, a) == a


@settings(max_examples=examples(200), deadline=None)
@given(histories(), CHANCES)
def test_state_is_what_a_plain_reading_of_the_history_says(events: list[DirectoryEvent], chance: random.Random) -> None:
    """The merge agrees with a second, naive definition: sort by stamp, then replay as a person would by hand."""
    agrees_with_a_plain_reading(events, chance)


@settings(max_examples=examples(200), deadline=None)
@given(histories(), CHANCES)
def test_erased_absorbs_everything(events: list[DirectoryEvent], chance: random.Random) -> None:
    """Nothing that is said before or after an erasure changes the tombstone, and it holds nothing of the person."""
    erased_absorbs(events, chance)


@settings(max_examples=examples(200), deadline=None)
@given(histories(), CHANCES)
def test_restored_person_is_not_deleted_again_by_what_was_known(
    events: list[DirectoryEvent], chance: random.Random
) -> None:
    """Deletions that an admin took back stay taken back, however often and in whatever order they are told again."""
    restored_stays(events, chance)


@settings(max_examples=examples(50), deadline=None)
@given(histories(most=5), CHANCES)
def test_events_of_one_stamp_with_other_contents_agree_too(events: list[DirectoryEvent], chance: random.Random) -> None:
    """Even events that bear one id and one time, which the event log never lets in, end the same in any order."""
    twins = [replace(event, event_id="0" * 32, occurred_at=TIMES[0]) for event in events]
    any_order_gives_one_person(twins, chance)


@settings(max_examples=examples(200), deadline=None)
@given(histories())
def test_deleted_stays_deleted_whatever_comes(events: list[DirectoryEvent]) -> None:
    """An event never brings a deleted person back, neither an older nor a newer one."""
    if any(event.kind is Kind.DELETED for event in events):
        assert told(events).status is DirectoryStatus.DELETED


def event(number: int, kind: Kind = Kind.UPDATED, **said: object) -> DirectoryEvent:
    """Return an event of second ``number``."""
    base = DirectoryEvent(f"{number:032x}", "source", "E-1", kind, TIMES[number])
    return replace(base, **said)  # type: ignore[arg-type]


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_partial_events_out_of_order_lose_no_field(order: tuple[int, ...]) -> None:
    """An older partial event that arrives late still sets what no newer event spoke of."""
    history = [
        event(0, Kind.ADDED, fields={"email": "maya@example.com"}, attributes={"Location": "London"}, complete=True),
        event(1, attributes={"Team": "North"}),
        event(2, attributes={"Location": "Toronto"}),
        event(3, attributes={"Languages": ("English", "Yoruba")}),
    ]
    person = told([history[place] for place in order])
    assert person.values() == {"Location": "Toronto", "Team": "North", "Languages": ("English", "Yoruba")}
    assert person.text("email") == "maya@example.com"


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_complete_event_drops_what_it_does_not_mention(order: tuple[int, ...]) -> None:
    """What a complete event does not mention is gone, also when the older event arrives after it; groups stay."""
    history = [
        event(0, attributes={"Location": "London", "Team": "North"}, groups={"mentors": True}),
        event(2, attributes={"Location": "Toronto"}, complete=True),
        event(1, attributes={"Desk": "4"}),
    ]
    person = told([history[place] for place in order])
    assert person.values() == {"Location": "Toronto", "group": ("mentors",)}


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_leaver_who_returned_is_active(order: tuple[int, ...]) -> None:
    """Activity is the newest of both registers, not the last arrival."""
    history = [event(0, Kind.ADDED), event(1, Kind.DEACTIVATED), event(2, Kind.REACTIVATED)]
    assert told([history[place] for place in order]).status is DirectoryStatus.ACTIVE
    assert told([history[place] for place in order if place < 2]).status is DirectoryStatus.INACTIVE
