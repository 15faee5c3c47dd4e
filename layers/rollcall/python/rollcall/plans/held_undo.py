"""Undo removals as one: those that went through before the guard held the rest, and those that a plan let go.

A removal is taken back by a hold of it: person and member stay merged as they are, and what the source said of leaving
has no effect until it says so anew. Undoing that takes the hold away again.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from rollcall.guard import waiting
from rollcall.guard.window import window_start
from rollcall.members import store as members
from rollcall.members.model import Hold, Member, Status
from rollcall.members.projection import single_valued, view
from rollcall.people.events import Stamp
from rollcall.plans import consequences
from rollcall.plans.held_removals import LEFT, released, rewrite, settled
from rollcall.plans.model import Change, Edit, Plan, Result
from rollcall.runtime.times import from_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rollcall.hubs.context import HubContext

REASON = "removal_undone"
HOLD, RELEASE = "hold", "release"
# A worker beside the one that held the first removal may have let one go a moment later.
SLACK = timedelta(minutes=1)
_IMPOSSIBLE = {
    "gone": "This member does not exist any more: nothing is kept to bring back.",
    "also_removed": "Another source, or an admin, wants this member to be away too.",
}
_LEFT = {
    "already_back": "This member is active already.",
    "changed_since": "The HR system has said something newer of this person since, so it stays as it is.",
}


def passed_before(ctx: HubContext, source: Plan) -> Iterator[tuple[Change, Result]]:
    """Yield the removals that went through before the guard held the first of this plan, as if the plan had made them.

    They are those of the same window, by the sources whose removals the plan lists.
    """
    hub_id, fired = ctx.hub.hub_id, from_text(source.created_at)
    sources = {leaver.source_id for leaver in waiting.waiting(hub_id, source.plan_id)}
    for leaver in waiting.passed(hub_id, window_start(fired), fired + SLACK):
        if leaver.source_id in sources:
            data = {
                "source_id": leaver.source_id,
                "person_id": leaver.person_id,
                "upto": [leaver.upto.at, leaver.upto.event_id],
            }
            yield Change(row=0, outcome="", kind="member", subject=leaver.member_id, data=data), Result("applied")


def plan_undo(ctx: HubContext, source: Plan, found: Sequence[tuple[Change, Result]]) -> list[Change]:
    """Return what undoing removals, or the undoing of removals, would do to the members as they are now."""
    stored = members.get_members(ctx.hub.hub_id, [change.subject for change, _ in found])
    return [_plan_one(ctx, source, change, stored.get(change.subject)) for change, _ in found]


def _plan_one(ctx: HubContext, source: Plan, made: Change, member: Member | None) -> Change:
    data = {name: made.data[name] for name in ("source_id", "person_id", "upto")}
    data |= {"how": RELEASE if made.data.get("how") == HOLD else HOLD, "by": source.plan_id}
    base = Change(row=0, outcome="", kind="member", subject=made.subject, data=data)
    turned = _turned(ctx, source.plan_id, data, member)
    if member is None or isinstance(turned, Result):
        told = turned if isinstance(turned, Result) else Result("impossible", "gone", _IMPOSSIBLE["gone"])
        return replace(base, outcome=told.outcome, reason=told.reason, detail=told.detail)
    singles = single_valued(ctx.catalogue)
    before, after = view(member, ctx.hub, singles), view(turned, ctx.hub, singles)
    edits = (Edit("status", (str(before.status),), (str(after.status),), "status"),)
    return replace(base, outcome="reverse", todo=True, edits=edits, warnings=consequences.of_edits(edits))


def apply_undo(ctx: HubContext, plan: Plan, change: Change) -> Result:
    """Take one removal back, or let it go again, if nothing newer was said of the person since.

    Raises
    ------
    TransientError
        If others wrote the member too often in these moments.
    """
    return rewrite(ctx, plan, change, lambda member: _turned(ctx, plan.plan_id, change.data, member), done="reversed")


def _turned(ctx: HubContext, plan_id: str, data: Mapping[str, Any], member: Member | None) -> Member | Result:
    """Return the member with the removal taken back or let go again; or why not."""
    if member is None:
        return Result("impossible", "gone", _IMPOSSIBLE["gone"])
    source_id, upto = data["source_id"], Stamp(*data["upto"])
    if data["how"] == RELEASE:
        why = settled(ctx, data["by"], source_id, upto, member)
        return Result("left", why, LEFT[why]) if why else released(member, source_id)
    part = member.slices.get(source_id)
    said = max((stamp for stamp in (part.deactivated, part.deleted) if stamp), default=None) if part else None
    singles = single_valued(ctx.catalogue)
    before = view(member, ctx.hub, singles).status
    if before is Status.ACTIVE:
        return Result("left", "already_back", _LEFT["already_back"])
    if said != upto:
        return Result("left", "changed_since", _LEFT["changed_since"])
    back = replace(member, holds={**member.holds, source_id: Hold(upto, plan_id, REASON)})
    if view(back, ctx.hub, singles).status is before:
        return Result("impossible", "also_removed", _IMPOSSIBLE["also_removed"])
    return back
