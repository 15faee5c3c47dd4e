"""Rows that an admin removed from an exported invite file are decisions: those people are not invited for now.

The file names its export in every row (column ``export``). Who was in that export and is not in the upload was left
out; that is shown in the plan, remembered when it is applied, and taken back when it is undone.
"""

from __future__ import annotations

from itertools import count, islice
from typing import TYPE_CHECKING

from rollcall.exports import store as exports
from rollcall.exports.invites import can_be_invited
from rollcall.exports.model import Kind, State
from rollcall.files.rows import read_rows
from rollcall.files.storage import open_object
from rollcall.invitations import left_out
from rollcall.invitations import store as invitations
from rollcall.invitations.left_out import LeftOut
from rollcall.invitations.rows import ref_of
from rollcall.people import store as people
from rollcall.plans.model import LEFT_OUT, Change, Result
from rollcall.runtime import dynamo
from rollcall.runtime.errors import NotFoundError
from rollcall.runtime.ids import is_ulid
from rollcall.runtime.settings import env
from rollcall.runtime.times import now, to_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rollcall.hubs.context import HubContext
    from rollcall.plans.model import Plan
    from rollcall.plans.seen import Seen

DECLINED = "declined_for_now"
NOBODY = "nobody_to_invite"
MAX_EXPORTS = 10
BATCH = 100
_WHY = "In the exported file, and not in this one."
_NOTHING = "Not in this file; there is nobody to be invited any more."
_LATER = Result("left", "decided_since", "Another file left them out since; that stays.")
_COLUMNS = ("email", "first_name", "last_name", "ref")


class Named:
    """The exports that the rows of a file come from, and who was in rows that count for nobody."""

    def __init__(self, seen: Seen) -> None:
        self.exports: dict[str, None] = {}
        self._seen = seen

    def note(self, export_id: str) -> None:
        """Remember an export; more than ten in one file are no longer looked at."""
        if is_ulid(export_id) and len(self.exports) < MAX_EXPORTS:
            self.exports[export_id] = None

    def keep(self, row: int, ref: str) -> None:
        """Remember somebody of a row with a fault, or of a repeated one: they are in the file all the same."""
        if ref:
            self._seen.first(row, (_other(ref),))

    def is_in_file(self, row: int, ref: str) -> bool:
        """Tell whether an earlier row is about a person."""
        return self._seen.first(row, (ref,)) != row or self._seen.first(row, (_other(ref),)) != row


def _other(ref: str) -> str:
    """Return another id of the same person, for those whose first one must not stand for a row."""
    return ref[16:] + ref[:16]


def changes(ctx: HubContext, named: Named, last_row: int) -> Iterator[Change]:
    """Yield one change for everybody who was in an export and is not in the file, in the order of the exports.

    The same ones come in every run; whether somebody could be invited at all is looked up as it is now. Of an export
    whose file is gone nothing is known.
    """
    rows = count(last_row + 1)
    for export_id in named.exports:
        missing = (cells for cells in _exported(ctx, export_id) if not named.is_in_file(next(rows), cells["ref"]))
        while batch := list(islice(missing, BATCH)):
            yield from _judged(ctx, export_id, batch)


def _exported(ctx: HubContext, export_id: str) -> Iterator[dict[str, str]]:
    export = exports.get(ctx.hub.hub_id, export_id)
    if export is None or export.kind is not Kind.INVITES or export.state is not State.DONE:
        return
    try:
        stream = open_object(env("FILES_BUCKET"), export.file_key)
    except NotFoundError:
        return
    with stream:
        for _, cells, _ in read_rows(stream):
            if ref := ref_of(cells):
                yield {**{name: cells.get(name, "") for name in _COLUMNS}, "ref": ref}


def _judged(ctx: HubContext, export_id: str, batch: Sequence[Mapping[str, str]]) -> Iterator[Change]:
    hub_id, at = ctx.hub.hub_id, to_text(now())
    records = people.get_persons(hub_id, [cells["ref"] for cells in batch])
    held = {record.address_id for record in records.values() if record.address_id}
    addresses, sent = people.get_addresses(hub_id, held), invitations.get_invitations(hub_id, held)
    for cells in batch:
        record = records.get(cells["ref"])
        address_id = (record.address_id if record else None) or ""
        todo = record is not None and can_be_invited(
            record, addresses.get(address_id), sent.get(address_id), ctx.hub.source_precedence, at
        )
        yield Change(
            row=0,
            outcome=DECLINED if todo else NOBODY,
            reason=DECLINED if todo else NOBODY,
            detail=_WHY if todo else _NOTHING,
            todo=todo,
            kind=LEFT_OUT,
            subject=cells["ref"],
            data={"export_id": export_id} if todo else {},
            cells=cells if todo else {},
        )


def apply_change(plan: Plan, change: Change) -> Result:
    """Remember that an admin left somebody out; a second time it is the same decision.

    Raises
    ------
    TransientError
        If AWS got in the way.
    """
    decision = LeftOut(change.subject, plan.created_at, plan.created_by, change.data["export_id"], plan.plan_id)
    dynamo.write([left_out.put_action(plan.hub_id, decision)])
    return Result(DECLINED)


def plan_undo(source: Plan, change: Change) -> Change:
    """Return what undoing the decision would do, or undoing that."""
    if "take_back" in change.data:
        data: Mapping[str, str] = {"export_id": change.data["export_id"]}
    else:
        data = {"take_back": source.plan_id, "export_id": change.data["export_id"]}
    return Change(row=0, outcome="reverse", kind=LEFT_OUT, subject=change.subject, todo=True, data=data)


def apply_undo(plan: Plan, change: Change) -> Result:
    """Take a decision back, if no later file decided anew; or decide again.

    Raises
    ------
    TransientError
        If AWS got in the way.
    """
    if "take_back" not in change.data:
        apply_change(plan, change)
        return Result("reversed")
    action = left_out.take_back_action(plan.hub_id, change.subject, change.data["take_back"])
    try:
        dynamo.write([action])
    except dynamo.ConditionFailedError:
        found = left_out.get_left_out(plan.hub_id, [change.subject])
        return _LATER if change.subject in found else Result("reversed")
    return Result("reversed")
