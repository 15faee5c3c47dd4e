"""Approve or reject a plan: what is approved is the hash that was shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollcall.hubs.store import get_hub
from rollcall.plans import store
from rollcall.plans.model import Plan, PlanState
from rollcall.plans.pointers import wake_parts
from rollcall.runtime import dynamo
from rollcall.runtime.errors import ConflictError, ForbiddenError, NotFoundError
from rollcall.runtime.times import now, to_text

if TYPE_CHECKING:
    from rollcall.hubs.model import Admin


def approve(hub_id: str, plan_id: str, hash: str, admin: Admin) -> Plan:  # noqa: A002 - the product's word
    """Let a plan be applied, exactly as it was shown. Approving it again by the same admin is the same approval.

    Raises
    ------
    NotFoundError
        If the hub has no such plan.
    ConflictError
        ``stale_hash`` if the plan is not the one that was shown; ``not_awaiting_approval``; ``expired``.
    ForbiddenError
        ``second_person_needed`` if the hub wants two people and this one made the plan.
    """
    plan = _get(hub_id, plan_id)
    if plan.hash != hash:
        msg = "This is not the plan that was shown. Look at it again."
        raise ConflictError(msg, code="stale_hash")
    if plan.state is PlanState.APPLYING and plan.approved_by == admin.subject:
        wake_parts(plan)
        return plan
    if get_hub(hub_id).two_person_approval and plan.created_by == admin.subject:
        msg = "Somebody other than the one who uploaded it must approve."
        raise ForbiddenError(msg, code="second_person_needed")
    at = now()
    _check_open(plan, to_text(at))
    try:
        dynamo.write([store.approve_action(plan, hash, admin.subject, at)])
    except dynamo.ConditionFailedError as exc:
        plan = _get(hub_id, plan_id)
        if not (plan.state is PlanState.APPLYING and plan.approved_by == admin.subject):
            msg = "Somebody else decided about this plan."
            raise ConflictError(msg, code="not_awaiting_approval") from exc
    wake_parts(plan)
    return _get(hub_id, plan_id)


def reject(hub_id: str, plan_id: str, admin: Admin, reason: str = "") -> Plan:
    """Turn a plan down: it will never be applied.

    Raises
    ------
    NotFoundError
        If the hub has no such plan.
    ConflictError
        ``not_awaiting_approval`` if it does not wait for a decision.
    """
    plan = _get(hub_id, plan_id)
    if plan.state is PlanState.REJECTED:
        return plan
    at = now()
    _check_open(plan, to_text(at))
    try:
        dynamo.write([store.settle_action(plan, PlanState.REJECTED, at, detail=reason, by=admin.subject)])
    except dynamo.ConditionFailedError as exc:
        msg = "Somebody else decided about this plan."
        raise ConflictError(msg, code="not_awaiting_approval") from exc
    return _get(hub_id, plan_id)


def expire(plan: Plan) -> bool:
    """End a plan that waited too long. Returns whether it was over, and it was this call that said so."""
    at = now()
    if plan.state is not PlanState.AWAITING_APPROVAL or not plan.expires_at or plan.expires_at > to_text(at):
        return False
    try:
        dynamo.write([store.settle_action(plan, PlanState.EXPIRED, at, detail="Nobody approved it in time.")])
    except dynamo.ConditionFailedError:
        return False
    return True


def _get(hub_id: str, plan_id: str) -> Plan:
    plan = store.get_plan(hub_id, plan_id)
    if plan is None:
        raise NotFoundError
    return plan


def _check_open(plan: Plan, at: str) -> None:
    if plan.state is not PlanState.AWAITING_APPROVAL:
        msg = "This plan does not wait for an approval."
        raise ConflictError(msg, code="not_awaiting_approval")
    if plan.expires_at and plan.expires_at <= at:
        msg = "This plan is too old. Upload the file again."
        raise ConflictError(msg, code="expired")
