"""The kinds of plans: for each, how a file or what lies in the tables becomes changes, and how a change is applied.

A new kind is a word in ``PlanKind``, a file with these functions, and a line in ``KINDS``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from rollcall.plans import (
    followups,
    held_removals,
    held_undo,
    invite_undo,
    invites,
    mapping_change,
    member_edits,
    member_undo,
    members_file,
    people_file,
)
from rollcall.plans.followups import Undo
from rollcall.plans.model import PlanKind
from rollcall.runtime.errors import RefusedError
from rollcall.uploads.model import UploadKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rollcall.hubs.context import HubContext
    from rollcall.plans.model import Change, Plan, Result
    from rollcall.plans.seen import Start
    from rollcall.uploads.model import Upload


@dataclass(frozen=True, slots=True)
class Kind:
    """How plans of a kind are made and applied.

    Attributes
    ----------
    plan_rows
        Of plans with an upload: hub, plan, upload, the file and where to start → changes in order; no effect on
        people. Raises MalformedError if the file as a whole is of no use.
    plan_changes
        Of plans without an upload (``planning.begin``): hub, plan and where to start → changes in order.

        Both leave out the first ``start.skip`` changes, which an earlier run wrote: the same ones come in the same
        order in every run. They hold no more than a batch in memory.
    apply_change
        Applies one change; safe to run again.
    begin
        What comes before the first part; safe to run again. Raises RefusedError if the plan cannot be applied any more.
    tail
        ``tail_parts`` parts without changes of their own, numbered from 0: what came in the meantime.
    undo
        How what it did is undone, by a plan of kind ``undo``; none if that cannot be.
    undo_whole
        Where it is undone by another plan of its own kind: hub, that plan, the plan to be undone and where to start →
        changes in order. Raises RefusedError if that cannot be any more.
    replan
        Hub, plan and up to 200 of its conflicts, with their results → for each one change against what is there now.
    is_whole
        It is approved and applied as a whole: neither some of its changes, nor stopped half-way.
    expires
        A plan that nobody approves expires after a week.
    """

    apply_change: Callable[[HubContext, Plan, Change], Result]
    plan_rows: Callable[[HubContext, Plan, Upload, BinaryIO, Start], Iterator[Change]] | None = None
    plan_changes: Callable[[HubContext, Plan, Start], Iterator[Change]] | None = None
    begin: Callable[[HubContext, Plan], None] | None = None
    tail: Callable[[HubContext, Plan, int], None] | None = None
    tail_parts: int = 0
    undo: Undo | None = None
    undo_whole: Callable[[HubContext, Plan, Plan, Start], Iterator[Change]] | None = None
    replan: Callable[[HubContext, Plan, Sequence[tuple[Change, Result | None]]], list[Change]] | None = None
    is_whole: bool = False
    expires: bool = True


def _apply_undo(ctx: HubContext, plan: Plan, change: Change) -> Result:
    return undo_of(plan).apply(ctx, plan, change)


KINDS: dict[PlanKind, Kind] = {
    PlanKind.INVITES: Kind(
        invites.apply_change,
        plan_rows=invites.plan_rows,
        undo=Undo(frozenset({"invited", "declined_for_now"}), invite_undo.plan_undo, invite_undo.apply_undo),
    ),
    PlanKind.MEMBER_EDITS: Kind(
        members_file.apply_change,
        plan_rows=members_file.plan_rows,
        undo=Undo(frozenset({"applied", "created"}), member_undo.plan_undo, member_undo.apply_undo),
        replan=member_edits.replan,
    ),
    PlanKind.MAPPING_CHANGE: Kind(
        mapping_change.apply_change,
        plan_rows=mapping_change.plan_rows,
        plan_changes=mapping_change.plan_changes,
        begin=mapping_change.begin,
        tail=mapping_change.recompute_shard,
        tail_parts=mapping_change.TAIL_PARTS,
        undo_whole=mapping_change.plan_undo,
        is_whole=True,
    ),
    PlanKind.HELD_REMOVALS: Kind(
        held_removals.apply_change,
        plan_changes=held_removals.plan_changes,
        undo=Undo(frozenset({"applied"}), held_undo.plan_undo, held_undo.apply_undo, held_undo.passed_before),
        expires=False,
    ),
    PlanKind.UNDO: Kind(_apply_undo),
    PlanKind.PEOPLE: Kind(people_file.apply_change, plan_rows=people_file.plan_rows),
}

FROM_UPLOAD: dict[UploadKind, PlanKind] = {
    UploadKind.INVITES: PlanKind.INVITES,
    UploadKind.MEMBERS: PlanKind.MEMBER_EDITS,
    UploadKind.MAPPING: PlanKind.MAPPING_CHANGE,
    UploadKind.PEOPLE: PlanKind.PEOPLE,
}


def changes_of(ctx: HubContext, plan: Plan, start: Start) -> Iterator[Change]:
    """Return the changes of a plan that comes from no file: its own, or those that follow from another plan.

    Raises
    ------
    RefusedError
        If they cannot be made any more.
    """
    kind = KINDS[plan.kind]
    if followups.REPLANS in plan.params and kind.replan is not None:
        return followups.replan_changes(ctx, plan, start, kind.replan)
    if followups.UNDOES in plan.params:
        if kind.undo_whole is not None:
            return kind.undo_whole(ctx, plan, followups.source_of(plan, followups.UNDOES), start)
        return followups.undo_changes(ctx, plan, start, undo_of(plan))
    if kind.plan_changes is None:
        msg = f"a plan of kind {plan.kind} is made from a file"
        raise TypeError(msg)
    return kind.plan_changes(ctx, plan, start)


def undo_of(plan: Plan) -> Undo:
    """Return how a plan's changes are undone; of an undoing, how those of the kind that it undoes are."""
    undo = KINDS[base_of(plan)].undo
    if undo is None:
        msg = "This plan cannot be undone."
        raise RefusedError(msg, code="not_undoable")
    return undo


def base_of(plan: Plan) -> PlanKind:
    """Return the kind of a plan; of an undoing, the kind of what it undoes."""
    return PlanKind(plan.params["of"]) if plan.kind is PlanKind.UNDO else plan.kind
