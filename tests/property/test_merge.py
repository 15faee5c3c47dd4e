"""The merge: any order and any number of deliveries ends in the same person."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollcall.people.events import DirectoryEvent, Kind
from rollcall.people.merge import DirectoryStatus, Person, join, lift, merge, tombstone
from tests.support.examples import examples

TIMES = [f"2026-10-05T08:00:{second:02d}.000Z" for second in range(6)]
NAMES = ["Location", "Team"]
VALUES = st.one_of(st.none(), st.sampled_from(["London", "Toronto", "Łódź"]), st.just(("English", "Yoruba")))


@st.composite
def histories(draw: st.DrawFn) -> list[DirectoryEvent]:
    """Draw up to eight events of one person: complete, partial, clears, group moves, leave, return, delete, re-add.

    Times repeat on purpose; event ids do not, as the event log sees to it.
    """
    events = []
    for number in range(draw(st.integers(1, 8))):
        kind = draw(st.sampled_from(list(Kind)))
        events.append(
            DirectoryEvent(
                event_id=f"{number:032x}",
                source_id="source",
                external_id="E-1",
                kind=kind,
                occurred_at=draw(st.sampled_from(TIMES)),
                fields=draw(
                    st.dictionaries(st.sampled_from(["email", "first_name"]), st.sampled_from(["a", "b", None]))
                ),
                attributes=draw(st.dictionaries(st.sampled_from(NAMES), VALUES)),
                groups=draw(st.dictionaries(st.sampled_from(["mentors", "alumni"]), st.booleans())),
                complete=draw(st.booleans()),
                active=draw(st.sampled_from([None, True, False])) if kind is Kind.UPDATED else None,
            )
        )
    return events


def told(events: list[DirectoryEvent]) -> Person:
    """Return the person after the events, in this order."""
    person: Person | None = None
    for event in events:
        person = merge(person, event)
    assert person is not None
    return person


@settings(max_examples=examples(1_000), deadline=None)
@given(histories(), st.randoms(use_true_random=False))
def test_any_order_and_duplication_gives_one_person(events: list[DirectoryEvent], random: object) -> None:
    """Merging is commutative, associative and idempotent, so shuffled and repeated histories agree."""
    expected = told(events)
    shuffled = events + events
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert told(shuffled) == expected


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
@given(histories())
def test_state_is_what_a_plain_reading_of_the_history_says(events: list[DirectoryEvent]) -> None:
    """The merge agrees with a second, naive definition: sort by stamp, then replay as a person would by hand."""
    ordered = sorted(events, key=lambda event: event.stamp)
    record: dict[str, object] = {}
    groups: dict[str, bool] = {}
    for event in ordered:
        if event.complete:
            record = {}
        record |= {f"f:{name}": value for name, value in event.fields.items()}
        record |= {f"a:{name}": value for name, value in event.attributes.items()}
        groups |= event.groups
    person = told(events)
    seen = {f"f:{name}": cell.value for name, cell in person.fields.items()}
    seen |= {f"a:{name}": cell.value for name, cell in person.attributes.items()}
    assert seen == record
    assert {name for name, cell in person.groups.items() if cell.value} == {
        name for name, inside in groups.items() if inside
    }


@settings(max_examples=examples(200), deadline=None)
@given(histories())
def test_erased_absorbs_everything(events: list[DirectoryEvent]) -> None:
    """Nothing that is said before or after an erasure changes the tombstone, and it holds nothing of the person."""
    gone = tombstone(told(events))
    for event in events:
        assert merge(gone, event) == gone
        assert join(lift(event), gone) == gone
    assert (gone.external_id, gone.fields, gone.attributes, gone.groups) == ("", {}, {}, {})


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
