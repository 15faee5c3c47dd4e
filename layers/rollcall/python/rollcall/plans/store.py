"""Plans and their parts: items of the Plans table. A part has an item once it is begun, marked when it is applied."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from rollcall.plans.model import DUE_SHARDS, RUNNING, Plan, PlanState
from rollcall.runtime import dynamo
from rollcall.runtime.ids import shard_of
from rollcall.runtime.times import expiry, from_text, to_text
from rollcall.uploads.model import faults_to_items
from rollcall.uploads.store import newest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from rollcall.runtime.errors import Fault

TABLE = "PLANS_TABLE"
LIFE = timedelta(days=7)
# This long before the end of its life a plan is brought to mind once more.
REMIND = timedelta(days=1)
LOOK_AGAIN = timedelta(minutes=10)


def pk(hub_id: str, plan_id: str) -> str:
    """Return the key of a plan."""
    return f"{hub_id}#L#{plan_id}"


def get_plan(hub_id: str, plan_id: str) -> Plan | None:
    """Return a plan of the hub, read consistently, or nothing."""
    item = dynamo.get(TABLE, pk(hub_id, plan_id))
    return Plan.from_item(item) if item else None


def list_plans(hub_id: str, *, limit: int, cursor: str = "") -> tuple[list[Plan], str | None]:
    """Return the plans of the hub, newest first, and the cursor of the next page."""
    items, next_cursor = newest(f"{hub_id}#plan", limit=limit, cursor=cursor)
    return [Plan.from_item(item) for item in items], next_cursor


def create_action(plan: Plan) -> dynamo.Action:
    """Return the put of a new plan in state planning, on condition that it is not there yet.

    A sweeper looks after it, unless it is still growing.
    """
    item: dict[str, Any] = {
        "pk": pk(plan.hub_id, plan.plan_id),
        "sk": "-",
        "by_hub_pk": f"{plan.hub_id}#plan",
        "by_hub_sk": f"{plan.created_at}#{plan.plan_id}",
        **plan.to_item(),
        "expires": expiry(plan.created_at),
    }
    if not plan.is_growing:
        at = from_text(plan.created_at)
        item |= {"begun_at": plan.created_at, "due_pk": due_partition(plan.plan_id), "due_sk": to_text(at + LOOK_AGAIN)}
    return dynamo.put_action(TABLE, item, "attribute_not_exists(#pk)")


def create_plan(plan: Plan) -> Plan:
    """Store a plan in state planning unless it is there already, and return the one that is there.

    Raises
    ------
    TransientError
        If DynamoDB could not be reached.
    """
    try:
        dynamo.write([create_action(plan)])
    except dynamo.ConditionFailedError as exc:
        return Plan.from_item(exc.old[0])
    return plan


def grows_check(hub_id: str, plan_id: str) -> dynamo.Action:
    """Return a check that a plan still grows, for the transaction that adds to it."""
    return dynamo.check_action(TABLE, pk(hub_id, plan_id), "-", "#is_growing = :yes", {"yes": True})


def say_action(plan: Plan, name: str, value: Any) -> dynamo.Action:  # noqa: ANN401 - parameters are any JSON value
    """Return the write of one parameter of a plan that is being made."""
    return dynamo.update_action(
        TABLE,
        pk(plan.hub_id, plan.plan_id),
        "-",
        f"SET #params.#{name} = :value",
        condition="#state = :planning",
        values={"value": value, "planning": str(PlanState.PLANNING)},
    )


def freeze_action(plan: Plan, at: datetime) -> dynamo.Action:
    """Return the write that ends a plan's growing, on condition that it grows."""
    return dynamo.update_action(
        TABLE,
        pk(plan.hub_id, plan.plan_id),
        "-",
        "SET #is_growing = :no, #begun_at = :at, #due_pk = :due_pk, #due_sk = :look",
        condition="#state = :planning AND #is_growing = :yes",
        values={
            "planning": str(PlanState.PLANNING),
            "yes": True,
            "no": False,
            "at": to_text(at),
            "due_pk": due_partition(plan.plan_id),
            "look": to_text(at + LOOK_AGAIN),
        },
    )


def checkpoint_action(
    plan: Plan, *, chain: str, counts: Mapping[str, int], warnings: Mapping[str, int], parts: int, look_at: datetime
) -> dynamo.Action:
    """Return the write of how far planning got, on condition that no other run got as far."""
    return dynamo.update_action(
        TABLE,
        pk(plan.hub_id, plan.plan_id),
        "-",
        "SET #chain = :chain, #counts = :counts, #warnings = :warnings, #parts = :parts, #total = :total, "
        "#due_sk = :look",
        condition="#state = :planning AND #parts < :parts",
        values={
            "planning": str(PlanState.PLANNING),
            "chain": chain,
            "counts": dict(counts),
            "warnings": dict(warnings),
            "parts": parts,
            "total": sum(counts.values()),
            "look": to_text(look_at),
        },
    )


def planned_action(
    plan: Plan,
    state: PlanState,
    *,
    hash: str,  # noqa: A002 - the product's word
    counts: Mapping[str, int],
    warnings: Mapping[str, int],
    parts: int,
    tail: int,
    expires_at: str,
    at: datetime,
) -> dynamo.Action:
    """Return the write that ends planning, on condition that nobody ended it before.

    A plan that waits and does not expire (``expires_at`` is empty) is left alone by the sweeper.
    """
    update = (
        "SET #state = :state, #hash = :hash, #counts = :counts, #warnings = :warnings, #parts = :parts, #tail = :tail, "
        "#total = :total, #expires_at = :expires_at, #columns = :columns, #unread = :unread"
    )
    waits = state is PlanState.AWAITING_APPROVAL
    look = {} if waits and not expires_at else {"look": to_text(at + (LIFE - REMIND if waits else LOOK_AGAIN))}
    return dynamo.update_action(
        TABLE,
        pk(plan.hub_id, plan.plan_id),
        "-",
        f"{update}, #due_sk = :look REMOVE #chain" if look else f"{update} REMOVE #chain, #due_pk, #due_sk",
        condition="#state = :planning",
        values={
            "state": str(state),
            "planning": str(PlanState.PLANNING),
            "hash": hash,
            "counts": dict(counts),
            "warnings": dict(warnings),
            "parts": parts,
            "tail": tail,
            "total": sum(counts.values()),
            "expires_at": expires_at,
            "columns": list(plan.columns),
            "unread": list(plan.unread),
            **look,
        },
    )


def settle_action(
    plan: Plan,
    state: PlanState,
    at: datetime,
    *,
    detail: str = "",
    faults: Sequence[Fault] = (),
    by: str = "",
) -> dynamo.Action:
    """Return the write of a plan's end, on condition that it is still in the state that was read."""
    return dynamo.update_action(
        TABLE,
        pk(plan.hub_id, plan.plan_id),
        "-",
        "SET #state = :state, #settled_at = :at, #detail = :detail, #faults = :faults, #settled_by = :by "
        "REMOVE #due_pk, #due_sk",
        condition="#state = :seen",
        values={
            "state": str(state),
            "seen": str(plan.state),
            "at": to_text(at),
            "detail": detail,
            "faults": faults_to_items(tuple(faults)),
            "by": by,
        },
    )


def approve_action(
    plan: Plan,
    hash: str,  # noqa: A002 - as above
    approver: str,
    at: datetime,
    *,
    selection: str = "",
) -> dynamo.Action:
    """Return the write of an approval, on condition that it waits for one and that this is what it says."""
    return dynamo.update_action(
        TABLE,
        pk(plan.hub_id, plan.plan_id),
        "-",
        "SET #state = :applying, #approved_by = :approver, #approved_at = :at, #selection = :selection, "
        "#due_pk = :due_pk, #due_sk = :look",
        condition="#state = :awaiting AND #hash = :hash AND (#expires_at > :at OR #expires_at = :never)",
        values={
            "applying": str(PlanState.APPLYING),
            "awaiting": str(PlanState.AWAITING_APPROVAL),
            "hash": hash,
            "approver": approver,
            "at": to_text(at),
            "never": "",
            "selection": selection,
            "due_pk": due_partition(plan.plan_id),
            "look": to_text(at + LOOK_AGAIN),
        },
    )


def turn_action(plan: Plan, state: PlanState, at: datetime) -> dynamo.Action:
    """Return the write that pauses, resumes or stops a running plan, on condition that it is as it was read."""
    look = (
        {} if state is PlanState.PAUSED else {"due_pk": due_partition(plan.plan_id), "look": to_text(at + LOOK_AGAIN)}
    )
    return dynamo.update_action(
        TABLE,
        pk(plan.hub_id, plan.plan_id),
        "-",
        f"SET #state = :state{', #due_pk = :due_pk, #due_sk = :look' if look else ' REMOVE #due_pk'}",
        condition="#state = :seen",
        values={"state": str(state), "seen": str(plan.state), **look},
    )


def follow_action(plan: Plan, by: str, plan_id: str) -> dynamo.Action:
    """Return the write that names the newest plan that follows; ``by`` is ``undone_by`` or ``replanned_by``."""
    values = {"new": plan_id, "seen": getattr(plan, by)}
    return dynamo.update_action(
        TABLE, pk(plan.hub_id, plan.plan_id), "-", f"SET #{by} = :new", condition=f"#{by} = :seen", values=values
    )


def begin_part(plan: Plan, part: int, at: datetime) -> bool:
    """Note that a part is begun, if the plan is being applied now.

    What was begun is brought to its end, also when the plan is paused or stopped meanwhile; what was not is left.

    Returns
    -------
    bool
        Whether the part is begun: by this call or before.
    """
    key = pk(plan.hub_id, plan.plan_id)
    item = {"pk": key, "sk": part_sk(part), "begun_at": to_text(at), "expires": expiry(to_text(at))}
    applying = {"applying": str(PlanState.APPLYING)}
    try:
        dynamo.write(
            [
                dynamo.put_action(TABLE, item, "attribute_not_exists(#pk)"),
                dynamo.check_action(TABLE, key, "-", "#state = :applying", applying),
            ]
        )
    except dynamo.ConditionFailedError as exc:
        return 0 in exc.failed
    return True


def is_part_done(hub_id: str, plan_id: str, part: int) -> bool:
    """Tell whether a part is applied."""
    item = dynamo.get(TABLE, pk(hub_id, plan_id), part_sk(part))
    return item is not None and "done_at" in item


def parts_done(hub_id: str, plan_id: str) -> set[int]:
    """Return the numbers of the parts that are applied."""
    items = dynamo.query_all(
        TABLE, pk(hub_id, plan_id), condition="begins_with(#sk, :prefix)", values={"prefix": "P#"}, consistent=True
    )
    return {int(item["sk"].removeprefix("P#")) for item in items if "done_at" in item}


def finish_part(
    plan: Plan, part: int, *, planned: Mapping[str, int], came: Mapping[str, int], rows: int, at: datetime
) -> bool:
    """Mark a part as applied and count it, in one transaction; nothing else counts (reliability I31).

    Parameters
    ----------
    planned, came
        Outcome → number of the changes of this part: before, and after applying.
    rows
        Changes in the part.

    Returns
    -------
    bool
        Whether it was this call that marked it.
    """
    moves = {
        outcome: came.get(outcome, 0) - planned.get(outcome, 0)
        for outcome in sorted({*planned, *came})
        if came.get(outcome, 0) != planned.get(outcome, 0)
    }
    update = "SET #parts_done = #parts_done + :one, #done = #done + :rows, #due_sk = :look"
    values: dict[str, Any] = {
        "one": 1,
        "rows": rows,
        "look": to_text(at + LOOK_AGAIN),
        **{str(state): str(state) for state in RUNNING},
    }
    running = ", ".join(f":{state}" for state in sorted(RUNNING))
    for outcome, move in moves.items():
        update += f", #counts.#{outcome} = if_not_exists(#counts.#{outcome}, :zero) + :move_{outcome}"
        values |= {"zero": 0, f"move_{outcome}": move}
    key = pk(plan.hub_id, plan.plan_id)
    item = {"pk": key, "sk": part_sk(part), "done_at": to_text(at), "rows": rows, "expires": expiry(to_text(at))}
    try:
        dynamo.write(
            [
                dynamo.put_action(TABLE, item, "attribute_not_exists(#done_at)"),
                dynamo.update_action(TABLE, key, "-", update, condition=f"#state IN ({running})", values=values),
            ]
        )
    except dynamo.ConditionFailedError:
        return False
    return True


def due_partition(plan_id: str) -> str:
    """Return the partition of the ``due`` index that an open plan lies in."""
    return f"plan#{shard_of(plan_id) % DUE_SHARDS}"


def due_partitions() -> list[str]:
    """Return all partitions of the ``due`` index that hold plans."""
    return [f"plan#{shard}" for shard in range(DUE_SHARDS)]


def due_plans(partition: str, at: datetime, limit: int = 100) -> list[tuple[str, str]]:
    """Return hub id and plan id of plans that a sweeper must look at: stuck in their work, or over."""
    page = dynamo.query(
        TABLE, partition, index="due", condition="#due_sk <= :now", values={"now": to_text(at)}, limit=limit
    )
    found = [item["pk"].split("#L#") for item in page.items]
    return [(hub_id, plan_id) for hub_id, plan_id in found]


def remind_action(plan: Plan) -> dynamo.Action:
    """Return the write that a plan was brought to mind: a sweeper looks again when its life is over."""
    return dynamo.update_action(
        TABLE,
        pk(plan.hub_id, plan.plan_id),
        "-",
        "SET #due_sk = :end",
        condition="#state = :awaiting AND #due_sk < :end",
        values={"awaiting": str(PlanState.AWAITING_APPROVAL), "end": plan.expires_at},
    )


def look_later(plan: Plan, at: datetime) -> None:
    """Move the time at which a sweeper looks again; the plan may have ended in the meantime."""
    action = dynamo.update_action(
        TABLE,
        pk(plan.hub_id, plan.plan_id),
        "-",
        "SET #due_sk = :look",
        condition="#state = :seen",
        values={"look": to_text(at + LOOK_AGAIN), "seen": str(plan.state)},
    )
    try:
        dynamo.write([action])
    except dynamo.ConditionFailedError:
        return


def part_sk(part: int) -> str:
    """Return the sort key of a part."""
    return f"P#{part:05d}"
