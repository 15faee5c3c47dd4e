"""The first look at a held-removals plan: it grows no more, and is made in the background."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollcall.guard import store
from rollcall.plans import planning

if TYPE_CHECKING:
    from rollcall.plans.model import Plan


def show(plan: Plan) -> Plan:
    """Return the plan as it can be read from now on: removals that come later go into the next one.

    Plans that do not grow are returned as they are.

    Raises
    ------
    TransientError
        If AWS got in the way.
    """
    if not plan.is_growing:
        return plan
    return planning.freeze(plan, store.unpoint_action(plan.hub_id, plan.plan_id))
