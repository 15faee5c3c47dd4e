"""The kinds of plans: for each, how a file or what lies in the tables becomes changes, and how a change is applied.

A new kind is a word in ``PlanKind``, a file with these functions, and a line in ``KINDS``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from rollcall.plans import held_removals, invites, mapping_change, members_file
from rollcall.plans.model import PlanKind
from rollcall.uploads.model import UploadKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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
    is_whole: bool = False
    expires: bool = True


KINDS: dict[PlanKind, Kind] = {
    PlanKind.INVITES: Kind(invites.apply_change, plan_rows=invites.plan_rows),
    PlanKind.MEMBER_EDITS: Kind(members_file.apply_change, plan_rows=members_file.plan_rows),
    PlanKind.MAPPING_CHANGE: Kind(
        mapping_change.apply_change,
        plan_rows=mapping_change.plan_rows,
        begin=mapping_change.begin,
        tail=mapping_change.recompute_shard,
        tail_parts=mapping_change.TAIL_PARTS,
        is_whole=True,
    ),
    PlanKind.HELD_REMOVALS: Kind(held_removals.apply_change, plan_changes=held_removals.plan_changes, expires=False),
}

FROM_UPLOAD: dict[UploadKind, PlanKind] = {
    UploadKind.INVITES: PlanKind.INVITES,
    UploadKind.MEMBERS: PlanKind.MEMBER_EDITS,
    UploadKind.MAPPING: PlanKind.MAPPING_CHANGE,
}
