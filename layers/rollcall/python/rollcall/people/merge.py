"""The merge: a person is the join of all that was said about them, in whatever order and however often. Pure.

A person is an element of a join-semilattice. Every value carries the stamp of the event that set it; of two values of
one name the newer stamp stays. A complete event raises the *floor*: record values older than it that it did not
mention are gone, also when the older event arrives later. Activation, deactivation and deletion are registers that
keep their newest stamp, so status is computed, never overwritten. ``merge`` lifts an event to the smallest person
that says the same, and joins: therefore it is commutative, associative and idempotent.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from rollcall.people.events import DirectoryEvent, Kind, Stamp

if TYPE_CHECKING:
    from collections.abc import Mapping

Value = str | tuple[str, ...] | None
MAX_EMAILS = 20


class DirectoryStatus(StrEnum):
    """What the directory says about somebody, before any admin's decision."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    DELETED = "deleted"
    ERASED = "erased"
    SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True)
class Said:
    """When an e-mail address was first said of somebody, and when last."""

    first: Stamp
    last: Stamp


@dataclass(frozen=True, slots=True)
class Cell:
    """A value and the stamp of the event that set it; ``None`` is a value that was cleared."""

    value: Value
    stamp: Stamp


REGISTERS = ("floor", "activated", "deactivated", "on_leave", "left", "deleted", "restored")


@dataclass(frozen=True, slots=True)
class Person:
    """What one source says about one person.

    Attributes
    ----------
    fields, attributes
        The record: core fields and HRIS attributes. Older than ``floor`` is gone.
    groups
        Group name → cell with value ``"in"`` or ``None``; completeness of the record does not reach it.
    activated, deactivated, deleted
        Newest stamp of each, or ``None`` if it never happened.
    on_leave
        Newest stamp of a deactivation by being on leave; one that is as new as ``deactivated`` is the one in force.
    left
        Newest stamp of an event that took them out of their source's filter. They are as present as before; a member
        is deactivated by it.
    emails
        Every e-mail address ever said of them, as written; empty text stands for having none. The newest twenty.
    restored
        An admin took back the deletions up to this stamp.
    superseded_by
        An admin found that they are the same human being as this other person, who goes on in their place; nothing
        else is held, and no event changes it.
    erased
        Absorbs everything; an erased person holds nothing else.
    """

    source_id: str
    external_id: str = field(repr=False)
    fields: Mapping[str, Cell] = field(default_factory=dict, repr=False)
    attributes: Mapping[str, Cell] = field(default_factory=dict, repr=False)
    groups: Mapping[str, Cell] = field(default_factory=dict, repr=False)
    emails: Mapping[str, Said] = field(default_factory=dict, repr=False)
    floor: Stamp | None = None
    activated: Stamp | None = None
    deactivated: Stamp | None = None
    on_leave: Stamp | None = None
    left: Stamp | None = None
    deleted: Stamp | None = None
    restored: Stamp | None = None
    superseded_by: str | None = None
    erased: bool = False

    @property
    def status(self) -> DirectoryStatus:
        """What the directory says now."""
        if self.erased:
            return DirectoryStatus.ERASED
        if self.superseded_by:
            return DirectoryStatus.SUPERSEDED
        if self.deleted and (self.restored is None or self.deleted > self.restored):
            return DirectoryStatus.DELETED
        if self.deactivated and (self.activated is None or self.deactivated > self.activated):
            return DirectoryStatus.INACTIVE
        return DirectoryStatus.ACTIVE

    @property
    def registers(self) -> dict[str, Stamp]:
        """The stamps of what happened to them, by name; those only that there are."""
        found = {name: getattr(self, name) for name in REGISTERS}
        return {name: stamp for name, stamp in found.items() if stamp is not None}

    @property
    def is_away(self) -> bool:
        """They are inactive because they are on leave."""
        return self.status is DirectoryStatus.INACTIVE and self.on_leave == self.deactivated

    def text(self, name: str) -> str:
        """Return a core field, or empty text."""
        cell = self.fields.get(name)
        return cell.value if cell and isinstance(cell.value, str) else ""

    def values(self) -> dict[str, str | tuple[str, ...]]:
        """Return the HRIS attributes that have a value; the groups somebody is in appear as the attribute ``group``."""
        found: dict[str, str | tuple[str, ...]] = {
            name: cell.value for name, cell in self.attributes.items() if cell.value
        }
        groups = tuple(sorted(name for name, cell in self.groups.items() if cell.value))
        if groups:
            found["group"] = groups
        return found


def merge(person: Person | None, event: DirectoryEvent) -> Person:
    """Return the person after the event; equal to ``person`` if the event says nothing new."""
    said = lift(event)
    return said if person is None else join(person, said)


def lift(event: DirectoryEvent) -> Person:
    """Return the smallest person that says what the event says."""
    stamp = event.stamp
    activates = event.kind in (Kind.ADDED, Kind.REACTIVATED) and event.active is not False
    activates = activates or (event.kind is Kind.UPDATED and event.active is True)
    deactivates = event.kind is Kind.DEACTIVATED or (event.kind is not Kind.DELETED and event.active is False)
    return Person(
        source_id=event.source_id,
        external_id=event.external_id,
        fields={name: Cell(value, stamp) for name, value in event.fields.items()},
        attributes={name: Cell(value, stamp) for name, value in event.attributes.items()},
        groups={name: Cell("in" if inside else None, stamp) for name, inside in event.groups.items()},
        emails=_said(event),
        floor=stamp if event.complete else None,
        activated=stamp if activates and not deactivates else None,
        deactivated=stamp if deactivates else None,
        on_leave=stamp if deactivates and event.on_leave else None,
        left=stamp if event.leaves else None,
        deleted=stamp if event.kind is Kind.DELETED else None,
    )


def join(one: Person, other: Person) -> Person:
    """Return the least person that says what both say."""
    if one.erased or other.erased:
        return tombstone(one if one.erased else other)
    if one.superseded_by or other.superseded_by:
        return superseded(one, max(one.superseded_by or "", other.superseded_by or ""))
    floor = _newest(one.floor, other.floor)
    return Person(
        source_id=one.source_id,
        external_id=one.external_id,
        fields=_above(floor, _join_cells(one.fields, other.fields)),
        attributes=_above(floor, _join_cells(one.attributes, other.attributes)),
        groups=_join_cells(one.groups, other.groups),
        emails=_join_said(one.emails, other.emails),
        floor=floor,
        activated=_newest(one.activated, other.activated),
        deactivated=_newest(one.deactivated, other.deactivated),
        on_leave=_newest(one.on_leave, other.on_leave),
        left=_newest(one.left, other.left),
        deleted=_newest(one.deleted, other.deleted),
        restored=_newest(one.restored, other.restored),
    )


def tombstone(person: Person) -> Person:
    """Return what is left of an erased person: that they were erased."""
    return Person(source_id=person.source_id, external_id="", erased=True)


def superseded(person: Person, successor: str) -> Person:
    """Return what is left of somebody who goes on as another person: the pointer to that one."""
    return Person(source_id=person.source_id, external_id="", superseded_by=successor)


def restore(person: Person, at: str, change_id: str) -> Person:
    """Take back the deletions known so far; an admin's decision within the grace time."""
    if person.deleted is None:
        return person
    return replace(
        person, restored=_newest(Stamp(at, change_id), Stamp(person.deleted.at, person.deleted.event_id + "~"))
    )


def has_effect(person: Person, event: DirectoryEvent) -> bool:
    """Tell whether anything that the person is now was said by this event (else it was older than what we have)."""
    stamp = event.stamp
    cells = (*person.fields.values(), *person.attributes.values(), *person.groups.values())
    registers = (person.floor, person.activated, person.deactivated, person.left, person.deleted)
    return stamp in registers or any(cell.stamp == stamp for cell in cells)


def _said(event: DirectoryEvent) -> dict[str, Said]:
    if "email" not in event.fields and not event.complete:
        return {}
    return {(event.fields.get("email") or ""): Said(event.stamp, event.stamp)}


def _join_said(one: Mapping[str, Said], other: Mapping[str, Said]) -> dict[str, Said]:
    joined = dict(one)
    for text, said in other.items():
        held = joined.get(text, said)
        joined[text] = Said(min(held.first, said.first), max(held.last, said.last))
    if len(joined) <= MAX_EMAILS:
        return joined
    newest = sorted(joined.items(), key=lambda item: (item[1].last, item[0]), reverse=True)
    return dict(newest[:MAX_EMAILS])


def _newest(one: Stamp | None, other: Stamp | None) -> Stamp | None:
    if one is None or other is None:
        return one or other
    return max(one, other)


def _rank(cell: Cell) -> tuple[Stamp, str]:
    # Equal stamps mean the same event; the value decides all the same, so that joining is total whatever comes.
    return cell.stamp, repr(cell.value)


def _join_cells(one: Mapping[str, Cell], other: Mapping[str, Cell]) -> dict[str, Cell]:
    joined = dict(one)
    for name, cell in other.items():
        held = joined.get(name)
        if held is None or _rank(cell) > _rank(held):
            joined[name] = cell
    return joined


def _above(floor: Stamp | None, cells: dict[str, Cell]) -> dict[str, Cell]:
    if floor is None:
        return cells
    return {name: cell for name, cell in cells.items() if cell.stamp >= floor}
