"""Undoing what a plan did to members: what was decided by hand before comes back, where nobody decided anew since.

What the directory says follows the directory, before and after: only what admins decided is put back.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rollcall.hubs.admins import admin_addresses
from rollcall.members import store as members
from rollcall.members.edits import ColumnEdit, by_hand, current_values, reverse, reversible
from rollcall.members.model import RECENT, Member, Status
from rollcall.members.model import Change as MemberChange
from rollcall.members.projection import single_valued, view
from rollcall.members.recompute import follow
from rollcall.plans import new_members
from rollcall.plans.consequences import of_edits
from rollcall.plans.member_edits import in_labels
from rollcall.plans.model import Change, Plan, Result
from rollcall.runtime import dynamo
from rollcall.runtime.errors import TooLargeToStoreError, TransientError
from rollcall.runtime.times import now, to_text
from rollcall.runtime.tries import tries

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from rollcall.hubs.context import HubContext

_DELETED = Result("impossible", "deleted", "This member was deleted.")
_EDITED = Result("left", "edited_since", "Somebody edited this since, so it stays as it is.")
_NO_ROLE = Result("impossible", "last_role", "Without this change the member would have no role.")
_ALREADY = Result("left", "already_so", "This member is inactive already.")
_STAYS = "Who became a member by a file is made inactive, and stays in the hub's records."


def plan_undo(ctx: HubContext, source: Plan, found: Sequence[tuple[Change, Result]]) -> list[Change]:
    """Return what undoing changes of members, made by a plan, would do to them as they are now."""
    ids = [str(result.data.get("member_id", change.subject)) for change, result in found]
    stored = members.get_members(ctx.hub.hub_id, ids)
    admins = admin_addresses(ctx.hub.hub_id, ctx.key)
    return [
        _plan_one(
            ctx,
            source,
            stored.get(member_id),
            Change(row=change.row, outcome="", kind="member", subject=member_id),
            (change, result),
            admins,
        )
        for member_id, (change, result) in zip(ids, found, strict=True)
    ]


def _plan_one(  # noqa: PLR0917 - the parts of one line
    ctx: HubContext,
    source: Plan,
    member: Member | None,
    base: Change,
    made: tuple[Change, Result],
    admins: Collection[str],
) -> Change:
    change, result = made
    if member is None or _is_deleted(ctx, member):
        return _told(base, _DELETED)
    if "member_id" in result.data:
        return _plan_created(ctx, member, base, change, admins)
    hand: Mapping[str, Any] = result.data["hand"]
    untouched = reversible(member, hand)
    names = {edit.column: edit.field for edit in change.edits}
    if not untouched:
        both = tuple(
            in_labels(ctx, member, edit, names.get(edit.column, edit.column))
            for edit in _edits(ctx, member, {column: [after, before] for column, (before, after) in hand.items()})
        )
        return replace(_told(base, _EDITED), edits=both)
    del source
    left = [names.get(column, column) for column in hand if column not in untouched]
    said = f"Edited since, so left as it is: {', '.join(left)}." if left else ""
    return _reversing(ctx, member, replace(base, detail=said), untouched, names, admins)


def _plan_created(ctx: HubContext, member: Member, base: Change, change: Change, admins: Collection[str]) -> Change:
    made = new_members.manual_of(change.data)
    if member.manual != made or member.reactivated or bool(member.suspended) != change.data["inactive"]:
        return _told(base, _EDITED)
    if member.suspended:
        return _told(base, _ALREADY)
    hand = {"status": [by_hand(member, "status"), [to_text(now()), None]]}
    return _reversing(ctx, member, replace(base, detail=_STAYS), hand, {}, admins)


def _reversing(  # noqa: PLR0917 - the parts of one line
    ctx: HubContext,
    member: Member,
    base: Change,
    hand: Mapping[str, Any],
    names: Mapping[str, str],
    admins: Collection[str],
) -> Change:
    if not view(reverse(member, hand), ctx.hub, single_valued(ctx.catalogue)).roles:
        return _told(base, _NO_ROLE)
    edits = tuple(
        in_labels(ctx, member, edit, names.get(edit.column, edit.column)) for edit in _edits(ctx, member, hand)
    )
    warnings = of_edits(edits, is_admin=member.address_id in admins)
    return replace(base, outcome="reverse", todo=True, edits=edits, data={"hand": dict(hand)}, warnings=warnings)


def apply_undo(ctx: HubContext, plan: Plan, change: Change) -> Result:
    """Put back what was decided by hand before, if nobody decided anew since; all columns of the change or none.

    Raises
    ------
    TransientError
        If others wrote the member too often in these moments.
    """
    hub_id = ctx.hub.hub_id
    hand: Mapping[str, Any] = change.data["hand"]
    mark = f"{plan.plan_id}:{change.id}"
    for _ in tries():
        member = members.get_member(hub_id, change.subject)
        if member is None or _is_deleted(ctx, member):
            return _DELETED
        if mark in member.recent_changes:
            return Result("reversed", data=dict(change.data))
        if any(by_hand(member, column) != there for column, (there, _) in hand.items()):
            return _EDITED
        at = to_text(now())
        back = reverse(member, hand)
        shown = view(back, ctx.hub, single_valued(ctx.catalogue))
        if not shown.roles:
            return _NO_ROLE
        stored = replace(
            back,
            recent_changes=(*member.recent_changes, mark)[-RECENT:],
            change=MemberChange(f"plan:{plan.plan_id}", plan.approved_by, at),
        )
        try:
            dynamo.write([members.put_member(hub_id, stored, shown)])
        except dynamo.ConditionFailedError:
            continue
        except TooLargeToStoreError as exc:
            return Result("error", exc.code, exc.detail)
        follow(ctx, stored.member_id, stored.change)
        return Result("reversed", data=dict(change.data))
    raise TransientError


def _edits(ctx: HubContext, member: Member, hand: Mapping[str, Any]) -> list[ColumnEdit]:
    """Return what the columns show now, and what they would show."""
    now_shown = current_values(member, hand, ctx.hub, ctx.catalogue)
    then = current_values(reverse(member, hand), hand, ctx.hub, ctx.catalogue)
    return [ColumnEdit(column, now_shown[column], then[column]) for column in hand]


def _is_deleted(ctx: HubContext, member: Member) -> bool:
    return view(member, ctx.hub, single_valued(ctx.catalogue)).status is Status.DELETED


def _told(base: Change, result: Result) -> Change:
    return replace(base, outcome=result.outcome, reason=result.reason, detail=result.detail)
