"""Apply an approved plan part by part, and write its report.

Every change is safe to apply again, its result is written before the part is marked, and only the transaction that
marks the part counts (reliability I31). All messages go out up front, none sends the next (I34).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rollcall.files.storage import put_stream
from rollcall.hubs import context
from rollcall.plans import catalogue_change, messages, parts, planning, report, store
from rollcall.plans.kinds import KINDS
from rollcall.plans.model import Plan, PlanState, Result, count_outcomes
from rollcall.plans.pointers import PLANNING, wake_parts
from rollcall.runtime.errors import NotFoundError, RefusedError
from rollcall.runtime.observability import log
from rollcall.runtime.settings import env
from rollcall.runtime.times import now

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rollcall.plans.model import Change

_MAX_FILES = 50


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
    if plan is None or plan.state is not PlanState.APPLYING or part > plan.parts:
        return
    if part == 0:
        _begin(plan)
    else:
        _apply_part(plan, part)
    plan = store.get_plan(hub_id, plan_id)
    if plan is not None and plan.is_through:
        _finish(plan)


def _begin(plan: Plan) -> None:
    kind = KINDS[plan.kind]
    ctx = context.load(plan.hub_id)
    if kind.begin is not None:
        try:
            kind.begin(ctx, plan)
        except RefusedError as exc:
            actions = [store.settle_action(plan, PlanState.FAILED, now(), detail=exc.detail)]
            mail = messages.report(ctx.hub, plan, PlanState.FAILED, {}, now(), problem=exc.detail)
            messages.write_with(actions, mail)
            log.warning("plan_failed", hub_id=plan.hub_id, plan_id=plan.plan_id, reason=exc.code)
            return
    done = store.parts_done(plan.hub_id, plan.plan_id)
    wake_parts(plan, [part for part in range(1, plan.parts + 1) if part not in done])


def _apply_part(plan: Plan, part: int) -> None:
    if store.is_part_done(plan.hub_id, plan.plan_id, part):
        return
    kind = KINDS[plan.kind]
    ctx = context.load(plan.hub_id)
    own = plan.parts - plan.tail
    if part > own:
        if kind.tail is not None:
            kind.tail(ctx, plan, part - own - 1)
        store.finish_part(plan, part, planned={}, came={}, rows=0, at=now())
        return
    changes = parts.read_part(plan.hub_id, plan.plan_id, part)
    results = {change.id: kind.apply_change(ctx, plan, change) for change in changes if change.todo}
    parts.write_results(plan.hub_id, plan.plan_id, part, results)
    planned = count_outcomes([change.outcome for change in changes])
    came = count_outcomes([_outcome(change, results) for change in changes])
    store.finish_part(plan, part, planned=planned, came=came, rows=len(changes), at=now())
    messages.wake(plan.hub_id, [result.mail_id for result in results.values() if result.mail_id])
    log.info("part_applied", hub_id=plan.hub_id, plan_id=plan.plan_id, part=part, rows=len(changes))


def _outcome(change: Change, results: Mapping[str, Result]) -> str:
    return results[change.id].outcome if change.id in results else change.outcome


def _finish(plan: Plan) -> None:
    """Write the report, then call the plan applied and tell its admin, in one transaction."""
    ctx = context.load(plan.hub_id)
    key = parts.report_key(plan.hub_id, plan.plan_id)
    put_stream(env("FILES_BUCKET"), key, report.lines(_all(plan)), content_type="text/csv; charset=utf-8")
    at = now()
    actions = [store.settle_action(plan, PlanState.APPLIED, at)]
    if messages.write_with(actions, messages.report(ctx.hub, plan, PlanState.APPLIED, plan.counts, at)):
        log.info("plan_applied", hub_id=plan.hub_id, plan_id=plan.plan_id, rows=plan.total)


def _all(plan: Plan) -> Iterator[Change]:
    for part in range(1, plan.parts - plan.tail + 1):
        yield from _with_results(plan, part)


def _with_results(plan: Plan, part: int) -> Iterator[Change]:
    results = parts.read_results(plan.hub_id, plan.plan_id, part)
    for change in parts.read_part(plan.hub_id, plan.plan_id, part):
        yield report.with_result(change, results.get(change.id))


def changes(
    hub_id: str, plan_id: str, *, limit: int, cursor: str = "", outcome: str = "", kind: str = ""
) -> tuple[list[Change], str | None]:
    """Return changes of a plan in order, with what became of those that are applied, and the cursor of the next page.

    Parameters
    ----------
    cursor
        Id of the last change of the page before.
    outcome, kind
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
            if len(found) == limit:
                return found, found[-1].id
            found.append(change)
        if part - first + 1 >= _MAX_FILES and part < last:
            return found, f"{part:05d}-9999"
    return found, None
