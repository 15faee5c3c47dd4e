"""A row of the members file about a member: → edits, and edits applied.

A row that nobody edited changes nothing, whatever happened since the download. An edited cell whose value moved
meanwhile is a conflict and is shown with both values. An empty cell is no edit; ``(clear)`` empties.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from rollcall.files.cells import split_values
from rollcall.hubs.admins import admin_addresses
from rollcall.members import store as members
from rollcall.members.edits import (
    SEGMENT,
    ColumnEdit,
    Verdict,
    by_hand,
    current_values,
    edit_member,
    given_archived,
    in_archive,
    judge,
    newest_deactivation,
    was_deactivated_since,
    with_by_hand,
)
from rollcall.members.model import RECENT, Member, Status
from rollcall.members.model import Change as MemberChange
from rollcall.members.projection import KEPT, MANUAL, single_valued, view
from rollcall.members.recompute import follow
from rollcall.plans.consequences import of_edits
from rollcall.plans.model import Change, Edit, Plan, Result
from rollcall.runtime import dynamo
from rollcall.runtime.errors import Fault, TooLargeToStoreError, TransientError
from rollcall.runtime.times import now, to_text
from rollcall.runtime.tries import tries
from rollcall.segments.model import normalise
from rollcall.segments.nearest import NearIndex

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from rollcall.hubs.context import HubContext
    from rollcall.plans.seen import Seen
    from rollcall.segments.model import Catalogue

CLEAR = "(clear)"
_STATUSES = (str(Status.ACTIVE), str(Status.INACTIVE))
_EDITED_SINCE = "Changed in the hub since the plan was made, so not overwritten."
_BESIDE = "the directory owns this; what you write is kept by hand beside it, and stays when the directory moves."
_OWNED = "The directory says so: change it in the HR system or in the data mapping table."


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the file that can be edited: its header, its id, and its name for people."""

    header: str
    column: str
    name: str


@dataclass(frozen=True, slots=True)
class MemberRow:
    """A row of the file: its cells, and what tells whom it is about and what was downloaded."""

    number: int
    cells: Mapping[str, str]
    ref: str
    email: str
    version: str
    fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class Shared:
    """What the rows of a file share: its columns, who was seen in it, and the address ids of the hub's admins."""

    columns: Sequence[Column]
    seen: Seen
    admins: Collection[str]


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a row asks for: faults, edits, and edits of what moved since the download."""

    faults: list[Fault]
    edits: list[ColumnEdit]
    conflicts: list[ColumnEdit]


def plan_row(ctx: HubContext, row: MemberRow, shared: Shared, member: Member | None) -> Change:
    """Return what a row asks for of its member, ``None`` if there is none."""
    base = Change(row=row.number, outcome="unchanged", kind="member", cells=row.cells)
    fault = _unusable(row, member, shared.seen)
    if member is None or fault:
        return faulty(base, [fault] if fault else [])
    base = replace(base, subject=member.member_id)
    if view(member, ctx.hub, single_valued(ctx.catalogue)).status is Status.DELETED:
        # The row names somebody whom nobody may see any more: its cells are not kept.
        detail = "This member was deleted; a file does not bring them back."
        cells = dict.fromkeys(row.cells, "") | {"ref": member.member_id}
        return replace(base, outcome="deleted", reason="deleted", detail=detail, cells=cells)
    asked = _read_row(ctx, row, shared.columns, member)
    if asked.faults:
        return faulty(base, asked.faults)
    names = {column.column: column for column in shared.columns}
    in_words = tuple(in_labels(ctx, member, edit, names[edit.column].name) for edit in asked.conflicts or asked.edits)
    if asked.conflicts:
        data = _data(member, [*asked.edits, *asked.conflicts])
        said = ", ".join(edit.field for edit in in_words)
        detail = f"Changed in the hub since the download, so not overwritten: {said}. Download the file again."
        return replace(
            base, outcome="conflict", reason="changed_since_download", detail=detail, edits=in_words, data=data
        )
    if asked.edits:
        return planned(base, member, asked.edits, in_words, is_admin=member.address_id in shared.admins)
    return base


def _unusable(row: MemberRow, member: Member | None, seen: Seen) -> Fault | None:
    if row.fault:
        return row.fault
    if member is None:
        return Fault("ref" if row.ref else "email", "unknown_member", "There is no such member in this hub.")
    first = seen.first(row.number, (member.member_id,))
    if first != row.number:
        return Fault("ref", "duplicate_of_row", f"Row {first} is about the same member.")
    return None


def _read_row(ctx: HubContext, row: MemberRow, columns: Sequence[Column], member: Member) -> _Asked:
    """Read what a row asks for, and try it on the member as it is now."""
    asked = _Asked([], [], [])
    shown = current_values(member, [column.column for column in columns], ctx.hub, ctx.catalogue)
    for column in columns:
        text = row.cells.get(column.header, "").strip()
        given = read_cell(text, column, ctx.catalogue) if text else None
        if isinstance(given, Fault):
            asked.faults.append(given)
        elif given is not None:
            current = shown[column.column]
            seen = newest_deactivation(member) if column.column == "status" else None
            edit = ColumnEdit(column.column, current, given, seen)
            match judge(row.version, ctx.key, member.member_id, column.column, current=current, given=given):
                case Verdict.EDITED if edit.reactivates and was_deactivated_since(row.version, ctx.key, member):
                    asked.conflicts.append(edit)
                case Verdict.EDITED if archived := given_archived(edit, ctx.catalogue):
                    asked.faults.append(Fault(column.header, "archived", in_archive(archived[0])))
                case Verdict.EDITED:
                    asked.edits.append(edit)
                case Verdict.CONFLICT:
                    asked.conflicts.append(edit)
    edited, refused = edit_member(member, asked.edits, ctx.hub, ctx.catalogue, to_text(now()))
    try:
        members.put_member(ctx.hub.hub_id, edited, view(edited, ctx.hub, single_valued(ctx.catalogue)))
    except TooLargeToStoreError as exc:
        asked.faults.append(Fault("row", exc.code, exc.detail))
    headers = {column.column: column.header for column in columns}
    asked.faults.extend(_refusal(headers[column], asked.edits, column) for column in refused)
    return asked


def faulty(base: Change, faults: Sequence[Fault]) -> Change:
    """Return the change of a row that is left out for its faults."""
    detail = " ".join(f"{fault.place}: {fault.detail}" for fault in faults)
    return replace(base, outcome="error", reason=" ".join(dict.fromkeys(f.code for f in faults)), detail=detail)


def _refusal(header: str, edits: Sequence[ColumnEdit], column: str) -> Fault:
    if column == "roles" and any(edit.column == column and not edit.new for edit in edits):
        return Fault(header, "last_role", "Every member needs a role.")
    return Fault(header, "owned_by_directory", _OWNED)


def read_cell(text: str, column: Column, catalogue: Catalogue) -> tuple[str, ...] | Fault:
    """Return the value of a cell that is not empty: ids, or a text; or what is wrong with it."""
    if normalise(text) == CLEAR:
        return ()
    if column.column == "status":
        known = {status: status for status in _STATUSES}
        return _look_up([text], column, known, _Words("unknown_status", "status", _STATUSES))
    if column.column == "roles":
        words = _Words("unknown_role", "role", [role.label for role in catalogue.roles if not role.archived])
        return _look_up(split_values(text), column, catalogue.role_ids, words)
    if column.column.startswith(SEGMENT):
        return _read_options(text, column, catalogue)
    return (text,)


def _read_options(text: str, column: Column, catalogue: Catalogue) -> tuple[str, ...] | Fault:
    segment = next(s for s in catalogue.segments if s.segment_id == column.column.removeprefix(SEGMENT))
    options = segment.option_ids
    if whole := options.get(normalise(text)):
        return (whole,)  # an option may hold a semicolon
    words = _Words("unknown_option", "option", [option.label for option in segment.options if not option.archived])
    found = _look_up(split_values(text), column, options, words)
    if not isinstance(found, Fault) and len(found) > 1 and not segment.multi:
        return Fault(column.header, "too_many_values", "Only one option can be chosen here.")
    return found


@dataclass(frozen=True, slots=True)
class _Words:
    """How an unknown value is told: code, what it is, and what there is."""

    code: str
    what: str
    labels: Sequence[str]


def _look_up(values: Sequence[str], column: Column, known: Mapping[str, str], words: _Words) -> tuple[str, ...] | Fault:
    found: list[str] = []
    for value in values:
        identifier = known.get(normalise(value))
        if identifier is None:
            return _unknown(column, value, words)
        if identifier not in found:
            found.append(identifier)
    return tuple(sorted(found))


def _unknown(column: Column, text: str, words: _Words) -> Fault:
    near = NearIndex(words.labels).suggest(text)
    hint = f" Did you mean “{near.label}”?" if near else ""
    return Fault(column.header, words.code, f"There is no {words.what} “{text[:60]}”.{hint}")


def in_labels(ctx: HubContext, member: Member, edit: ColumnEdit, name: str) -> Edit:
    """Return an edit of a member as people read it, with where the old value comes from."""
    old, new = (labels_of(edit.column, value, ctx.catalogue) for value in (edit.old, edit.new))
    return Edit(name, old, new, edit.column, _sources(ctx, member, edit.column))


def _sources(ctx: HubContext, member: Member, column: str) -> tuple[str, ...]:
    """Return where what the member shows in a column comes from: ids of sources, ``manual``, ``kept``."""
    provenance = view(member, ctx.hub, single_valued(ctx.catalogue)).provenance
    what, _, name = column.partition(":")
    start = {"roles": "roles.", "segment": f"segments.{name}."}.get(what)
    found = [
        part
        for key, parts in provenance.items()
        for part in parts
        if (key.startswith(start) if start else key == f"profile.{name}" and what == "profile")
    ]
    return tuple(dict.fromkeys(found))


def labels_of(column: str, value: tuple[str, ...], catalogue: Catalogue) -> tuple[str, ...]:
    """Return a column's value as people read it."""
    labels: dict[str, str] = {}
    if column == "roles":
        labels = {role.role_id: role.label for role in catalogue.roles}
    elif column.startswith(SEGMENT):
        segments = [s for s in catalogue.segments if s.segment_id == column.removeprefix(SEGMENT)]
        labels = {option.option_id: option.label for segment in segments for option in segment.options}
    return tuple(labels.get(identifier, identifier) for identifier in value)


def apply_change(ctx: HubContext, plan: Plan, change: Change) -> Result:
    """Make the edits of one member, if the member still shows what the plan says; all of them or none.

    Raises
    ------
    TransientError
        If others wrote the member too often in these moments.
    """
    hub_id = ctx.hub.hub_id
    edits = [_from_json(edit) for edit in change.data["edits"]]
    mark = f"{plan.plan_id}:{change.id}"
    for _ in tries():
        member = members.get_member(hub_id, change.subject)
        if member is None or view(member, ctx.hub, single_valued(ctx.catalogue)).status is Status.DELETED:
            return Result("deleted", "deleted", "This member was deleted; a plan does not bring them back.")
        if mark in member.recent_changes:
            return Result("applied", data={"hand": _seen_again(ctx, plan, change, member, edits)})
        if moved := _moved(ctx, member, change, edits):
            return moved
        at = to_text(now())
        edited, refused = edit_member(member, edits, ctx.hub, ctx.catalogue, at)
        if refused:
            return Result("conflict", "owned_by_directory", _OWNED)
        stored = replace(
            edited,
            recent_changes=(*member.recent_changes, mark)[-RECENT:],
            change=MemberChange(f"plan:{plan.plan_id}", plan.approved_by, at),
        )
        try:
            dynamo.write([members.put_member(hub_id, stored, view(stored, ctx.hub, single_valued(ctx.catalogue)))])
        except dynamo.ConditionFailedError:
            continue
        except TooLargeToStoreError as exc:
            return Result("error", exc.code, exc.detail)
        follow(ctx, stored.member_id, stored.change)
        return Result("applied", data={"hand": _hand(change, stored)})
    raise TransientError


def _hand(change: Change, after: Member) -> dict[str, Any]:
    """Return column → what was decided by hand before the change, and after it: what undoing it needs."""
    return {column: [before, by_hand(after, column)] for column, before in change.data["hand"].items()}


def _seen_again(
    ctx: HubContext, plan: Plan, change: Change, member: Member, edits: Sequence[ColumnEdit]
) -> dict[str, Any]:
    """Return the same for a change that was made by a run that died, from the member as it is now.

    If others wrote the member since, it is computed once more from what was there before; where that is not what is
    there now, undoing leaves it alone.
    """
    if member.change.cause == f"plan:{plan.plan_id}":
        return _hand(change, member)
    before = member
    for column, value in change.data["hand"].items():
        before = with_by_hand(before, column, value)
    again, _ = edit_member(before, edits, ctx.hub, ctx.catalogue, member.suspended or to_text(now()))
    return _hand(change, again)


def _moved(ctx: HubContext, member: Member, change: Change, edits: Sequence[ColumnEdit]) -> Result | None:
    """Return what happened to the member since the plan was made that its edits must not undo; nothing if all is well.

    That is another value shown, or another decision of an admin behind the same value.
    """
    shown = current_values(member, [edit.column for edit in edits], ctx.hub, ctx.catalogue)
    is_decided = any(by_hand(member, column) != before for column, before in change.data["hand"].items())
    if is_decided and all(set(shown[edit.column]) == set(edit.new) for edit in edits):
        return Result("unchanged", "already_so", "Somebody else made it so in the meantime.")
    if is_decided or any(set(shown[edit.column]) not in (set(edit.old), set(edit.new)) for edit in edits):
        there = {column: labels_of(column, value, ctx.catalogue) for column, value in shown.items()}
        return Result("conflict", "changed_since_planned", _EDITED_SINCE, data={"now": there})
    newest = newest_deactivation(member)
    seen = [edit.seen for edit in edits if edit.reactivates]
    if newest and any(time is None or newest > time for time in seen):
        detail = "Deactivated again since the plan was made, so not reactivated."
        return Result("conflict", "changed_since_planned", detail)
    return None


def planned(
    base: Change, member: Member, edits: Sequence[ColumnEdit], in_words: tuple[Edit, ...], *, is_admin: bool
) -> Change:
    """Return the change that makes these edits, with the consequences they have."""
    warnings = of_edits(in_words, is_admin=is_admin)
    owned = [edit.field for edit in in_words if {*edit.old_from} - {MANUAL, KEPT}]
    detail = f"{', '.join(owned)}: {_BESIDE}" if owned else ""
    data = _data(member, edits)
    return replace(base, outcome="edit", todo=True, detail=detail, edits=in_words, data=data, warnings=warnings)


def replan(ctx: HubContext, source: Plan, found: Sequence[tuple[Change, Result | None]]) -> list[Change]:
    """Return what conflicts of a plan would do to the members as they are now."""
    del source
    stored = members.get_members(ctx.hub.hub_id, [change.subject for change, _ in found])
    admins = admin_addresses(ctx.hub.hub_id, ctx.key)
    return [_replan(ctx, change, stored.get(change.subject), admins) for change, _ in found]


def _replan(ctx: HubContext, change: Change, member: Member | None, admins: Collection[str]) -> Change:
    base = replace(change, outcome="unchanged", reason="", detail="", todo=False, edits=(), data={}, warnings=(), id="")
    if member is None or view(member, ctx.hub, single_valued(ctx.catalogue)).status is Status.DELETED:
        return replace(base, outcome="deleted", reason="deleted", detail="This member was deleted.", cells={})
    asked = [_from_json(edit) for edit in change.data["edits"]]
    shown = current_values(member, [edit.column for edit in asked], ctx.hub, ctx.catalogue)
    newest = newest_deactivation(member)
    edits = [
        replace(edit, old=shown[edit.column], seen=newest if edit.column == "status" else None)
        for edit in asked
        if set(shown[edit.column]) != set(edit.new)
    ]
    _, refused = edit_member(member, edits, ctx.hub, ctx.catalogue, to_text(now()))
    if refused:
        return replace(base, outcome="error", reason="owned_by_directory", detail=_OWNED)
    if not edits:
        return base
    names = {edit.column: edit.field for edit in change.edits}
    in_words = tuple(in_labels(ctx, member, edit, names.get(edit.column, edit.column)) for edit in edits)
    return planned(base, member, edits, in_words, is_admin=member.address_id in admins)


def _data(member: Member, edits: Sequence[ColumnEdit]) -> dict[str, Any]:
    """Return what applying needs: the edits, and what was decided by hand of their columns so far."""
    return {
        "edits": [_to_json(edit) for edit in edits],
        "hand": {edit.column: by_hand(member, edit.column) for edit in edits},
    }


def _to_json(edit: ColumnEdit) -> list[Any]:
    return [edit.column, list(edit.old), list(edit.new), edit.seen]


def _from_json(edit: list[Any]) -> ColumnEdit:
    column, old, new, seen = edit
    return ColumnEdit(column, tuple(old), tuple(new), seen)
