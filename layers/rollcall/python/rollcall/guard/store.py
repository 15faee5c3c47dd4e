"""The guard's item of a hub (Hubs table), and how many members there are.

Removals that take place are counted in the very transaction that removes, on the condition that there is still room
(reliability §2.2), so that workers beside each other cannot pass the limit together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rollcall.guard.window import Counted, GuardState, hour_of, live, used
from rollcall.members import store as members
from rollcall.runtime import dynamo
from rollcall.runtime.times import to_text

if TYPE_CHECKING:
    from datetime import datetime

TABLE = "HUBS_TABLE"
SK = "GUARD"


def get_guard(hub_id: str) -> GuardState:
    """Return what the hub's guard remembers, read consistently."""
    item = dynamo.get(TABLE, hub_id, SK)
    if item is None:
        return GuardState()
    return GuardState(
        rev=item["rev"],
        hour=item["hour"],
        buckets=item["buckets"],
        removals=item["removals"],
        used=item["used"],
        plan_id=item["plan_id"],
        counted={source_id: Counted(*counted) for source_id, counted in item["counted"].items()},
    )


def count_action(
    hub_id: str, state: GuardState, source_id: str, at: datetime, *, hub_limit: int, source_limit: int
) -> dynamo.Action:
    """Return the write that counts one removal, on condition that neither limit is reached.

    Within the hour that the item stands at, workers beside each other add; the first of an hour or of a source moves
    the whole item on, if nobody else wrote it since it was read.
    """
    hour = hour_of(at)
    if state.hour == hour and source_id in state.used and source_id in state.buckets.get(hour, {}):
        return dynamo.update_action(
            TABLE,
            hub_id,
            SK,
            f"SET #buckets.#{hour}.#{source_id} = #buckets.#{hour}.#{source_id} + :one, "
            f"#used.#{source_id} = #used.#{source_id} + :one, #removals = #removals + :one, #rev = #rev + :one",
            condition=f"#hour = :hour AND #removals < :hub_limit AND #used.#{source_id} < :source_limit",
            values={"one": 1, "hour": hour, "hub_limit": hub_limit, "source_limit": source_limit},
        )
    buckets = live(state, at)
    bucket = buckets.setdefault(hour, {})
    bucket[source_id] = bucket.get(source_id, 0) + 1
    return _put(hub_id, state, hour=hour, buckets=buckets, plan_id=state.plan_id, at=at)


def point_action(hub_id: str, state: GuardState, plan_id: str, at: datetime) -> dynamo.Action:
    """Return the write that points the guard at a new plan that grows, on condition that it points at none."""
    if state.rev == 0:
        return _put(hub_id, state, hour=hour_of(at), buckets={}, plan_id=plan_id, at=at)
    return dynamo.update_action(
        TABLE,
        hub_id,
        SK,
        "SET #plan_id = :plan_id, #rev = #rev + :one",
        condition="#plan_id = :none",
        values={"plan_id": plan_id, "none": "", "one": 1},
    )


def unpoint_action(hub_id: str, plan_id: str) -> dynamo.Action:
    """Return the write that lets a plan grow no more, on condition that the guard still points at it."""
    return dynamo.update_action(
        TABLE,
        hub_id,
        SK,
        "SET #plan_id = :none, #rev = #rev + :one",
        condition="#plan_id = :plan_id",
        values={"plan_id": plan_id, "none": "", "one": 1},
    )


def _put(
    hub_id: str, state: GuardState, *, hour: str, buckets: dict[str, dict[str, int]], plan_id: str, at: datetime
) -> dynamo.Action:
    sums = used(GuardState(buckets=buckets), at)
    item: dict[str, Any] = {
        "pk": hub_id,
        "sk": SK,
        "rev": state.rev + 1,
        "hour": hour,
        "buckets": buckets,
        "removals": sum(sums.values()),
        "used": sums,
        "plan_id": plan_id,
        "counted": {source_id: [one.known, one.members, one.at] for source_id, one in state.counted.items()},
    }
    if state.rev == 0:
        return dynamo.put_action(TABLE, item, "attribute_not_exists(#pk)")
    return dynamo.put_action(TABLE, item, "#rev = :rev", {"rev": state.rev})


def count_members(hub_id: str, source_id: str, at: datetime) -> Counted:
    """Count the members of the hub that are not deleted, and those of them that the source knows.

    Reads the whole list, though no member: ask only when the fixed number of the limit is used up, and keep the answer.
    """
    known, total = members.count_known(hub_id, source_id)
    return Counted(known, total, to_text(at))


def keep_count(hub_id: str, source_id: str, counted: Counted) -> None:
    """Remember a count of members; where the guard has no item yet there is nothing to keep it in."""
    action = dynamo.update_action(
        TABLE,
        hub_id,
        SK,
        f"SET #counted.#{source_id} = :counted, #rev = #rev + :one",
        condition="attribute_exists(#pk)",
        values={"counted": [counted.known, counted.members, counted.at], "one": 1},
    )
    try:
        dynamo.write([action])
    except dynamo.ConditionFailedError:
        return
