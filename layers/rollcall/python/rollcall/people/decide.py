"""What a directory event changes, given everything that is known: person, address, member, invitation. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from rollcall.invitations.model import Invitation, InvitationStatus
from rollcall.members.model import Change, Hold, Member, Status
from rollcall.members.projection import derive, same_content, single_valued, view, with_slice
from rollcall.people.events import DirectoryEvent, Kind
from rollcall.people.merge import DirectoryStatus, Person, has_effect, merge
from rollcall.people.model import Address, Barred, EventState, Holder, Outcome, PersonRecord
from rollcall.people.schedule import is_end_event, scheduled

if TYPE_CHECKING:
    from rollcall.hubs.model import Hub
    from rollcall.mapping.table import MappingTable
    from rollcall.people.events import Stamp
    from rollcall.segments.model import Catalogue


@dataclass(frozen=True, slots=True)
class Known:
    """What lies in the tables when an event is applied.

    Attributes
    ----------
    record
        The person; ``rev`` 0 and the event's own person if there is none yet.
    is_new
        Nothing was stored of this person before.
    wanted
        The address of the e-mail that the person has after the event, ``None`` without a usable one.
    held
        The address that the person holds now, ``None`` if none.
    member
        The member that the person is, or the one at the wanted address.
    invitation
        The invitation at the held address.
    """

    record: PersonRecord
    is_new: bool
    wanted: Address | None
    held: Address | None
    member: Member | None
    invitation: Invitation | None


@dataclass(frozen=True, slots=True)
class Removal:
    """A member whom the event takes away: shown active before and inactive or deleted after, or inactive and deleted.

    Attributes
    ----------
    upto
        The newest that the source says of leaving: a hold of it holds this removal.
    to
        What the member would be shown as.
    held
        The hold that the member has of this source already.
    emails
        Every address of the member.
    """

    member_id: str
    person_id: str
    source_id: str
    upto: Stamp
    to: Status
    held: Hold | None = None
    emails: frozenset[str] = field(default_factory=frozenset, repr=False)


@dataclass(frozen=True, slots=True)
class Decision:
    """What has to be written, all of it or nothing; ``None`` and empty where nothing changes.

    Attributes
    ----------
    reopen
        Held events to apply again, since what they waited for is free.
    removal
        What the guard must be asked about before anything is written.
    """

    outcome: Outcome
    record: PersonRecord | None = None
    addresses: tuple[Address, ...] = ()
    member: Member | None = None
    invitation: Invitation | None = None
    reopen: tuple[str, ...] = ()
    removal: Removal | None = None

    @property
    def changes_something(self) -> bool:
        """Anything to write at all."""
        return bool(self.record or self.addresses or self.member or self.invitation)


# A transaction has room for so many events that waited for one address; more than that share a placeholder.
MAX_WAITING = 20
ERASED = Outcome(EventState.NO_CHANGE, "erased", "This person was erased; nothing was stored.")
END_DATE = Outcome(EventState.APPLIED, "end_date_reached", "The end date was reached.")
FUTURE = Outcome(
    EventState.QUARANTINED,
    "future_time",
    "The event says it happened more than a day from now. Check the clock of the HR system, then replay it.",
)


HELD = {
    "removal_held": "More people would leave than the hub allows in a day. Nothing happened yet: an admin must decide.",
    "hub_admin": "A hub's admin is not removed by an event. Nothing happened yet: an admin must decide.",
}


def decide(
    known: Known,
    event: DirectoryEvent,
    *,
    hub: Hub,
    catalogue: Catalogue,
    table: MappingTable,
    at: str,
    hold: Hold | None = None,
) -> Decision:
    """Return what the event changes.

    The person is always merged. Their address follows their e-mail unless somebody else holds it: then the person
    keeps the address they have and the event is held for an admin. A member's directory-derived slice is computed
    anew; an invitation of somebody who left, or whose address moved, is withdrawn.

    Parameters
    ----------
    hold
        The removal of the member by this event's source waits for an admin: person and member are merged as always,
        but the member stays as shown and keeps the address.
    """
    before = known.record.person
    if before.erased:
        return Decision(ERASED)
    stored = known.member
    if hold is not None and stored is not None:
        known = replace(known, member=replace(stored, holds={**stored.holds, event.source_id: hold}))
    merged = before if known.is_new else merge(before, event)
    # What counts for the hub: without what is held.
    shown = in_effect(merged, _hold_of(known, event.source_id))
    is_present = _is_present(known, shown, hub=hub, catalogue=catalogue, table=table)
    move = _move_address(known, shown, event, is_present=is_present)
    address_id, member_id = move.address_id, known.record.member_id
    if member_id is None and known.wanted and address_id == known.wanted.address_id:
        member_id = known.wanted.member_id
    record = replace(known.record, person=merged, address_id=address_id, member_id=member_id)
    record = scheduled(record, hub, at)
    is_changed = known.is_new or record != known.record
    member = _member(
        known,
        record,
        stored,
        hub=hub,
        catalogue=catalogue,
        table=table,
        change=Change(f"event:{event.event_id}", "directory", at),
        is_changed=is_changed,
    )
    invitation = _invitation(known, address_id, shown, at)
    is_taken = move.is_taken and "email" in event.fields
    return Decision(
        outcome=_held_outcome(known, merged, event) or _outcome(known, merged, event, is_taken=is_taken),
        record=record if is_changed else None,
        addresses=move.changed,
        member=member,
        invitation=invitation,
        reopen=move.reopen,
        removal=_removal(stored, member, record, hub=hub, singles=single_valued(catalogue)),
    )


def _hold_of(known: Known, source_id: str) -> Hold | None:
    """Return the hold on what this source says of this very person."""
    part = known.member.slices.get(source_id) if known.member else None
    if known.member is None or (part is not None and part.person_id != known.record.person_id):
        return None
    return known.member.holds.get(source_id)


def in_effect(person: Person, hold: Hold | None) -> Person:
    """Return the person as the hub takes them: without the deactivation and deletion that are held."""
    if hold is None:
        return person
    deactivated = person.deactivated if person.deactivated and person.deactivated > hold.upto else None
    deleted = person.deleted if person.deleted and person.deleted > hold.upto else None
    return replace(person, deactivated=deactivated, deleted=deleted)


_GONE = (Status.ACTIVE, Status.INACTIVE, Status.DELETED)


def _removal(
    before: Member | None, after: Member | None, record: PersonRecord, *, hub: Hub, singles: frozenset[str]
) -> Removal | None:
    if before is None or after is None:
        return None
    was, is_now = view(before, hub, singles).status, view(after, hub, singles).status
    if _GONE.index(is_now) <= _GONE.index(was):
        return None
    source_id = record.person.source_id
    part = after.slices[source_id]
    stamps = [stamp for stamp in (part.deactivated, part.deleted) if stamp]
    emails = {part.email for member in (before, after) for part in member.slices.values()}
    emails |= {before.manual.email, after.manual.email}
    return Removal(
        member_id=after.member_id,
        person_id=record.person_id,
        source_id=source_id,
        upto=max(stamps),
        to=is_now,
        held=before.holds.get(source_id),
        emails=frozenset(emails - {""}),
    )


@dataclass(frozen=True, slots=True)
class _Move:
    """What becomes of addresses.

    Attributes
    ----------
    changed
        Addresses to write.
    address_id
        The address that the person holds then.
    is_taken
        The wanted address is somebody else's.
    reopen
        Events that waited for an address which is given up.
    """

    changed: tuple[Address, ...]
    address_id: str | None
    is_taken: bool = False
    reopen: tuple[str, ...] = ()


def _move_address(known: Known, person: Person, event: DirectoryEvent, *, is_present: bool) -> _Move:
    """Let the address follow the person's e-mail, as long as they are present and nobody else has it.

    Somebody who left keeps the address they had, whatever later events say of their e-mail: it stays barred.
    """
    source, me = person.source_id, known.record.person_id
    held, wanted = known.held, known.wanted
    stays = held is not None and not is_present
    moves = not stays and (wanted.address_id if wanted else None) != (held.address_id if held else None)
    mine = Holder(me, barred(person))
    if moves and wanted is not None and not _may_hold(wanted, source, known):
        is_full = len(wanted.waiting) >= MAX_WAITING and me not in wanted.waiting
        waiting = wanted if is_full else replace(wanted, waiting={**wanted.waiting, me: event.event_id})
        kept = replace(held, holders={**held.holders, source: mine}) if held else None
        changed = (*_if_changed(wanted, waiting), *(_if_changed(held, kept) if held and kept else ()))
        return _Move(changed, held.address_id if held else None, is_taken=True)
    if not moves:
        if held is None:
            return _Move((), None)
        kept = replace(held, holders={**held.holders, source: mine})
        return _Move(_if_changed(held, kept), held.address_id)
    return _take(known, held, wanted, source, mine)


def _is_present(known: Known, person: Person, *, hub: Hub, catalogue: Catalogue, table: MappingTable) -> bool:
    """Tell whether the person is active, be it because an admin took them back although the directory has not."""
    if person.status is not DirectoryStatus.INACTIVE or known.member is None or known.record.member_id is None:
        return person.status is DirectoryStatus.ACTIVE
    singles = single_valued(catalogue)
    part = derive(replace(known.record, person=person, rev=known.record.rev + 1), table, catalogue)
    return view(with_slice(known.member, part, hub, singles), hub, singles).status is Status.ACTIVE


def _take(known: Known, held: Address | None, wanted: Address | None, source: str, mine: Holder) -> _Move:
    member_id = known.record.member_id
    changed: list[Address] = []
    reopen: tuple[str, ...] = ()
    if held is not None:
        left = {name: holder for name, holder in held.holders.items() if name != source}
        gives_up = member_id is not None and held.member_id == member_id and wanted is not None
        changed.append(replace(held, holders=left, member_id=None if gives_up else held.member_id))
        reopen = tuple(held.waiting.values())
    if wanted is not None:
        waiting = {person: event_id for person, event_id in wanted.waiting.items() if person != mine.person_id}
        taken = replace(wanted, holders={**wanted.holders, source: mine}, waiting=waiting)
        changed.append(replace(taken, member_id=member_id or wanted.member_id))
    return _Move(tuple(changed), wanted.address_id if wanted else None, reopen=reopen)


def _if_changed(before: Address, after: Address) -> tuple[Address, ...]:
    return () if after == before else (after,)


def _may_hold(address: Address, source_id: str, known: Known) -> bool:
    """Tell whether the address may be theirs: nobody of their source has it, and no other person is its member."""
    me = known.record.person_id
    holder = address.holders.get(source_id)
    if address.erased or (holder is not None and holder.person_id != me):
        return False
    if address.member_id is None:
        return True
    if known.record.member_id is not None:
        return address.member_id == known.record.member_id
    part = known.member.slices.get(source_id) if known.member else None
    return part is None or part.person_id == me


def barred(person: Person) -> Barred | None:
    """Return why nobody may be invited at the person's address; nothing while they are active."""
    match person.status:
        case DirectoryStatus.INACTIVE:
            return Barred.DEACTIVATED
        case DirectoryStatus.DELETED:
            return Barred.DELETED
        case _:
            return None


def _member(
    known: Known,
    record: PersonRecord,
    stored: Member | None,
    *,
    hub: Hub,
    catalogue: Catalogue,
    table: MappingTable,
    change: Change,
    is_changed: bool,
) -> Member | None:
    member = known.member
    if member is None or record.member_id != member.member_id:
        return None
    rev = record.rev + 1 if is_changed else record.rev
    part = derive(replace(record, rev=rev), table, catalogue)
    held = member.slices.get(part.source_id)
    if record.address_id is None or (known.wanted and record.address_id != known.wanted.address_id):
        part = replace(part, email=held.email if held else "")
    moved = replace(member, address_id=record.address_id or member.address_id)
    if not same_content(held, part):
        moved = with_slice(moved, part, hub, single_valued(catalogue))
    return None if moved == stored else replace(moved, change=change)


def _invitation(known: Known, address_id: str | None, person: Person, at: str) -> Invitation | None:
    invitation = known.invitation
    if invitation is None or not invitation.is_open:
        return None
    moved = known.held is not None and known.held.address_id != address_id
    if not moved and person.status is DirectoryStatus.ACTIVE:
        return None
    return replace(invitation, status=InvitationStatus.WITHDRAWN, settled_at=at)


def _held_outcome(known: Known, merged: Person, event: DirectoryEvent) -> Outcome | None:
    hold = _hold_of(known, event.source_id)
    if hold is None or event.stamp > hold.upto or event.stamp not in (merged.deactivated, merged.deleted):
        return None
    return Outcome(EventState.HELD, hold.reason, HELD[hold.reason])


def _outcome(known: Known, merged: Person, event: DirectoryEvent, *, is_taken: bool) -> Outcome:
    before = known.record.person
    if not has_effect(merged, event):
        return Outcome(EventState.NO_CHANGE, "older", "Older than what we already have from this source.")
    if is_taken:
        detail = (
            "The e-mail belongs to somebody else in the hub. Until that is settled the person keeps their former one."
        )
        return Outcome(EventState.HELD, "address_taken", detail)
    if known.is_new:
        return Outcome(EventState.APPLIED, "person_created", "A person the hub did not know yet.")
    if merged == before:
        return Outcome(EventState.APPLIED, "already_applied", "Applied before; applying it again changed nothing.")
    if _said(merged) == _said(before):
        return Outcome(EventState.NO_CHANGE, "same_values", "Everything it says was known already.")
    is_end = is_end_event(event, replace(known.record, person=merged))
    return END_DATE if is_end else _CHANGED.get(event.kind, _UPDATED)


_UPDATED = Outcome(EventState.APPLIED, "person_changed", "What the directory says of the person changed.")
_CHANGED = {
    Kind.DEACTIVATED: Outcome(EventState.APPLIED, "person_deactivated", "The person was deactivated."),
    Kind.DELETED: Outcome(EventState.APPLIED, "person_deleted", "The person was deleted."),
}


def _said(person: Person) -> tuple[object, ...]:
    fields = {name: cell.value for name, cell in person.fields.items() if cell.value}
    return person.status, fields, person.values()
