"""Drift: HRIS fields and values that no rule of the table covers, counted from people as they are now. Pure.

Nothing is kept of it: what is counted from the people themselves is right whatever the order of events, and ends with
the last person who has it. Values are counted as they are matched: case, spaces and Unicode form aside.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from rollcall.mapping.table import OptionTarget, RoleTarget, project
from rollcall.runtime.ids import digest
from rollcall.segments.model import normalise
from rollcall.segments.nearest import NearIndex

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from rollcall.mapping.table import MappingTable, Rule
    from rollcall.people.merge import Person
    from rollcall.segments.model import Catalogue, Option, Role

# A field with more values than that (employee numbers, birthdays) is one entry, and its values are not kept.
MAX_VALUES = 200
MAX_EXAMPLES = 3
GROUP = "group"
_IN_PLACE = 60

Place = tuple[str, str, int, str, str]


@dataclass(frozen=True, slots=True)
class Suggestion:
    """The role, or the option of a segment (by name), that a value perhaps means.

    Attributes
    ----------
    segment
        Name of the segment; empty for a role.
    score
        1.0 is the same, spelling aside; less is the nearest.
    """

    segment: str
    label: str
    score: float


@dataclass(frozen=True, slots=True)
class Entry:
    """A field and value that no rule covers.

    Attributes
    ----------
    value
        As somebody's record spells it; none where the entry is about the field.
    first_seen, last_seen
        When the oldest and the newest of what these people's records say now was said.
    examples
        Spellings, some of them.
    has_many
        The field has more different values than are told apart.
    """

    field: str
    value: str | None
    people: int
    first_seen: str
    last_seen: str
    examples: tuple[str, ...] = ()
    has_many: bool = False

    @property
    def place(self) -> Place:
        """Where it stands in the list: by field, the value that most people have first."""
        name, form = normalise(self.field), normalise(self.value or "")
        return name[:_IN_PLACE], digest(name), -self.people, form[:_IN_PLACE], digest(form)


@dataclass(slots=True)
class _Count:
    people: int = 0
    first: str = "~"
    last: str = ""
    spellings: set[str] = field(default_factory=set)

    def add(self, times: Collection[str], spellings: Iterable[str]) -> None:
        self.people += 1
        self.first = min(self.first, *times)
        self.last = max(self.last, *times)
        for text in spellings:
            if len(self.spellings) < MAX_EXAMPLES:
                self.spellings.add(text)

    def entry(self, name: str, value: str | None, *, has_many: bool = False) -> Entry:
        return Entry(name, value, self.people, self.first, self.last, tuple(sorted(self.spellings)), has_many)


class Tally:
    """What no rule covers, over as many people as are added; memory holds values, not people."""

    def __init__(self, table: MappingTable, catalogue: Catalogue) -> None:
        self._table, self._catalogue = table, catalogue
        self._names: dict[str, str] = {}
        self._fields: dict[str, _Count] = {}
        self._values: dict[str, dict[str, _Count]] = {}

    def add(self, person: Person) -> None:
        """Count one person, once for each field and value of theirs."""
        found: dict[str, dict[str, list[tuple[str, str]]]] = {}
        for name, value in project(person.values(), self._table, self._catalogue).unmapped:
            form = normalise(name)
            self._names[form] = min(name, self._names.get(form, name))
            said = (_said_at(person, name, value), value)
            found.setdefault(form, {}).setdefault(normalise(value), []).append(said)
        for form, by_value in found.items():
            times = [at for all_said in by_value.values() for at, _ in all_said]
            self._fields.setdefault(form, _Count()).add(times, ())
            counts = self._values.setdefault(form, {})
            for value_form, said_of in by_value.items():
                # One more than are shown is enough to know that there are too many.
                if value_form in counts or len(counts) <= MAX_VALUES:
                    count = counts.setdefault(value_form, _Count())
                    count.add([at for at, _ in said_of], [text for _, text in said_of])

    def entries(self) -> list[Entry]:
        """Return the entries, in their order."""
        found: list[Entry] = []
        for form, counts in self._values.items():
            if len(counts) > MAX_VALUES:
                found.append(self._fields[form].entry(self._names[form], None, has_many=True))
            else:
                found += [count.entry(self._names[form], min(count.spellings)) for count in counts.values()]
        return sorted(found, key=lambda entry: entry.place)

    def fields(self) -> list[Entry]:
        """Return one entry for each field, without anything of its values."""
        found = [
            replace(count.entry(self._names[form], None), has_many=len(self._values[form]) > MAX_VALUES)
            for form, count in self._fields.items()
        ]
        return sorted(found, key=lambda entry: entry.place)


def _said_at(person: Person, name: str, value: str) -> str:
    cell = person.attributes.get(name)
    if cell is None or not cell.value:
        group = person.groups.get(value)
        return group.stamp.at if group else max((one.stamp.at for one in person.groups.values()), default="")
    return cell.stamp.at


class Suggestions:
    """What values perhaps mean: a label of what the field's rules give, else of the segment called like the field.

    A value of any other field is looked up among all options, and only the same is suggested. ``catalogue`` holds
    nothing that whoever reads the suggestions may not see.
    """

    def __init__(self, table: MappingTable, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._rules: dict[str, list[Rule]] = {}
        for rule in table.rules:
            self._rules.setdefault(normalise(rule.field), []).append(rule)
        self._segments = NearIndex(segment.name for segment in catalogue.segments if not segment.archived)
        self._made: dict[str, list[tuple[str, NearIndex, dict[str, str]]]] = {}
        self._anywhere = {
            normalise(option.label): Suggestion(segment.name, option.label, 1.0)
            for segment in reversed(catalogue.segments)
            if not segment.archived
            for option in reversed(segment.options)
            if not option.archived
        }

    def find(self, name: str, value: str) -> Suggestion | None:
        """Return what a value of a field perhaps means; nothing if nothing is near."""
        candidates = self._candidates(name)
        form = normalise(value)
        for segment, _, labels in candidates:
            if form in labels:
                return Suggestion(segment, labels[form], 1.0)
        near = [(found, segment) for segment, index, _ in candidates if (found := index.suggest(value))]
        if near:
            best, segment = max(near, key=lambda found: found[0].score)
            return Suggestion(segment, best.label, best.score)
        return None if candidates else self._anywhere.get(form)

    def _candidates(self, name: str) -> list[tuple[str, NearIndex, dict[str, str]]]:
        form = normalise(name)
        if form not in self._made:
            self._made[form] = [
                (segment, NearIndex(labels), {normalise(label): label for label in reversed(labels)})
                for segment, labels in self._labels(name, form)
                if labels
            ]
        return self._made[form]

    def _labels(self, name: str, form: str) -> list[tuple[str, list[str]]]:
        rules = self._rules.get(form, [])
        by_id = self._catalogue.segments_by_id
        ids = [rule.target.segment_id for rule in rules if isinstance(rule.target, OptionTarget)]
        segments = [by_id[segment_id] for segment_id in dict.fromkeys(ids) if segment_id in by_id]
        found = [("", _in_use(self._catalogue.roles))] if any(isinstance(r.target, RoleTarget) for r in rules) else []
        if not rules:
            near = self._segments.suggest(name)
            called = self._catalogue.segment(name) or (self._catalogue.segment(near.label) if near else None)
            segments = [called] if called else []
        return [*found, *((one.name, _in_use(one.options)) for one in segments if not one.archived)]


def _in_use(things: Iterable[Role | Option]) -> list[str]:
    return [thing.label for thing in things if not thing.archived]
