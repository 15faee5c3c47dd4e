"""What a directory event changes, given everything that is known: person, address, member, invitation. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from rollcall.invitations.model import Invitation, InvitationStatus
from rollcall.members.model import Change, Hold, Member, Status
from rollcall.members.projection import derive, same_content, single_valued, view, with_slice
from rollcall.people.addresses import Move, Obstacle, move_address, rank_of
from rollcall.people.merge import DirectoryStatus, Person, Said, has_effect, merge
from rollcall.people.model import Address, EventState, Holder, Outcome, PersonRecord, Waiting
from rollcall.people.outcomes import (
    ALREADY_APPLIED,
    CHANGED,
    CREATED,
    END_DATE,
    ERASED,
    OLDER,
    SAME,
    SUPERSEDED,
    UPDATED,
)
from rollcall.people.schedule import is_end_event, scheduled

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rollcall.hubs.model import Hub
    from rollcall.mapping.table import MappingTable
    from rollcall.people.events import DirectoryEvent, Stamp
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
    said
        Address id → when it was said of the person, the event included; empty text for none or an unusable one.
    others
        The other addresses that were ever said of the person.
    queue
        Address id → who waits there, of each source the first, and who left and claims it as their last; read where
        the person may have to give it up.
    """

    record: PersonRecord
    is_new: bool
    wanted: Address | None
    held: Address | None
    member: Member | None
    invitation: Invitation | None
    said: Mapping[str, Said] = field(default_factory=dict)
    others: tuple[Address, ...] = ()
    queue: Mapping[str, tuple[Waiting, ...]] = field(default_factory=dict)


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
        Events to apply again: of people whose turn it is at an address, or who have to stand back.
    waits, waited
        What the person waits for from now on, or no longer.
    removal
        What the guard must be asked about before anything is written.
    """

    outcome: Outcome
    record: PersonRecord | None = None
    addresses: tuple[Address, ...] = ()
    member: Member | None = None
    invitation: Invitation | None = None
    reopen: tuple[str, ...] = ()
    waits: Waiting | None = None
    waited: Waiting | None = None
    removal: Removal | None = None

    @property
    def changes_something(self) -> bool:
        """Anything to write at all."""
        return bool(self.record or self.addresses or self.member or self.invitation)


HELD = {
    "removal_held": "More people would leave than the hub allows in a day. Nothing happened yet: an admin must decide.",
    "removal_undone": "An admin took this removal back, so it has no effect.",
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

    The person is always merged. Their address follows their e-mail unless somebody else has it: then the event is
    held for an admin, and a member keeps the address they have. A member's directory-derived slice is computed
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
    if before.superseded_by:
        return Decision(SUPERSEDED)
    stored = known.member
    if hold is not None and stored is not None:
        known = replace(known, member=replace(stored, holds={**stored.holds, event.source_id: hold}))
    merged = before if known.is_new else merge(before, event)
    # What counts for the hub: without what is held.
    shown = in_effect(merged, _hold_of(known, event.source_id))
    is_present = _is_present(known, shown, hub=hub, catalogue=catalogue, table=table)
    move = move_address(known, shown, is_present=is_present)
    address_id, member_id = move.address_id, known.record.member_id or move.links
    record = replace(known.record, person=merged, address_id=address_id, member_id=member_id, waits=move.waits)
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
    if is_changed and member is not None and stored is not None:
        record = replace(record, member_rev=max(record.member_rev, stored.rev))
    has_left = event.leaves and merged.left == event.stamp
    invitation = _invitation(known, address_id, shown, at, has_left=has_left)
    removal = _removal(stored, member, record, hub=hub, singles=single_valued(catalogue))
    outcome = _held_outcome(known, merged, event) or _outcome(known, merged, event, _obstacle(move, event))
    if removal and outcome == SAME:
        # Somebody whom an admin kept or took back: the directory says nothing new, and yet they leave.
        outcome = CHANGED.get(event.kind, UPDATED)
    return Decision(
        outcome=outcome,
        record=record if is_changed else None,
        addresses=move.changed,
        member=member,
        invitation=invitation,
        reopen=tuple(event_id for event_id in move.reopen if event_id != event.event_id),
        waits=move.waits if move.waits != known.record.waits else None,
        waited=known.record.waits if move.waits != known.record.waits else None,
        removal=removal,
    )


def known_to_stand(record: PersonRecord, said: Mapping[str, Said], member: Member | None) -> Known:
    """Return what is known where the address stands (``addresses.stands``): that the person holds it, by their rank."""
    address_id = str(record.address_id)
    holder = Holder(record.person_id, rank=rank_of(address_id, said))
    address = Address(address_id, holders={record.person.source_id: holder}, member_id=record.member_id)
    return Known(record, is_new=False, wanted=address, held=address, member=member, invitation=None, said=said)


def member_follows(
    record: PersonRecord, member: Member, *, hub: Hub, catalogue: Catalogue, table: MappingTable
) -> bool:
    """Tell whether a member says what the person gives them, both as they are stored now."""
    wanted = Address(record.waits.address_id) if record.waits else None
    known = Known(record, is_new=False, wanted=wanted, held=None, member=member, invitation=None)
    change = member.change
    fresh = _member(known, record, member, hub=hub, catalogue=catalogue, table=table, change=change, is_changed=False)
    return fresh is None


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


def _obstacle(move: Move, event: DirectoryEvent) -> Obstacle | None:
    """Return why this event is held: it is the one that gave the person an address which somebody else has."""
    is_held = move.waits is not None and move.waits.rank.event_id == event.event_id
    return move.obstacle if is_held else None


def _is_present(known: Known, person: Person, *, hub: Hub, catalogue: Catalogue, table: MappingTable) -> bool:
    """Tell whether the person is active, be it because an admin took them back although the directory has not."""
    if person.status is not DirectoryStatus.INACTIVE or known.member is None or known.record.member_id is None:
        return person.status is DirectoryStatus.ACTIVE
    singles = single_valued(catalogue)
    part = derive(replace(known.record, person=person, rev=known.record.rev + 1), table, catalogue)
    return view(with_slice(known.member, part, hub, singles), hub, singles).status is Status.ACTIVE


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
    # Somebody else's write of the member may be under way: it must not come after ours, which would leave no trace.
    if not same_content(held, part) or record.member_rev == member.rev:
        moved = with_slice(moved, part, hub, single_valued(catalogue))
    return None if moved == stored else replace(moved, change=change)


def _invitation(known: Known, address_id: str | None, person: Person, at: str, *, has_left: bool) -> Invitation | None:
    invitation = known.invitation
    if invitation is None or not invitation.is_open:
        return None
    moved = known.held is not None and known.held.address_id != address_id
    if not moved and not has_left and person.status is DirectoryStatus.ACTIVE:
        return None
    return replace(invitation, status=InvitationStatus.WITHDRAWN, settled_at=at)


def _held_outcome(known: Known, merged: Person, event: DirectoryEvent) -> Outcome | None:
    hold = _hold_of(known, event.source_id)
    if hold is None or event.stamp > hold.upto or event.stamp not in (merged.deactivated, merged.deleted):
        return None
    return Outcome(EventState.HELD, hold.reason, HELD[hold.reason])


def _outcome(known: Known, merged: Person, event: DirectoryEvent, obstacle: Obstacle | None) -> Outcome:
    before = known.record.person
    if obstacle:
        return _ADDRESS_HELD[obstacle]
    if not has_effect(merged, event):
        return OLDER
    if known.is_new:
        return CREATED
    if merged == before:
        return ALREADY_APPLIED
    if _said(merged) == _said(before):
        return SAME
    is_end = is_end_event(event, replace(known.record, person=merged))
    return END_DATE if is_end else CHANGED.get(event.kind, UPDATED)


_ADDRESS_HELD = {
    Obstacle.TAKEN: Outcome(
        EventState.HELD,
        str(Obstacle.TAKEN),
        "Somebody else has this e-mail address. Correct it in the HR system, or let an admin decide whose it is.",
    ),
    Obstacle.MAYBE_SAME: Outcome(
        EventState.HELD,
        str(Obstacle.MAYBE_SAME),
        "Somebody who left has this e-mail address: an admin must say whether they are the same person.",
    ),
    Obstacle.ERASED: Outcome(
        EventState.HELD,
        str(Obstacle.ERASED),
        "This e-mail address belonged to somebody who was erased: an admin must say whether it was given out again.",
    ),
}


def _said(person: Person) -> tuple[object, ...]:
    fields = {name: cell.value for name, cell in person.fields.items() if cell.value}
    return person.status, person.is_away, fields, person.values()
