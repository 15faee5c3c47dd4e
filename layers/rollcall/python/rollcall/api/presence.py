"""Who is gone: deleted and erased people are in no answer, whatever still names them until it is purged.

Invitations, events, activity and plans keep what was said at their time. Before any of it is shown, those it is about
are looked up as they are now.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollcall.members import store as members
from rollcall.members.model import Status
from rollcall.members.projection import single_valued, view
from rollcall.people import store as people
from rollcall.people.merge import DirectoryStatus
from rollcall.people.model import Barred

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rollcall.hubs.context import HubContext


def gone_persons(ctx: HubContext, person_ids: Iterable[str]) -> frozenset[str]:
    """Return which of the persons are deleted or erased; one who is not there yet is not gone."""
    found = people.get_persons(ctx.hub.hub_id, person_ids)
    gone = {DirectoryStatus.DELETED, DirectoryStatus.ERASED}
    return frozenset(person_id for person_id, record in found.items() if record.person.status in gone)


def gone_members(ctx: HubContext, member_ids: Iterable[str]) -> frozenset[str]:
    """Return which of the members are deleted or purged."""
    wanted = frozenset(member_ids)
    single = single_valued(ctx.catalogue)
    found = members.get_members(ctx.hub.hub_id, wanted).values()
    return wanted - {member.member_id for member in found if view(member, ctx.hub, single).status is not Status.DELETED}


def gone_addresses(ctx: HubContext, address_ids: Iterable[str]) -> frozenset[str]:
    """Return at which of the addresses somebody was deleted or erased."""
    found = people.get_addresses(ctx.hub.hub_id, address_ids)
    gone = {Barred.DELETED, Barred.ERASED}
    return frozenset(address_id for address_id, address in found.items() if address.barred in gone)
