"""Collisions: somebody's e-mail is an address that another person has, and an admin says whose it is.

Each decision is one transaction on the revisions that it was taken on. What the directories say later does not undo
it: an address that was given stays given (``Holder.is_given``), and a person who goes on as another one takes nothing
in any more (``Person.superseded_by``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from rollcall.hubs import context
from rollcall.hubs.model import Permission
from rollcall.invitations import store as invitations
from rollcall.invitations.model import InvitationStatus
from rollcall.members import store as members
from rollcall.members.model import Change, Member
from rollcall.members.projection import derive, single_valued, view
from rollcall.members.recompute import follow
from rollcall.people import event_log, store
from rollcall.people.addresses import Obstacle, barred_as, without_person
from rollcall.people.merge import DirectoryStatus, superseded
from rollcall.people.model import Address, Holder, PersonRecord, Waiting
from rollcall.people.sync import said_of
from rollcall.privacy.emails import usable_email
from rollcall.runtime import dynamo, lists
from rollcall.runtime.errors import ForbiddenError, RefusedError, TransientError
from rollcall.runtime.observability import describe, log
from rollcall.runtime.times import now, to_text
from rollcall.runtime.tries import tries

if TYPE_CHECKING:
    from rollcall.hubs.context import HubContext
    from rollcall.hubs.model import Admin


class Kind(StrEnum):
    """What stands against the address."""

    SAME_SOURCE = "same_source_new_id"
    OTHER_MEMBER = "other_member"
    ERASED = "erased_address"
    FREE = "about_to_be_settled"


class Choice(StrEnum):
    """What an admin can say to a collision."""

    SAME_PERSON = "same_person"
    GIVE_ADDRESS = "give_address"
    KEEP = "keep"


@dataclass(frozen=True, slots=True)
class Collision:
    """A person who wants an address, and who has it.

    Attributes
    ----------
    holder
        The person of the same source who has it, or whose member does; nothing if they were erased.
    since
        Since when the directory gives the address to the one who wants it.
    kept_by, kept_at
        The admin who said that it is to stay so for now.
    """

    wanting: PersonRecord
    holder: PersonRecord | None
    kind: Kind
    reason: Obstacle
    since: str
    kept_by: str | None = None
    kept_at: str | None = None


def list_collisions(hub_id: str, *, limit: int, cursor: str = "") -> tuple[list[Collision], str | None]:
    """Return collisions, those that wait longest first, and the cursor of the next page."""
    items, following = lists.page(store.TABLE, hub_id, "by_hub", limit=limit, cursor=cursor)
    addresses = store.get_addresses(hub_id, [item["address_id"] for item in items])
    found: list[Collision] = []
    for item in items:
        record = store.get_person(hub_id, item["person_id"])
        if record is None or record.waits is None or record.waits.address_id != item["address_id"]:
            continue
        address = addresses.get(item["address_id"]) or Address(item["address_id"])
        found.append(_collision(hub_id, record, record.waits, address, item))
    return found, following


def _collision(hub_id: str, record: PersonRecord, waits: Waiting, address: Address, item: dict[str, Any]) -> Collision:
    other = _other(hub_id, address, waits)
    kept: dict[str, Any] = {name: item.get(name) for name in ("kept_by", "kept_at")}
    if address.erased:
        return Collision(record, None, Kind.ERASED, Obstacle.ERASED, waits.rank.at, **kept)
    if other is None:
        kind = Kind.OTHER_MEMBER if address.member_id else Kind.FREE
        return Collision(record, None, kind, Obstacle.TAKEN, waits.rank.at, **kept)
    reason = Obstacle.MAYBE_SAME if barred_as(other.person) else Obstacle.TAKEN
    return Collision(record, other, Kind.SAME_SOURCE, reason, waits.rank.at, **kept)


def _other(hub_id: str, address: Address, waits: Waiting) -> PersonRecord | None:
    """Return the person of the same source who has the address, themselves or through the member there."""
    holder = address.holders.get(waits.source_id)
    if holder is not None:
        return store.get_person(hub_id, holder.person_id)
    member = members.get_member(hub_id, address.member_id) if address.member_id else None
    part = member.slices.get(waits.source_id) if member else None
    return store.get_person(hub_id, part.person_id) if part and part.person_id != waits.person_id else None


def resolve(ctx: HubContext, person_id: str, choice: Choice, admin: Admin) -> None:
    """Carry out what an admin says to a collision; saying the same again changes nothing.

    Raises
    ------
    RefusedError
        ``no_collision``: the person waits for nothing; ``no_candidate``: there is nobody whom they could be;
        ``both_members``: both are members already.
    ForbiddenError
        If the other one was deleted, and the admin has not the privacy permission.
    TransientError
        If AWS or other workers got in the way too often.
    """
    hub_id = ctx.hub.hub_id
    for number in tries():
        if number:
            ctx = context.load(hub_id)
        record = store.get_person(hub_id, person_id)
        if record is None or record.waits is None:
            if record is not None and _is_done(hub_id, record, choice):
                return
            detail = "This person waits for no address."
            raise RefusedError(detail, code="no_collision")
        change = Change(f"collision:{person_id}", admin.subject, to_text(now()))
        try:
            if choice is Choice.KEEP:
                _keep(hub_id, record.waits, change)
                return
            member_id = _decide(ctx, record, choice, admin, change)
        except (dynamo.ConditionFailedError, TransientError):
            continue
        log.info("collision_resolved", hub_id=hub_id, person_id=person_id, choice=str(choice))
        if member_id:
            follow(ctx, member_id, change)
        return
    raise TransientError


def _is_done(hub_id: str, record: PersonRecord, choice: Choice) -> bool:
    if choice is Choice.SAME_PERSON:
        return bool(record.supersedes)
    if choice is Choice.KEEP or record.address_id is None:
        return False
    holder = store.get_address(hub_id, record.address_id).holders.get(record.person.source_id)
    return holder is not None and holder.person_id == record.person_id and holder.is_given


def _keep(hub_id: str, waits: Waiting, change: Change) -> None:
    action = dynamo.update_action(
        store.TABLE,
        store.address_pk(hub_id, waits.address_id),
        waits.key,
        "SET #kept_by = :by, #kept_at = :at",
        condition="attribute_exists(#pk)",
        values={"by": change.actor, "at": change.at},
    )
    dynamo.write([action])


def _decide(ctx: HubContext, record: PersonRecord, choice: Choice, admin: Admin, change: Change) -> str | None:
    """Write a decision; return the member that the person is then."""
    hub_id, waits = ctx.hub.hub_id, record.waits
    if waits is None:
        raise TransientError
    address = store.get_address(hub_id, waits.address_id)
    other = _other(hub_id, address, waits)
    if other is not None and other.person_id == record.person_id:
        raise TransientError  # it was given to them since: look again
    if choice is Choice.SAME_PERSON:
        other = _candidate(ctx, record, other, admin)
        member_id = other.member_id or record.member_id
    else:
        member_id = record.member_id
    mine = replace(record, address_id=address.address_id, member_id=member_id, waits=None)
    if choice is Choice.SAME_PERSON and other:
        mine = replace(mine, supersedes=(*record.supersedes, *other.supersedes, other.person_id))
    actions = [store.drop_waiting(hub_id, waits)]
    actions += _addresses(ctx, record, mine, address, other if choice is Choice.SAME_PERSON else None)
    reopen = [waits.rank.event_id]
    if choice is Choice.SAME_PERSON and other:
        gone = PersonRecord(other.person_id, superseded(other.person, record.person_id), rev=other.rev)
        actions.append(store.put_person(hub_id, gone, change.cause, change.at, change.actor))
        actions += [store.drop_waiting(hub_id, other.waits)] if other.waits else []
    elif other is not None:
        # They look again, and wait from now on if their directory still gives them the address.
        stood = address.holders.get(waits.source_id)
        reopen += [stood.rank.event_id] if stood and stood.rank else []
        actions += _without_address(ctx, address, other, change)
    actions.append(store.put_person(hub_id, mine, change.cause, change.at, change.actor))
    if member_id:
        actions += _member(ctx, mine, member_id, change)
    invitation = invitations.get_invitation(hub_id, address.address_id)
    if invitation and invitation.is_open and invitation.person_id not in (None, record.person_id):
        closed = replace(invitation, status=InvitationStatus.WITHDRAWN, settled_at=change.at)
        actions.append(invitations.put_invitation(hub_id, closed))
    again = event_log.still_there(hub_id, dict.fromkeys(reopen))
    actions += [event_log.reopen_action(hub_id, event_id, now()) for event_id in again]
    dynamo.write(actions)
    try:
        event_log.wake(hub_id, waits.source_id, again)
    except TransientError as exc:  # the sweeper does it
        log.warning("wake_failed", **describe(exc), hub_id=hub_id, count=len(again))
    return member_id


def _candidate(ctx: HubContext, record: PersonRecord, other: PersonRecord | None, admin: Admin) -> PersonRecord:
    """Return the one who is to be the same person, if that can be."""
    if other is None or other.person.status in (DirectoryStatus.ERASED, DirectoryStatus.SUPERSEDED):
        detail = "There is nobody at this address whom the person could be. Give them the address instead."
        raise RefusedError(detail, code="no_candidate")
    is_deleted = other.person.status is DirectoryStatus.DELETED
    if is_deleted and Permission.PRIVACY not in admin.permissions(ctx.hub.hub_id):
        detail = "The other person was deleted: only somebody with the privacy permission may bring them back."
        raise ForbiddenError(detail)
    if record.member_id and other.member_id and record.member_id != other.member_id:
        detail = "Both are members already. Remove one of the two first."
        raise RefusedError(detail, code="both_members")
    return other


def _addresses(
    ctx: HubContext, record: PersonRecord, mine: PersonRecord, address: Address, gone: PersonRecord | None
) -> list[dynamo.Action]:
    """Return the writes of the address, and of those that the person, or who they were, had before."""
    hub_id, me = ctx.hub.hub_id, record.person_id
    rank = record.waits.rank if record.waits else None
    holder = Holder(me, barred_as(record.person), rank, is_given=True)
    taken = replace(
        address,
        holders={**address.holders, record.person.source_id: holder},
        formers={},
        member_id=mine.member_id,
        is_loose=False,
        erased=False,
    )
    actions = [store.put_address(hub_id, taken)]
    former = {record.address_id} if record.address_id else set()
    if gone is not None:
        former |= {name for name in said_of(ctx, gone.person) if name}
        former |= {gone.address_id} if gone.address_id else set()
    for other in store.get_addresses(hub_id, former - {address.address_id}).values():
        left = without_person(without_person(other, me), gone.person_id if gone else me)
        if mine.member_id and left.member_id == mine.member_id:
            left = replace(left, member_id=None, is_loose=False)
        actions += [store.put_address(hub_id, left)] if left != other else []
    return actions


def _member(ctx: HubContext, record: PersonRecord, member_id: str, change: Change) -> list[dynamo.Action]:
    """Return the write of the member that the person is then: with what the directory says of them now."""
    member = members.get_member(ctx.hub.hub_id, member_id)
    if member is None:
        return []
    part = derive(replace(record, rev=record.rev + 1), ctx.table, ctx.catalogue)
    source_id = record.person.source_id
    held = member.slices.get(source_id)
    fresh = replace(
        member,
        address_id=record.address_id or member.address_id,
        slices={**member.slices, source_id: part},
        holds={name: hold for name, hold in member.holds.items() if name != source_id or held == part},
        change=change,
    )
    return [members.put_member(ctx.hub.hub_id, fresh, view(fresh, ctx.hub, single_valued(ctx.catalogue)))]


def _without_address(ctx: HubContext, address: Address, other: PersonRecord, change: Change) -> list[dynamo.Action]:
    """Return the writes of the person who loses the address, and of the member they are.

    The person is written although nothing of them changes: who read the address before this must look again.
    """
    member = _member_without_address(ctx, address, other, change)
    if other.person.erased:
        return member
    return [store.put_person(ctx.hub.hub_id, other, change.cause, change.at, change.actor), *member]


def _member_without_address(
    ctx: HubContext, address: Address, other: PersonRecord, change: Change
) -> list[dynamo.Action]:
    """Return the write of the member who loses the address: it is shown of nobody but its new owner."""
    member = members.get_member(ctx.hub.hub_id, address.member_id) if address.member_id else None
    if member is None or address.member_id != other.member_id:
        return []

    def kept(email: str) -> str:
        usable = usable_email(email)
        return "" if usable and ctx.key.address_id(usable) == address.address_id else email

    fresh: Member = replace(
        member,
        address_id="",
        slices={name: replace(part, email=kept(part.email)) for name, part in member.slices.items()},
        manual=replace(member.manual, email=kept(member.manual.email)),
        change=change,
    )
    return [members.put_member(ctx.hub.hub_id, fresh, view(fresh, ctx.hub, single_valued(ctx.catalogue)))]
