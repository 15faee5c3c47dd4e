"""Plans that a sweeper looks at: stuck in their work, or never approved."""

from __future__ import annotations

from rollcall.hubs.store import get_hub
from rollcall.plans import messages, store
from rollcall.plans.model import Plan, PlanState
from rollcall.plans.pointers import wake_parts, wake_planning
from rollcall.runtime.times import now, to_text


def wake_due(at_most: int = 100) -> int:
    """Point again at plans whose work got stuck, and end those that waited too long.

    Returns
    -------
    int
        How many plans were looked at.
    """
    count = 0
    for partition in store.due_partitions():
        for hub_id, plan_id in store.due_plans(partition, now(), at_most):
            plan = store.get_plan(hub_id, plan_id)
            if plan is None or not plan.is_open:
                continue
            count += 1
            if plan.state is PlanState.AWAITING_APPROVAL:
                expire(plan)
                continue
            store.look_later(plan, now())
            if plan.state is PlanState.PLANNING:
                wake_planning(plan)
            if plan.state in (PlanState.APPLYING, PlanState.STOPPING):
                wake_parts(plan)
    return count


def expire(plan: Plan) -> bool:
    """End a plan that waited too long, or bring it to mind a day before. Returns whether this call ended it.

    Whoever made it is told of both, once.
    """
    at = now()
    if plan.state is not PlanState.AWAITING_APPROVAL or not plan.expires_at:
        return False
    hub = get_hub(plan.hub_id)
    if plan.expires_at > to_text(at):
        if plan.expires_at <= to_text(at + store.REMIND):
            messages.write_with([store.remind_action(plan)], messages.reminder(hub, plan, at))
        return False
    actions = [store.settle_action(plan, PlanState.EXPIRED, at, detail="Nobody approved it in time.")]
    return messages.write_with(actions, messages.report(hub, plan, PlanState.EXPIRED, plan.counts, at))
