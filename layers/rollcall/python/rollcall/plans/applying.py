"""Apply an approved plan part by part, and write its report.

Every change is safe to apply again, its result is written before the part is marked, and only the transaction that
marks the part counts (reliability I31). All messages go out up front, none sends the next (I34).
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from rollcall.files.storage import put_stream
from rollcall.hubs import context
from rollcall.plans import catalogue_change, messages, parts, planning, report, store
from rollcall.plans.kinds import KINDS
from rollcall.plans.model import RUNNING, Plan, PlanState, Result, count_outcomes
from rollcall.plans.pointers import PLANNING, wake_parts
from rollcall.plans.selection import Selection
from rollcall.runtime.errors import NotFoundError, RefusedError
from rollcall.runtime.observability import log
from rollcall.runtime.settings import env
from rollcall.runtime.times import now

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rollcall.plans.model import Change

_MAX_FILES = 50
_LEFT_OUT = Result("left_out", "left_out", "This was not approved.")
_NOT_APPLIED = Result("not_applied", "stopped", "The plan was stopped before it came to this.")


def handle_pointer(pointer: Mapping[str, Any]) -> None:
    """Do what a pointer ``{hub_id, plan_id, part}`` says: part 0 begins the plan, the others are applied.

    Part ``plan`` is the planning itself (``planning.handle_pointer``).

    Pointers at work that a change of roles or options left take the same queue (``catalogue_change``).

    Raises
    ------
    TransientError
        If AWS or other workers got in the way; the same pointer goes on where it stopped.
    """
    if "catalogue_version" in pointer:
        catalogue_change.handle_pointer(pointer)
        return
    if pointer["part"] == PLANNING:
        planning.handle_pointer(pointer)
        return
    hub_id, plan_id, part = str(pointer["hub_id"]), str(pointer["plan_id"]), int(pointer["part"])
    plan = store.get_plan(hub_id, plan_id)
    if plan is None or plan.state not in RUNNING or part > plan.parts:
        return
    if part:
        _apply_part(plan, part)
    elif plan.state is not PlanState.PAUSED:
        _begin(plan)
    plan = store.get_plan(hub_id, plan_id)
    if plan is not None and plan.is_through:
        _finish(plan)


def _begin(plan: Plan) -> None:
    kind = KINDS[plan.kind]
    ctx = context.load(plan.hub_id)
    if kind.begin is not None and plan.state is PlanState.APPLYING:
        try:
            kind.begin(ctx, plan)
        except RefusedError as exc:
            actions = [store.settle_action(plan, PlanState.FAILED, now(), detail=exc.detail)]
            mails = messages.report(ctx.hub, plan, PlanState.FAILED, {}, now(), problem=exc.detail)
            messages.write_with(actions, mails)
            log.warning("plan_failed", hub_id=plan.hub_id, plan_id=plan.plan_id, reason=exc.code)
            return
    done = store.parts_done(plan.hub_id, plan.plan_id)
    wake_parts(plan, [part for part in range(1, plan.parts + 1) if part not in done])


def _apply_part(plan: Plan, part: int) -> None:
    if store.is_part_done(plan.hub_id, plan.plan_id, part):
        return
    is_begun = store.begin_part(plan, part, now())
    if not is_begun and plan.state is not PlanState.STOPPING:
        return  # it was paused, or stopped in this moment: then every part is pointed at once more
    kind = KINDS[plan.kind]
    ctx = context.load(plan.hub_id)
    own = plan.parts - plan.tail
    if part > own:
        if kind.tail is not None:
            kind.tail(ctx, plan, part - own - 1)
        store.finish_part(plan, part, planned={}, came={}, rows=0, at=now())
        return
    changes = parts.read_part(plan.hub_id, plan.plan_id, part)
    selection = _selection(plan.hub_id, plan.plan_id, plan.selection) if plan.selection else None
    results: dict[str, Result] = {}
    for change in changes:
        if not change.todo:
            continue
        if selection is not None and not selection.takes(change):
            results[change.id] = _LEFT_OUT
        else:
            results[change.id] = kind.apply_change(ctx, plan, change) if is_begun else _NOT_APPLIED
    parts.write_results(plan.hub_id, plan.plan_id, part, results)
    planned = count_outcomes([change.outcome for change in changes])
    came = count_outcomes([_outcome(change, results) for change in changes])
    store.finish_part(plan, part, planned=planned, came=came, rows=len(changes), at=now())
    messages.wake(plan.hub_id, [result.mail_id for result in results.values() if result.mail_id])
    log.info("part_applied", hub_id=plan.hub_id, plan_id=plan.plan_id, part=part, rows=len(changes))


@lru_cache(maxsize=1)
def _selection(hub_id: str, plan_id: str, name: str) -> Selection:
    # What lies under a name never changes, and the name holds the hub: safe to keep in a warm function.
    return Selection.from_json(json.loads(parts.read(parts.selection_key(hub_id, plan_id, name))))


def _outcome(change: Change, results: Mapping[str, Result]) -> str:
    return results[change.id].outcome if change.id in results else change.outcome


def _finish(plan: Plan) -> None:
    """Write the report, then call the plan applied (or stopped) and tell its admin, in one transaction."""
    ctx = context.load(plan.hub_id)
    key = parts.report_key(plan.hub_id, plan.plan_id)
    told = report.lines(_warned_first(plan), plan.columns)
    put_stream(env("FILES_BUCKET"), key, told, content_type="text/csv; charset=utf-8")
    at = now()
    state = PlanState.STOPPED if plan.state is PlanState.STOPPING else PlanState.APPLIED
    actions = [store.settle_action(plan, state, at)]
    if messages.write_with(actions, messages.report(ctx.hub, plan, state, plan.counts, at, warnings=plan.warnings)):
        log.info("plan_applied", hub_id=plan.hub_id, plan_id=plan.plan_id, state=str(state), rows=plan.total)


def _warned_first(plan: Plan) -> Iterator[Change]:
    """Yield the changes of which an admin should know before anything else, then the others."""
    if plan.warnings:
        yield from (change for change in _all(plan) if change.warnings)
    yield from (change for change in _all(plan) if not change.warnings)


def _all(plan: Plan) -> Iterator[Change]:
    for part in range(1, plan.parts - plan.tail + 1):
        yield from _with_results(plan, part)


def _with_results(plan: Plan, part: int) -> Iterator[Change]:
    results = parts.read_results(plan.hub_id, plan.plan_id, part)
    for change in parts.read_part(plan.hub_id, plan.plan_id, part):
        yield report.with_result(change, results.get(change.id))


def changes(
    hub_id: str, plan_id: str, *, limit: int, cursor: str = "", outcome: str = "", kind: str = "", warning: str = ""
) -> tuple[list[Change], str | None]:
    """Return changes of a plan in order, with what became of those that are applied, and the cursor of the next page.

    Parameters
    ----------
    cursor
        Id of the last change of the page before.
    outcome, kind, warning
        Only those; empty for all. A page may then hold fewer changes than ``limit`` and yet not be the last.

    Raises
    ------
    NotFoundError
        If the hub has no such plan.
    """
    plan = store.get_plan(hub_id, plan_id)
    if plan is None:
        raise NotFoundError
    done = store.parts_done(hub_id, plan_id) if plan.parts_done else set()
    first = int(cursor.partition("-")[0]) if cursor else 1
    last = plan.parts - plan.tail
    found: list[Change] = []
    for part in range(first, last + 1):
        results = parts.read_results(hub_id, plan_id, part) if part in done else {}
        for planned in parts.read_part(hub_id, plan_id, part):
            change = report.with_result(planned, results.get(planned.id))
            if change.id <= cursor or (outcome and change.outcome != outcome) or (kind and change.kind != kind):
                continue
            if warning and warning not in change.warnings:
                continue
            if len(found) == limit:
                return found, found[-1].id
            found.append(change)
        if part - first + 1 >= _MAX_FILES and part < last:
            return found, f"{part:05d}-9999"
    return found, None
