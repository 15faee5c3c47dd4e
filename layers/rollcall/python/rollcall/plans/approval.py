"""Approve or reject a plan; pause, resume or stop one. What is approved is the hash that was shown."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING

from rollcall.hubs.store import get_hub
from rollcall.plans import parts, store
from rollcall.plans.kinds import KINDS
from rollcall.plans.model import RUNNING, Plan, PlanState
from rollcall.plans.pointers import wake_parts
from rollcall.plans.selection import Selection, unknown_ids
from rollcall.privacy.emails import normalise_email
from rollcall.runtime import dynamo
from rollcall.runtime.errors import ConflictError, Fault, ForbiddenError, MalformedError, NotFoundError
from rollcall.runtime.ids import digest
from rollcall.runtime.times import now, to_text

if TYPE_CHECKING:
    from rollcall.hubs.model import Admin

ALL = Selection()
_SHOWN = 20


def approve(hub_id: str, plan_id: str, hash: str, admin: Admin, only: Selection = ALL) -> Plan:  # noqa: A002 - the product's word
    """Let a plan be applied, exactly as it was shown. Approving it again by the same admin is the same approval.

    Parameters
    ----------
    only
        The changes that are approved; the others end as ``left_out``.

    Raises
    ------
    NotFoundError
        If the hub has no such plan.
    ConflictError
        ``stale_hash`` if the plan is not the one that was shown; ``not_awaiting_approval``; ``expired``; ``trial``;
        ``only_whole`` if some of the changes make no sense without the others.
    MalformedError
        If ``only`` names changes that the plan does not have.
    ForbiddenError
        ``second_person_needed`` if the hub wants two people and this one made the plan.
    """
    plan = _get(hub_id, plan_id)
    if plan.hash != hash:
        msg = "This is not the plan that was shown. Look at it again."
        raise ConflictError(msg, code="stale_hash")
    if plan.is_trial:
        msg = "This plan is a trial: it is there to be looked at only. Upload the file again, not as a trial."
        raise ConflictError(msg, code="trial")
    selection = _store(plan, only)
    if _is_same(plan, admin, selection):
        if plan.state in RUNNING:
            wake_parts(plan)
        return plan
    if get_hub(hub_id).two_person_approval and _is_creator(plan, admin):
        msg = "Somebody other than the one who made this plan must approve it."
        raise ForbiddenError(msg, code="second_person_needed")
    at = now()
    _check_open(plan, to_text(at))
    try:
        dynamo.write([store.approve_action(plan, hash, admin.subject, at, selection=selection)])
    except dynamo.ConditionFailedError as exc:
        plan = _get(hub_id, plan_id)
        if not _is_same(plan, admin, selection):
            msg = "Somebody else decided about this plan."
            raise ConflictError(msg, code="not_awaiting_approval") from exc
    wake_parts(plan)
    return _get(hub_id, plan_id)


def _is_same(plan: Plan, admin: Admin, selection: str) -> bool:
    """Tell whether this very approval was given before: by somebody whose answer was lost, and who asks again."""
    given = (plan.approved_by, plan.selection)
    return plan.state in {*RUNNING, PlanState.APPLIED} and given == (admin.subject, selection)


def _is_creator(plan: Plan, admin: Admin) -> bool:
    """Tell whether an admin is the one who made the plan: also in another session, or under another login of theirs."""
    if plan.created_by.casefold() == admin.subject.casefold():
        return True
    return bool(plan.email) and normalise_email(plan.email) == normalise_email(admin.email)


def _store(plan: Plan, only: Selection) -> str:
    """Keep what is approved of the plan, of any size, and return its name; empty for all of it."""
    if only == ALL:
        return ""
    if KINDS[plan.kind].is_whole:
        msg = "This plan can only be approved as a whole."
        raise ConflictError(msg, code="only_whole")
    unknown = unknown_ids(only.ids | only.not_ids, plan)
    if unknown:
        faults = [Fault("only", "unknown_change", f"This plan has no change {name}.") for name in sorted(unknown)]
        raise MalformedError(faults[:_SHOWN])
    body = json.dumps(only.to_json(), sort_keys=True, separators=(",", ":"))
    name = digest("selection", body)
    parts.write_once(parts.selection_key(plan.hub_id, plan.plan_id, name), body.encode())
    return name


def pause(hub_id: str, plan_id: str) -> Plan:
    """Let a running plan rest: parts that are being applied are brought to their end, no other is begun.

    Raises
    ------
    NotFoundError
        If the hub has no such plan.
    ConflictError
        ``not_running`` if it is not being applied.
    """
    return _turn(hub_id, plan_id, PlanState.PAUSED, {PlanState.APPLYING})


def resume(hub_id: str, plan_id: str) -> Plan:
    """Go on with a plan that was paused.

    Raises
    ------
    NotFoundError
        If the hub has no such plan.
    ConflictError
        ``not_running`` if it was not paused.
    """
    return _turn(hub_id, plan_id, PlanState.APPLYING, {PlanState.PAUSED})


def stop(hub_id: str, plan_id: str) -> Plan:
    """End a running plan: parts that are being applied are brought to their end, the others never happen.

    Raises
    ------
    NotFoundError
        If the hub has no such plan.
    ConflictError
        ``not_running`` if it is neither being applied nor paused; ``only_whole`` if it cannot be left half-way.
    """
    plan = _get(hub_id, plan_id)
    if plan.state in RUNNING and KINDS[plan.kind].is_whole:
        msg = "This plan cannot be left half-way. Let it end, then undo it."
        raise ConflictError(msg, code="only_whole")
    if plan.state is PlanState.STOPPED:
        return plan
    return _turn(hub_id, plan_id, PlanState.STOPPING, {PlanState.APPLYING, PlanState.PAUSED})


def _turn(hub_id: str, plan_id: str, state: PlanState, before: set[PlanState]) -> Plan:
    plan = _get(hub_id, plan_id)
    if plan.state in before:
        with suppress(dynamo.ConditionFailedError):  # what it is now tells
            dynamo.write([store.turn_action(plan, state, now())])
        plan = _get(hub_id, plan_id)
    if plan.state is not state:
        msg = f"This plan is {str(plan.state).replace('_', ' ')}."
        raise ConflictError(msg, code="not_running")
    if state is not PlanState.PAUSED:
        wake_parts(plan)
    return plan


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
        msg = "This plan is too old. Please make it again."
        raise ConflictError(msg, code="expired")
