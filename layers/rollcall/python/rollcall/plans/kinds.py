"""The kinds of plans: for each, how a file becomes changes, and how a change is applied."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from rollcall.plans import invites, mapping_change, members_file
from rollcall.plans.model import PlanKind
from rollcall.uploads.model import UploadKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rollcall.hubs.context import HubContext
    from rollcall.plans.model import Change, Plan, Result
    from rollcall.uploads.model import Upload


@dataclass(frozen=True, slots=True)
class Kind:
    """How plans of a kind are made and applied.

    Attributes
    ----------
    plan_rows
        Hub, plan, upload and the file → changes in order; no effect on people. Raises MalformedError if the file as a
        whole is of no use.
    apply_change
        Applies one change; safe to run again.
    begin
        What comes before the first part; safe to run again. Raises RefusedError if the plan cannot be applied any more.
    tail
        ``tail_parts`` parts without changes of their own, numbered from 0: what came in the meantime.
    """

    plan_rows: Callable[[HubContext, Plan, Upload, BinaryIO], Iterator[Change]]
    apply_change: Callable[[HubContext, Plan, Change], Result]
    begin: Callable[[HubContext, Plan], None] | None = None
    tail: Callable[[HubContext, Plan, int], None] | None = None
    tail_parts: int = 0


KINDS: dict[PlanKind, Kind] = {
    PlanKind.INVITES: Kind(invites.plan_rows, invites.apply_change),
    PlanKind.MEMBER_EDITS: Kind(members_file.plan_rows, members_file.apply_change),
    PlanKind.MAPPING_CHANGE: Kind(
        mapping_change.plan_rows,
        mapping_change.apply_change,
        begin=mapping_change.begin,
        tail=mapping_change.recompute_shard,
        tail_parts=mapping_change.TAIL_PARTS,
    ),
}

FROM_UPLOAD: dict[UploadKind, PlanKind] = {
    UploadKind.INVITES: PlanKind.INVITES,
    UploadKind.MEMBERS: PlanKind.MEMBER_EDITS,
    UploadKind.MAPPING: PlanKind.MAPPING_CHANGE,
}
