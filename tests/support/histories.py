"""Random histories of one person, and what must hold of merging them.

The rules are plain functions that raise AssertionError: the property tests try them on random histories, and the
seeded bugs must fail one of them. They call ``rollcall.people.merge`` by module, so that a bug put there is met.
"""

from __future__ import annotations

import itertools
import math
import random
from typing import TYPE_CHECKING

from hypothesis import strategies as st

from rollcall.people import merge as merging
from rollcall.people.events import DirectoryEvent, Kind
from rollcall.people.merge import DirectoryStatus, Person

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LONG_AGO, FAR_AHEAD = "0001-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999Z"
TIMES = [*(f"2026-10-05T08:00:{second:02d}.000Z" for second in range(6)), LONG_AGO, FAR_AHEAD]
FIELDS = ["email", "first_name"]
NAMES = ["Location", "Team", "Languages"]
GROUPS = ["mentors", "alumni"]
TEXTS = ["London", "Toronto", "Łódź"]
LISTS = [("English", "Yoruba"), ("Yoruba", "English"), ("English",), ()]
MOST = 8
EXHAUSTIVE = 4
SHUFFLES = 12
FEATURES = (
    "complete", "partial", "clear", "multi-valued", "groups", "left a group", "far stamp", "equal times", "added",
    "updated", "deactivated", "reactivated", "deleted", "active by record", "inactive by record", "says nothing",
    "eight events",
)  # fmt: skip


_FIELD = ("-", "a", "b", None)
_VALUE = ("-", None, *TEXTS, *LISTS)
_GROUP = ("-", True, False)
_ACTIVE = (None, True, False)
_SIZES = (len(Kind), len(TIMES), 2, 3, 2, *[len(_FIELD)] * 2, *[len(_GROUP)] * 2, *[len(_VALUE)] * 3)
# A plain generator from a drawn seed: each draw of hypothesis' own costs a hundred times as much.
CHANCES = st.integers(0, 2**32 - 1).map(random.Random)
_CODES = st.integers(0, math.prod(_SIZES) - 1)


@st.composite
def histories(draw: st.DrawFn, most: int = MOST) -> list[DirectoryEvent]:
    """Draw the events of one person: complete, partial, clears, group moves, leave, return, delete, re-add.

    Times repeat on purpose; event ids do not, as the event log sees to it. One number says all of an event, which is
    ten times as fast as drawing its parts, and still shrinks: 0 is an event that says nothing.
    """
    codes = draw(st.lists(_CODES, min_size=1, max_size=most))
    return [_event(number, code) for number, code in enumerate(codes)]


def _event(number: int, code: int) -> DirectoryEvent:
    digits = []
    for size in _SIZES:
        code, digit = divmod(code, size)
        digits.append(digit)
    kind, time, complete, active, on_leave, *rest = digits
    said = {name: _FIELD[digit] for name, digit in zip(FIELDS, rest[:2], strict=True)}
    groups = {name: _GROUP[digit] for name, digit in zip(GROUPS, rest[2:4], strict=True)}
    values = {name: _VALUE[digit] for name, digit in zip(NAMES, rest[4:], strict=True)}
    what = list(Kind)[kind]
    return DirectoryEvent(
        event_id=f"{number:032x}",
        source_id="source",
        external_id="E-1",
        kind=what,
        occurred_at=TIMES[time],
        fields={name: value for name, value in said.items() if value != "-"},
        attributes={name: value for name, value in values.items() if value != "-"},
        groups={name: bool(value) for name, value in groups.items() if value != "-"},
        complete=bool(complete),
        active=_ACTIVE[active] if what is Kind.UPDATED else None,
        on_leave=bool(on_leave),
    )


def random_histories(chance: random.Random, count: int) -> Iterator[list[DirectoryEvent]]:
    """Yield histories without hypothesis: the same ones for the same generator."""
    for _ in range(count):
        codes = [chance.randrange(math.prod(_SIZES)) for _ in range(chance.randint(1, MOST))]
        yield [_event(number, code) for number, code in enumerate(codes)]


def features(events: Sequence[DirectoryEvent]) -> set[str]:
    """Return which of ``FEATURES`` a history has."""
    found = {str(event.kind) for event in events}
    times = [event.occurred_at for event in events]
    said = [value for event in events for value in (*event.fields.values(), *event.attributes.values())]
    found |= {"complete" if event.complete else "partial" for event in events}
    signs = {
        "clear": None in said,
        "multi-valued": any(isinstance(value, tuple) for value in said),
        "groups": any(event.groups for event in events),
        "left a group": any(False in event.groups.values() for event in events),
        "far stamp": not {LONG_AGO, FAR_AHEAD}.isdisjoint(times),
        "equal times": len(set(times)) < len(times),
        "active by record": any(event.active is True for event in events),
        "inactive by record": any(event.active is False for event in events),
        "says nothing": any(not (event.fields or event.attributes or event.groups) for event in events),
        "eight events": len(events) == MOST,
    }
    return found | {name for name, is_there in signs.items() if is_there}


def told(events: Sequence[DirectoryEvent]) -> Person:
    """Return the person after the events, in this order."""
    person: Person | None = None
    for event in events:
        person = merging.merge(person, event)
    assert person is not None
    return person


def orders(events: list[DirectoryEvent], chance: random.Random) -> Iterator[list[DirectoryEvent]]:
    """Yield orders with repetitions: every one of few events, each with one of them doubled; some of many events."""
    if len(events) > EXHAUSTIVE:
        for _ in range(SHUFFLES):
            shuffled = [*events, *chance.choices(events, k=chance.randrange(len(events) + 1))]
            chance.shuffle(shuffled)
            yield shuffled
        return
    for order in itertools.permutations(events):
        yield list(order)
        doubled = chance.choice(events)
        yield [*order, doubled]
        yield [doubled, *order]


def count_orders(events: Sequence[DirectoryEvent]) -> int:
    """Return how many ``orders`` yields."""
    return SHUFFLES if len(events) > EXHAUSTIVE else 3 * math.factorial(len(events))


def any_order_gives_one_person(events: list[DirectoryEvent], chance: random.Random) -> None:
    """Every order and repetition of a history ends in the same person."""
    expected = told(events)
    for order in orders(events, chance):
        assert told(order) == expected


def agrees_with_a_plain_reading(events: list[DirectoryEvent], chance: random.Random) -> None:
    """Compare with a second, naive definition: sort by stamp, then replay as a person would by hand."""
    del chance
    record: dict[str, object] = {}
    groups: dict[str, bool] = {}
    status, is_away = DirectoryStatus.ACTIVE, False
    for event in sorted(events, key=lambda one: (one.occurred_at, one.event_id)):
        if event.complete:
            record = {}
        record |= {f"f:{name}": value for name, value in event.fields.items()}
        record |= {f"a:{name}": value for name, value in event.attributes.items()}
        groups |= event.groups
        status = _next(status, event)
        is_away = event.on_leave if _deactivates(event) else is_away
    person = told(events)
    seen: dict[str, object] = {f"f:{name}": cell.value for name, cell in person.fields.items()}
    seen |= {f"a:{name}": cell.value for name, cell in person.attributes.items()}
    assert seen == record
    assert {name for name, cell in person.groups.items() if cell.value} == {
        name for name, inside in groups.items() if inside
    }
    assert person.status is status
    assert person.is_away is (is_away and status is DirectoryStatus.INACTIVE)


def _deactivates(event: DirectoryEvent) -> bool:
    return event.kind is Kind.DEACTIVATED or (event.kind is not Kind.DELETED and event.active is False)


def _next(status: DirectoryStatus, event: DirectoryEvent) -> DirectoryStatus:
    if status is DirectoryStatus.DELETED or event.kind is Kind.DELETED:
        return DirectoryStatus.DELETED
    if _deactivates(event):
        return DirectoryStatus.INACTIVE
    if event.kind in (Kind.ADDED, Kind.REACTIVATED) or event.active is True:
        return DirectoryStatus.ACTIVE
    return status


def erased_absorbs(events: list[DirectoryEvent], chance: random.Random) -> None:
    """Wherever in a history the erasure comes, nothing said before or after it is left, and nothing is added."""
    gone = merging.tombstone(told(events))
    assert (gone.external_id, gone.fields, gone.attributes, gone.groups) == ("", {}, {}, {})
    assert gone.status is DirectoryStatus.ERASED
    place = chance.randrange(len(events))
    erased = merging.tombstone(told(events[: place + 1]))
    for event in events[place + 1 :]:
        erased = merging.merge(erased, event)
    assert erased == gone
    assert merging.join(told(events), gone) == gone
    assert merging.join(gone, told(events)) == gone


def restored_stays(events: list[DirectoryEvent], chance: random.Random) -> None:
    """After a restore, deletions that were known do not come back by being told again; the rest is as it was."""
    before = told(events)
    restored = merging.restore(before, TIMES[0], "f" * 32)
    assert restored.status is not DirectoryStatus.DELETED
    again = restored
    for event in chance.sample(events, len(events)):
        again = merging.merge(again, event)
    assert again == restored
    assert (restored.fields, restored.attributes, restored.groups) == (before.fields, before.attributes, before.groups)


RULES = {
    rule.__name__: rule
    for rule in (any_order_gives_one_person, agrees_with_a_plain_reading, erased_absorbs, restored_stays)
}
