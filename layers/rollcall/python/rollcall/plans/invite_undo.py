"""Undoing invitations that a plan made: what is still open is revoked. Undoing that invites again."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from rollcall.activity.model import Kind
from rollcall.invitations import store as invitations
from rollcall.invitations.again import decision_action
from rollcall.invitations.model import Invitation, InvitationStatus
from rollcall.plans import invites, left_out
from rollcall.plans.model import LEFT_OUT, Change, Edit, Plan, Result
from rollcall.runtime import dynamo
from rollcall.runtime.errors import TransientError
from rollcall.runtime.times import now, to_text
from rollcall.runtime.tries import tries

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rollcall.hubs.context import HubContext

_ACCEPTED = Result("impossible", "accepted", "They accepted and are a member now.")
_OTHER = Result("left", "invited_since", "They were invited anew since; that invitation stays.")
_OVER = Result("left", "not_open", "This invitation is not open any more.")
_MAIL_GONE = "The mail went out; the link in it will not work any more."
_MAIL_WAITS = "The mail has not gone out, and will not."
_AGAIN = "They are invited again, with a new mail."


def plan_undo(ctx: HubContext, source: Plan, found: Sequence[tuple[Change, Result]]) -> list[Change]:
    """Return what undoing invitations of a plan, or undoing their undoing, would do now."""
    held = invitations.get_invitations(ctx.hub.hub_id, [change.subject for change, _ in found])
    return [
        left_out.plan_undo(source, change)
        if change.kind == LEFT_OUT
        else _plan_one(source, change, held.get(change.subject))
        for change, _ in found
    ]


def _plan_one(source: Plan, change: Change, held: Invitation | None) -> Change:
    base = Change(row=change.row, outcome="reverse", kind="invitation", subject=change.subject, todo=True)
    status = ("",) if held is None else (str(held.status),)
    if "again" in change.data:
        edits = (Edit("invitation", status, ("queued",), "invitation"),)
        return replace(base, detail=_AGAIN, edits=edits, data={"invite": change.data["again"]})
    told = _why_not(held, source.plan_id)
    if held is None or told:
        told = told or _OVER
        return replace(base, todo=False, outcome=told.outcome, reason=told.reason, detail=told.detail)
    detail = _MAIL_WAITS if held.status is InvitationStatus.QUEUED else _MAIL_GONE
    edits = (Edit("invitation", status, ("revoked",), "invitation"),)
    again = change.data.get("invite", change.data)
    data = {"again": dict(again), "made_by": source.plan_id, "epoch": held.epoch}
    return replace(base, detail=detail, edits=edits, data=data)


def _why_not(held: Invitation | None, made_by: str) -> Result | None:
    """Return why an invitation that a plan made is not revoked; nothing if it is open."""
    if held is None:
        return _OVER
    if held.plan_id != made_by:
        return _OTHER
    if held.status is InvitationStatus.ACCEPTED:
        return _ACCEPTED
    return None if held.is_open else _OVER


def apply_undo(ctx: HubContext, plan: Plan, change: Change) -> Result:
    """Revoke one invitation, if it is still the one that the plan made and open; or invite again.

    Raises
    ------
    TransientError
        If others wrote the invitation too often in these moments.
    """
    if change.kind == LEFT_OUT:
        return left_out.apply_undo(plan, change)
    if "invite" in change.data:
        result = invites.apply_change(ctx, plan, replace(change, data=change.data["invite"]))
        return replace(result, outcome="reversed") if result.outcome == "invited" else result
    hub_id = ctx.hub.hub_id
    mark = f"undo:{plan.plan_id}"
    for _ in tries():
        held = invitations.get_invitation(hub_id, change.subject)
        if held is not None and held.revoked_by == mark:
            return Result("reversed")
        refused = _why_not(held, change.data["made_by"])
        if refused or held is None:
            return refused or _OVER
        if held.epoch != change.data["epoch"]:
            return _OTHER
        at, kind, cause = now(), Kind.INVITATION_REVOKED, f"plan:{plan.plan_id}"
        revoked = replace(held, status=InvitationStatus.REVOKED, settled_at=to_text(at), revoked_by=mark)
        old, by = str(held.status), plan.approved_by or plan.created_by
        told = decision_action(hub_id, held, kind, old=old, new="revoked", by=by, at=at, cause=cause)
        try:
            dynamo.write([invitations.put_invitation(hub_id, revoked), told])
        except dynamo.ConditionFailedError:
            continue
        return Result("reversed")
    raise TransientError
