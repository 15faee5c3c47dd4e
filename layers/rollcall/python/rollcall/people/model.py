"""What is stored of persons, of addresses and of received events. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from rollcall.people.events import DirectoryEvent, Kind, Stamp
from rollcall.people.merge import REGISTERS, Cell, Person, Said

if TYPE_CHECKING:
    from collections.abc import Mapping

Item = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Waiting:
    """Somebody whose e-mail is an address that another person has.

    Attributes
    ----------
    rank
        Since when the directory gives them the address, and by which event: that one is held.
    """

    address_id: str
    source_id: str
    person_id: str
    rank: Stamp

    @property
    def key(self) -> str:
        """Sort key at the address: of one source, who was given the address first comes first."""
        return f"W#{self.source_id}#{self.rank.at}#{self.rank.event_id}#{self.person_id}"


@dataclass(frozen=True, slots=True)
class PersonRecord:
    """A person as stored.

    Attributes
    ----------
    rev
        Counts writes; 0 means that nothing is stored yet.
    member_id
        The member this person is, if they are one.
    address_id
        The address this person holds: that of their e-mail. While somebody else has that one, a member keeps the
        address of the membership, and anybody else has none.
    waits
        What they wait for, if somebody else has the address of their e-mail.
    member_rev
        The revision of the member that a write beside this one was to move on. As long as the member still has it,
        that write may be under way, or its worker died.
    supersedes
        Former ids of the same human being: persons whom an admin joined to this one.
    deleted_at
        When we learned that they were deleted; empty unless they are.
    due_at
        When somebody must look at them again (``people/schedule.py``); empty if never.
    """

    person_id: str
    person: Person
    rev: int = 0
    member_id: str | None = None
    member_rev: int = 0
    address_id: str | None = None
    deleted_at: str = ""
    due_at: str = ""
    waits: Waiting | None = None
    supersedes: tuple[str, ...] = ()


class Barred(StrEnum):
    """Why nobody may be invited at an address."""

    DEACTIVATED = "deactivated"
    DELETED = "deleted"
    ERASED = "erased"


@dataclass(frozen=True, slots=True)
class Holder:
    """The person of one source who has the address as their e-mail.

    Attributes
    ----------
    rank
        Since when the directory gives them the address, and by which event; of two, the earlier one has it.
    is_given
        An admin gave it to them: rank does not matter.
    """

    person_id: str
    barred: Barred | None = None
    rank: Stamp | None = None
    is_given: bool = False


@dataclass(frozen=True, slots=True)
class Address:
    """Whose e-mail address this is, and whether mail may go to it.

    Attributes
    ----------
    holders
        Source id → who holds it there.
    formers
        Person id → why it is barred: people who left and had it once. It stays barred until somebody else has it.
    is_loose
        Its member waits for another address and only keeps it until somebody needs it.
    erased
        Its holder was erased: only an admin may let somebody else have it.
    suppressed
        ``bounced`` or ``complained``: nothing more is sent.
    """

    address_id: str
    rev: int = 0
    holders: Mapping[str, Holder] = field(default_factory=dict)
    formers: Mapping[str, Barred] = field(default_factory=dict)
    member_id: str | None = None
    is_loose: bool = False
    erased: bool = False
    suppressed: str | None = None

    @property
    def barred(self) -> Barred | None:
        """Why nobody may be invited here: because of any of its holders, or if it has none, of former ones."""
        if self.erased:
            return Barred.ERASED
        reasons = {holder.barred for holder in self.holders.values()} if self.holders else {*self.formers.values()}
        return next((reason for reason in (Barred.DELETED, Barred.DEACTIVATED) if reason in reasons), None)


class EventState(StrEnum):
    """What became of a directory event."""

    NEW = "new"
    APPLIED = "applied"
    NO_CHANGE = "no_change"
    HELD = "held"
    IGNORED = "ignored"
    QUARANTINED = "quarantined"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an event did and why.

    Attributes
    ----------
    reason
        Stable code: ``person_created``, ``person_changed``, ``older``, ``erased``, ``address_taken``, ...
    detail
        One sentence for the HR admin; no personal data.
    """

    state: EventState
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Looking:
    """How looking up the person of an event has gone so far.

    Attributes
    ----------
    tries
        Failed tries.
    turn_at
        Seconds since 1970: its turn in the line of its source, ``None`` if it has none.
    """

    tries: int = 0
    turn_at: float | None = None


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """A directory event in the event log.

    Attributes
    ----------
    round
        How often it was made new again. An outcome counts only for the round that was looked at.
    tries
        How often it could not be applied since it was made new.
    counts_for
        The replay in whose counts its next outcome belongs.
    """

    event_id: str
    source_id: str
    state: EventState
    reason: str
    detail: str
    received_at: str
    settled_at: str | None = None
    person_id: str | None = None
    round: int = 0
    tries: int = 0
    counts_for: str | None = None
    event: DirectoryEvent | None = field(default=None, repr=False)
    looking: Looking = Looking()


def event_to_item(event: DirectoryEvent) -> Item:
    """Return the event as a plain dict."""
    return {
        "event_id": event.event_id,
        "source_id": event.source_id,
        "external_id": event.external_id,
        "kind": str(event.kind),
        "occurred_at": event.occurred_at,
        "fields": dict(event.fields),
        "attributes": {name: _plain(value) for name, value in event.attributes.items()},
        "groups": dict(event.groups),
        "complete": event.complete,
        "active": event.active,
        **({"look": True} if event.look else {}),
        **({"leaves": True} if event.leaves else {}),
        **({"on_leave": True} if event.on_leave else {}),
    }


def event_from_item(item: Item) -> DirectoryEvent:
    """Read an event from its plain dict; what is empty may be left out."""
    attributes = {name: _value(value) for name, value in item.get("attributes", {}).items()}
    return DirectoryEvent(**{**item, "kind": Kind(item["kind"]), "attributes": attributes})


def person_to_item(person: Person) -> Item:
    """Return the person as a plain dict; names that are used often are short, since every byte is paid for.

    For the same reason each stamp stands in it once, in the list ``t``; the others are places in that list. So most
    persons stay below the 1 KB that one write unit pays for.
    """
    if person.erased:
        return {"source_id": person.source_id, "erased": True}
    if person.superseded_by:
        return {"source_id": person.source_id, "superseded_by": person.superseded_by}
    cells = (person.fields, person.attributes, person.groups)
    used = {cell.stamp for part in cells for cell in part.values()} | set(person.registers.values())
    used |= {stamp for said in person.emails.values() for stamp in (said.first, said.last)}
    stamps = sorted(used)
    place = {stamp: number for number, stamp in enumerate(stamps)}
    fields, attributes, groups = (
        {name: [_plain(cell.value), place[cell.stamp]] for name, cell in part.items()} for part in cells
    )
    return {
        "source_id": person.source_id,
        "external_id": person.external_id,
        "t": [[stamp.at, stamp.event_id] for stamp in stamps],
        "f": fields,
        "a": attributes,
        "g": groups,
        # A list: the empty text is one of them, and no name of an attribute can be empty.
        "e": [[text, place[said.first], place[said.last]] for text, said in sorted(person.emails.items())],
        **{name: place[stamp] for name, stamp in person.registers.items()},
    }


def person_from_item(item: Item) -> Person:
    """Read a person from its plain dict."""
    if item.get("erased"):
        return Person(source_id=item["source_id"], external_id="", erased=True)
    if item.get("superseded_by"):
        return Person(source_id=item["source_id"], external_id="", superseded_by=item["superseded_by"])
    stamps = [Stamp(at, event_id) for at, event_id in item["t"]]
    fields, attributes, groups = (
        {name: Cell(_value(value), stamps[place]) for name, (value, place) in item[part].items()} for part in "fag"
    )
    registers: dict[str, Any] = {name: stamps[item[name]] for name in REGISTERS if name in item}
    return Person(
        source_id=item["source_id"],
        external_id=item["external_id"],
        fields=fields,
        attributes=attributes,
        groups=groups,
        emails={text: Said(stamps[first], stamps[last]) for text, first, last in item["e"]},
        **registers,
    )


def attribute_names(item: Item, *, with_groups: bool = False) -> set[str]:
    """Return which HRIS attributes of a stored person have a value, without reading the rest of it.

    Parameters
    ----------
    with_groups
        As ``Person.values`` has them: with ``group`` for somebody who is in any.
    """
    found = {name for name, (value, *_) in item.get("a", {}).items() if value}
    is_in_any = with_groups and any(value for value, *_ in item.get("g", {}).values())
    return {*found, "group"} if is_in_any else found


def _plain(value: str | tuple[str, ...] | None) -> str | list[str] | None:
    return list(value) if isinstance(value, tuple) else value


def _value(value: str | list[str] | None) -> str | tuple[str, ...] | None:
    return tuple(value) if isinstance(value, list) else value
