"""A deleted member whole again, within the grace time: persons, address, roles, segments and manual grants."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from rollcall.hubs import context
from rollcall.members import store as members
from rollcall.members.model import Change, Member, Status
from rollcall.members.projection import derive, single_valued, view, with_slice
from rollcall.members.recompute import follow
from rollcall.people import store as people
from rollcall.people.addresses import barred_as
from rollcall.people.merge import DirectoryStatus, restore
from rollcall.people.schedule import scheduled
from rollcall.people.sync import said_of
from rollcall.runtime import dynamo
from rollcall.runtime.errors import NotFoundError, RefusedError, TransientError
from rollcall.runtime.ids import digest
from rollcall.runtime.observability import log
from rollcall.runtime.times import now, to_text
from rollcall.runtime.tries import tries

if TYPE_CHECKING:
    from rollcall.hubs.context import HubContext
    from rollcall.people.model import Address, Barred, PersonRecord

CAUSE = "restore"


def restore_member(hub_id: str, member_id: str, by: str) -> Member:
    """Take back the deletion of every person that the member is, in one transaction, and return the member.

    What the directory said meanwhile was kept, and counts now. An invitation that was withdrawn stays so.

    Raises
    ------
    NotFoundError
        If there is no such member, or they were purged.
    RefusedError
        ``not_deleted``, if they are there.
    TransientError
        If AWS or other workers got in the way too often; it may or may not have been done.
    """
    tried = False
    for _ in tries():
        ctx = context.load(hub_id)
        member = members.get_member(hub_id, member_id)
        if member is None:
            raise NotFoundError
        if view(member, ctx.hub, single_valued(ctx.catalogue)).status is not Status.DELETED:
            if tried:
                return member  # our own write, whose answer was lost
            detail = "This member is not deleted."
            raise RefusedError(detail, code="not_deleted")
        records = people.get_persons(hub_id, [part.person_id for part in member.slices.values()])
        deleted = [record for record in records.values() if record.person.status is DirectoryStatus.DELETED]
        at = to_text(now())
        change = Change(CAUSE, by, at)
        try:
            dynamo.write(_actions(ctx, member, deleted, change))
        except (dynamo.ConditionFailedError, TransientError):
            tried = True
            continue
        follow(ctx, member_id, change)
        log.info("member_restored", hub_id=hub_id, member_id=member_id)
        return members.get_member(hub_id, member_id) or member
    raise TransientError


def _actions(ctx: HubContext, member: Member, deleted: list[PersonRecord], change: Change) -> list[dynamo.Action]:
    hub_id, at, singles = ctx.hub.hub_id, change.at, single_valued(ctx.catalogue)
    said = {name for record in deleted for name in said_of(ctx, record.person)}
    asked = {*said, *(one.address_id for one in deleted)}
    addresses = people.get_addresses(hub_id, sorted(filter(None, asked)))
    before = dict(addresses)
    actions: list[dynamo.Action] = []
    for record in deleted:
        person = restore(record.person, at, digest(CAUSE, record.person_id, at))
        back = scheduled(replace(record, person=person), ctx.hub, at)
        actions.append(people.put_person(hub_id, back, f"{CAUSE}:{member.member_id}", at))
        held = member.slices[person.source_id]
        part = replace(derive(replace(back, rev=back.rev + 1), ctx.table, ctx.catalogue), email=held.email)
        member = with_slice(member, part, ctx.hub, singles)
        address = addresses.get(record.address_id or "")
        holder = address.holders.get(person.source_id) if address else None
        if address and holder and holder.person_id == record.person_id:
            mine = replace(holder, barred=barred_as(person))
            addresses[address.address_id] = replace(address, holders={**address.holders, person.source_id: mine})
        for name, former in addresses.items():
            addresses[name] = replace(former, formers=_formers(former, record.person_id, barred_as(person)))
    actions += [people.put_address(hub_id, one) for name, one in addresses.items() if one != before[name]]
    member = replace(member, change=change)
    return [*actions, members.put_member(hub_id, member, view(member, ctx.hub, singles))]


def _formers(address: Address, person_id: str, barred: Barred | None) -> dict[str, Barred]:
    """Return whom an address is still barred by: no longer by somebody who is active again."""
    if person_id not in address.formers:
        return dict(address.formers)
    others = {name: why for name, why in address.formers.items() if name != person_id}
    return {**others, person_id: barred} if barred else others
