"""Undo a plan, or plan its conflicts once more: each makes a new plan, which is approved like any other."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from rollcall.plans import planning, store
from rollcall.plans.followups import REPLANS, UNDOES
from rollcall.plans.kinds import KINDS, base_of
from rollcall.plans.model import DONE, Plan, PlanKind, PlanState
from rollcall.runtime import dynamo
from rollcall.runtime.errors import ConflictError, NotFoundError
from rollcall.runtime.ids import digest
from rollcall.runtime.times import now, to_text

if TYPE_CHECKING:
    from rollcall.hubs.model import Admin


def undo(hub_id: str, plan_id: str, admin: Admin) -> Plan:
    """Make the plan that undoes one; while there is an open one, that.

    Raises
    ------
    NotFoundError
        If the hub has no such plan.
    ConflictError
        ``not_applied`` if nothing of it was applied yet; ``not_undoable`` if plans of its kind cannot be undone.
    """
    plan = _done(hub_id, plan_id)
    base = base_of(plan)
    if KINDS[base].undo_whole is not None:
        return _follow(plan, admin, UNDOES, "undone_by", base)
    if KINDS[base].undo is None:
        msg = "A plan of this kind cannot be undone."
        raise ConflictError(msg, code="not_undoable")
    return _follow(plan, admin, UNDOES, "undone_by", PlanKind.UNDO)


def replan(hub_id: str, plan_id: str, admin: Admin) -> Plan:
    """Make a plan of the conflicts of one, against what is there now; while there is an open one, that.

    Raises
    ------
    NotFoundError
        If the hub has no such plan.
    ConflictError
        ``not_applied`` if it was not applied yet; ``no_conflicts`` if it has none that could be planned again.
    """
    plan = _done(hub_id, plan_id)
    if KINDS[plan.kind].replan is None or not plan.counts.get("conflict"):
        msg = "This plan has no conflicts that could be planned again."
        raise ConflictError(msg, code="no_conflicts")
    return _follow(plan, admin, REPLANS, "replanned_by", plan.kind)


def _done(hub_id: str, plan_id: str) -> Plan:
    plan = store.get_plan(hub_id, plan_id)
    if plan is None:
        raise NotFoundError
    undo = KINDS[plan.kind].undo
    is_made = plan.state in (PlanState.AWAITING_APPROVAL, PlanState.REJECTED)
    if plan.state not in DONE and not (is_made and undo is not None and undo.besides is not None):
        msg = "Nothing of this plan was applied, or not all of it yet."
        raise ConflictError(msg, code="not_applied")
    return plan


def _follow(plan: Plan, admin: Admin, what: str, by: str, kind: PlanKind) -> Plan:
    """Make the plan that follows. Its id is made from the one before it, so that two requests at once make one."""
    before = str(getattr(plan, by))
    newest = store.get_plan(plan.hub_id, before) if before else None
    if newest is not None and newest.is_open:
        return newest
    following = planning.begin(
        Plan(
            plan_id=digest(what, plan.hub_id, plan.plan_id, before),
            hub_id=plan.hub_id,
            kind=kind,
            state=PlanState.PLANNING,
            upload_id="",
            created_by=admin.subject,
            email=admin.email,
            created_at=to_text(now()),
            permissions=plan.permissions,
            params={what: plan.plan_id, "of": str(base_of(plan)), "filename": plan.params.get("filename", "")},
        )
    )
    with suppress(dynamo.ConditionFailedError):  # another request did the same
        dynamo.write([store.follow_action(plan, by, following.plan_id)])
    return following
