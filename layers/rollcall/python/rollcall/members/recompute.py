"""A member computed anew from mapping table, catalogue and settings: after one of them changed, or moved meanwhile.

Nothing is written unless what a source gives differs, or what is shown. Whoever wrote looks at the versions once more:
if they moved in the meantime, the member is computed once more.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from rollcall.hubs import context
from rollcall.members import store
from rollcall.members.projection import (
    derive,
    same_content,
    shown_item,
    single_valued,
    view,
    with_current_options,
    with_slice,
)
from rollcall.people import store as people
from rollcall.runtime import dynamo
from rollcall.runtime.errors import TooLargeToStoreError, TransientError
from rollcall.runtime.observability import log
from rollcall.runtime.tries import tries

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rollcall.hubs.context import HubContext
    from rollcall.members.model import Change, Member
    from rollcall.members.projection import View
    from rollcall.people.model import PersonRecord

BATCH = 100


def recomputed(ctx: HubContext, member: Member, records: Mapping[str, PersonRecord]) -> Member:
    """Return the member with the slices that table and catalogue give now; the same one if they say the same.

    Options that were merged into others become those, by hand ones too.

    Parameters
    ----------
    records
        The persons of the member's slices, by id.
    """
    single = single_valued(ctx.catalogue)
    manual = with_current_options(member.manual, ctx.catalogue)
    fresh = member if manual is member.manual else replace(member, manual=manual)
    for record in _own(member, records):
        held = member.slices[record.person.source_id]
        # Table and catalogue say nothing of addresses: who keeps a former one keeps it.
        part = replace(derive(record, ctx.table, ctx.catalogue), email=held.email)
        if not same_content(held, part):
            fresh = with_slice(fresh, part, ctx.hub, single)
    return fresh


def is_shown_otherwise(member: Member, shown: View) -> bool:
    """Tell whether a member is stored with something else than what is to be shown: a setting of the hub moved."""
    return member.shown != shown_item(shown)


def recompute_member(ctx: HubContext, member_id: str, change: Change) -> bool:
    """Compute a member anew until the versions it was computed from stay. Returns whether anything was written.

    Each person must still be at the revision that was read.

    Raises
    ------
    TooLargeToStoreError
        If the member would be larger than what can be kept.
    TransientError
        If AWS or other workers got in the way too often.
    """
    hub_id = ctx.hub.hub_id
    is_written = False
    for number in tries():
        if number:
            ctx = context.load(hub_id)
        member = store.get_member(hub_id, member_id)
        if member is None:
            return is_written
        records = people.get_persons(hub_id, [part.person_id for part in member.slices.values()])
        fresh = recomputed(ctx, member, records)
        shown = view(fresh, ctx.hub, single_valued(ctx.catalogue))
        if fresh != member or is_shown_otherwise(member, shown):
            fresh = replace(fresh, change=change)
            checks = [people.check_person(hub_id, record) for record in _own(member, records)]
            try:
                dynamo.write([store.put_member(hub_id, fresh, shown), *checks])
            except (dynamo.ConditionFailedError, TransientError):
                continue
            is_written = True
        if context.current_versions(hub_id) == ctx.versions:
            return is_written
    raise TransientError


def follow(ctx: HubContext, member_id: str, change: Change) -> None:
    """Compute a member who was just written anew, if table, catalogue or settings moved since they were read.

    Raises
    ------
    TransientError
        As ``recompute_member``.
    """
    if context.current_versions(ctx.hub.hub_id) != ctx.versions:
        recompute_member(context.load(ctx.hub.hub_id), member_id, change)


def recompute_shard(ctx: HubContext, shard: int, change: Change) -> int:
    """Compute the members of one shard anew, deleted ones left out; a second time writes nothing.

    Returns
    -------
    int
        How many members were written.

    Raises
    ------
    TransientError
        If AWS or other workers got in the way too often; what was written stays.
    """
    hub_id = ctx.hub.hub_id
    listed = store.ids_of_shard(hub_id, shard)
    written = 0
    while batch := list(islice(listed, BATCH)):
        found = store.get_members(hub_id, batch)
        asked = [part.person_id for member in found.values() for part in member.slices.values()]
        records = people.get_persons(hub_id, asked)
        for member in found.values():
            fresh = recomputed(ctx, member, records)
            shown = view(fresh, ctx.hub, single_valued(ctx.catalogue))
            if fresh == member and not is_shown_otherwise(member, shown):
                continue
            try:
                written += recompute_member(ctx, member.member_id, change)
            except TooLargeToStoreError as exc:
                log.warning("member_not_recomputed", hub_id=hub_id, member_id=member.member_id, reason=exc.code)
    return written


def _own(member: Member, records: Mapping[str, PersonRecord]) -> list[PersonRecord]:
    found = [records[part.person_id] for part in member.slices.values() if part.person_id in records]
    return [record for record in found if record.member_id == member.member_id and not record.person.erased]
