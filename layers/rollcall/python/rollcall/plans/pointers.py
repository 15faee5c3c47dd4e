"""What the plan-parts queue carries of a plan: ids, and what is to be done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollcall.runtime import queues

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rollcall.plans.model import Plan

QUEUE = "PLAN_PARTS_QUEUE_URL"
# In place of a part's number: make the plan.
PLANNING = "plan"


def wake_planning(plan: Plan, run: int = 0) -> None:
    """Let the plan be made, or go on to be made; ``run`` counts the runs in a row that woke each other.

    Raises
    ------
    TransientError
        If SQS did not take it.
    """
    queues.send(QUEUE, {"hub_id": plan.hub_id, "plan_id": plan.plan_id, "part": PLANNING, "run": run})


def wake_parts(plan: Plan, parts: Iterable[int] = (0,)) -> None:
    """Let parts of the plan be applied; part 0 begins it, or begins it again.

    Raises
    ------
    TransientError
        If SQS did not take all of them; others may have been sent, which is harmless.
    """
    queues.send_many(QUEUE, [{"hub_id": plan.hub_id, "plan_id": plan.plan_id, "part": part} for part in parts])
