"""Plans that a sweeper looks at: stuck in their work, or never approved."""

from __future__ import annotations

from rollcall.plans import store
from rollcall.plans.approval import expire
from rollcall.plans.model import PlanState
from rollcall.plans.pointers import wake_parts, wake_planning
from rollcall.runtime.times import now


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
            if plan.state is PlanState.APPLYING:
                wake_parts(plan)
    return count
