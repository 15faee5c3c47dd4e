"""Plans that follow from a plan: its undoing, and its conflicts planned once more. Made from what its parts hold."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import TYPE_CHECKING

from rollcall.plans import parts, store
from rollcall.plans.model import DONE, PART_SIZE, PlanKind
from rollcall.runtime.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rollcall.hubs.context import HubContext
    from rollcall.plans.model import Change, Plan, Result
    from rollcall.plans.seen import Start

UNDOES, REPLANS = "undoes", "replans"


@dataclass(frozen=True, slots=True)
class Undo:
    """How what plans of a kind did is undone, change by change.

    Attributes
    ----------
    outcomes
        Outcomes of results that had an effect.
    plan
        Hub, the plan to be undone, and up to 200 changes of it that had an effect, with their results → for each one
        change: ``reverse`` (to be applied), ``left`` or ``impossible`` with the reason. Understands the changes that
        it made itself, too: that undoes an undoing.
    apply
        Applies one of these; safe to run again. Its result is ``reversed`` if it had an effect.
    besides
        Hub and the plan to be undone → what took place beside it and is undone with it, as if the plan had done it, in
        the same order every time. Such a plan can be undone as soon as it is made, also if it is rejected.
    """

    outcomes: frozenset[str]
    plan: Callable[[HubContext, Plan, Sequence[tuple[Change, Result]]], list[Change]]
    apply: Callable[[HubContext, Plan, Change], Result]
    besides: Callable[[HubContext, Plan], Iterator[tuple[Change, Result]]] | None = None


def source_of(plan: Plan, what: str) -> Plan:
    """Return the plan that this one undoes or replans.

    Raises
    ------
    NotFoundError
        If it is not there any more.
    """
    source = store.get_plan(plan.hub_id, plan.params[what])
    if source is None:
        raise NotFoundError
    return source


def undo_changes(ctx: HubContext, plan: Plan, start: Start, undo: Undo) -> Iterator[Change]:
    """Yield one change for each change of the plan to be undone that had an effect."""
    source = source_of(plan, UNDOES)
    outcomes = undo.outcomes | {"reversed"}
    skip = start.skip
    for made in chain(_parts_of(source) if source.state in DONE else (), _besides(ctx, source, undo)):
        found = [(change, result) for change, result in made if result is not None and result.outcome in outcomes]
        if skip < len(found):
            yield from undo.plan(ctx, source, found[skip:])
        skip = max(0, skip - len(found))


def _besides(ctx: HubContext, source: Plan, undo: Undo) -> Iterator[list[tuple[Change, Result | None]]]:
    if undo.besides is None or source.kind is PlanKind.UNDO:
        return
    found = undo.besides(ctx, source)
    while batch := list(islice(found, PART_SIZE)):
        yield [*batch]


def replan_changes(
    ctx: HubContext,
    plan: Plan,
    start: Start,
    replan: Callable[[HubContext, Plan, Sequence[tuple[Change, Result | None]]], list[Change]],
) -> Iterator[Change]:
    """Yield one change for each conflict of a plan, against what is there now."""
    source = source_of(plan, REPLANS)
    skip = start.skip
    for made in _parts_of(source):
        found = [
            (change, result) for change, result in made if (result.outcome if result else change.outcome) == "conflict"
        ]
        if skip < len(found):
            yield from (replace(change, id="") for change in replan(ctx, source, found[skip:]))
        skip = max(0, skip - len(found))


def _parts_of(source: Plan) -> Iterator[list[tuple[Change, Result | None]]]:
    for part in range(1, source.parts - source.tail + 1):
        results = parts.read_results(source.hub_id, source.plan_id, part)
        changes = parts.read_part(source.hub_id, source.plan_id, part)
        # Of somebody who was erased nothing is kept that could be undone or planned again.
        yield [(change, results.get(change.id)) for change in changes if not change.data.get("erased")]
