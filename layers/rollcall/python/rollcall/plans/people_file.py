"""The people file: the full list of a source's people. Each row is one complete event, through the ordinary event path.

The id of an event follows from file and row, so that it is recorded once however often it is applied; its time is that
of the file, so that newer events win and older ones lose, whichever comes first. Whoever is not in the file is listed,
and nothing happens to them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, BinaryIO

from rollcall.files.rows import Limits, Row, read_rows
from rollcall.hubs import store as hubs
from rollcall.people import event_log
from rollcall.people import store as people
from rollcall.people.events import DirectoryEvent, Kind
from rollcall.people.merge import DirectoryStatus, merge
from rollcall.people.model import Address, EventState, PersonRecord, event_from_item, event_to_item
from rollcall.people.rows import (
    KNOWN,
    Columns,
    Texts,
    columns_of,
    external_id,
    not_as_said,
    read_row,
    values_of,
)
from rollcall.people.sync import apply_event
from rollcall.plans.member_edits import faulty
from rollcall.plans.model import Change, Edit, Plan, Result
from rollcall.plans.seen import Seen
from rollcall.privacy.emails import usable_email
from rollcall.runtime.errors import Fault, MalformedError, TransientError
from rollcall.runtime.ids import digest, event_id, event_name
from rollcall.runtime.times import from_text, now
from rollcall.segments.model import normalise

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rollcall.hubs.context import HubContext
    from rollcall.hubs.model import Source
    from rollcall.plans.seen import Start
    from rollcall.uploads.model import Upload

KIND = "person"
BATCH = 100
LIMITS = Limits(columns=1_000)
_LAST_ROW = 2**31
_GONE = {DirectoryStatus.DELETED, DirectoryStatus.ERASED}
_NO_SOURCE = "The source that this file was announced for is not there any more."
_ERASED = "Row {row} is about somebody who was deleted or erased; a file does not bring them back."
_MISSING = "Not in the file; nothing happens to them. If they have left, let the HR system say so."
_DENIED = "Such things are never stored, so this column was not read."
_TAKEN = "The e-mail belongs to somebody else of this source. Until that is settled they keep their former one."
_LEAVES = "They are a member and become inactive."
_NO_MAIL = "Without a usable e-mail they cannot be invited."
DONE = {"create": "created", "change": "changed", "unchanged": "unchanged"}


@dataclass(frozen=True, slots=True)
class _File:
    """What all rows of a file have in common; ``names`` is who is in it by name → row."""

    plan: Plan
    upload: Upload
    source: Source
    columns: Columns
    seen: Seen
    names: Seen


def plan_rows(ctx: HubContext, plan: Plan, upload: Upload, stream: BinaryIO, start: Start) -> Iterator[Change]:
    """Yield one change for every row of the file, then the columns that are never stored, then who is missing.

    Raises
    ------
    MalformedError
        If the file as a whole cannot be read, or its source is gone.
    """
    source = hubs.get_source(ctx.hub.hub_id, upload.source_id)
    if source is None:
        raise MalformedError([Fault("file", "unknown_source", _NO_SOURCE)])
    reader = read_rows(stream, LIMITS, known=KNOWN, required=("external_id",))
    columns = columns_of(reader.extra, source)
    if not isinstance(columns, Columns):
        raise MalformedError(columns)
    file = _File(plan, upload, source, columns, start.seen, Seen())
    rows = iter(reader)
    skipped = 0
    for row in islice(rows, start.skip):
        skipped += 1
        _remember_name(file, row)
    while batch := list(islice(rows, BATCH)):
        yield from _plan_batch(ctx, file, batch)
    rest = _rest(ctx, file)
    yield from islice(rest, start.skip - skipped, None)


def _remember_name(file: _File, row: Row) -> int:
    """Return the first row with this person's name."""
    name = normalise(f"{row.cells.get('first_name', '')} {row.cells.get('last_name', '')}")
    return file.names.first(row.number, [digest("name", name)]) if name else row.number


def _plan_batch(ctx: HubContext, file: _File, batch: Sequence[Row]) -> Iterator[Change]:
    hub_id, key = ctx.hub.hub_id, ctx.key
    ids = {row.number: key.person_id(file.source.source_id, name) for row in batch if (name := external_id(row.cells))}
    emails = {row.number: email for row in batch if (email := usable_email(row.cells.get("email", "")))}
    address_ids = {number: key.address_id(email) for number, email in emails.items()}
    persons = people.get_persons(hub_id, ids.values())
    addresses = people.get_addresses(hub_id, address_ids.values())
    for row in batch:
        _remember_name(file, row)
        address_id = address_ids.get(row.number, "")
        address = addresses.get(address_id, Address(address_id)) if address_id else None
        person_id = ids.get(row.number, "")
        yield _plan_row(file, row, person_id, persons.get(person_id), address)


def _plan_row(file: _File, row: Row, person_id: str, record: PersonRecord | None, address: Address | None) -> Change:
    base = Change(row=row.number, outcome="error", kind=KIND, subject=person_id, cells=file.columns.kept(row.cells))
    if row.faults:
        return faulty(base, row.faults)
    first = file.seen.first(row.number, [person_id]) if person_id else row.number
    if first != row.number:
        return faulty(base, [Fault("external_id", "duplicate_of_row", f"Row {first} is about the same person.")])
    if record is not None and record.person.status in _GONE:
        # The row names somebody whom nobody may see any more: its cells are not kept.
        detail = _ERASED.format(row=row.number)
        return replace(base, outcome="erased", reason="erased", detail=detail, cells=dict.fromkeys(base.cells, ""))
    before = record.person if record else None
    event = read_row(
        row.cells, file.columns, _bare_event(file, row.number, person_id), before, from_text(file.upload.created_at)
    )
    if not isinstance(event, DirectoryEvent):
        return faulty(base, event)
    after = merge(before, event)
    newer = not_as_said(after, event)
    edits = _edits(values_of(before), values_of(after))
    notes = [*_alike(file, row, event, record), *_address_notes(file, row, person_id, address)]
    if before and before.status is DirectoryStatus.ACTIVE and after.status is DirectoryStatus.INACTIVE and record:
        notes += [("becomes_inactive", _LEAVES)] if record.member_id else []
    if newer:
        notes.append(("newer_event", f"Newer than the file, so kept: {_names(newer)}."))
    return replace(
        base,
        outcome="create" if record is None else "change" if edits else "unchanged",
        reason=" ".join(dict.fromkeys(code for code, _ in notes)),
        detail=" ".join(text for _, text in notes),
        todo=True,
        edits=edits,
        data={"event": event_to_item(event), "newer": sorted(newer)},
    )


def _bare_event(file: _File, row: int, person_id: str) -> DirectoryEvent:
    source_id = file.source.source_id
    return DirectoryEvent(
        event_id=event_id(event_name(source_id, f"people-file:{file.plan.plan_id}:{row}"), person_id),
        source_id=source_id,
        external_id="",
        kind=Kind.UPDATED,
        occurred_at=file.upload.as_of or file.upload.created_at,
    )


def _edits(before: Mapping[str, Texts], after: Mapping[str, Texts]) -> tuple[Edit, ...]:
    names = dict.fromkeys((*after, *before))
    return tuple(
        Edit(_name(column), before.get(column, ()), after.get(column, ()), column)
        for column in names
        if set(before.get(column, ())) != set(after.get(column, ()))
    )


def _name(column: str) -> str:
    return column.removeprefix("attribute:")


def _names(columns: Mapping[str, Texts]) -> str:
    return ", ".join(_name(column) for column in sorted(columns))


def _alike(file: _File, row: Row, event: DirectoryEvent, record: PersonRecord | None) -> list[tuple[str, str]]:
    """Return a note where another row has nearly the same id: spreadsheets drop leading zeros and change case."""
    form = normalise(event.external_id).lstrip("0")
    first = file.seen.first(row.number, [digest("alike", form)])
    if first == row.number:
        return []
    is_new = " It would be a new person." if record is None else ""
    return [("looks_alike", f"The id is nearly that of row {first}.{is_new}")]


def _address_notes(file: _File, row: Row, person_id: str, address: Address | None) -> list[tuple[str, str]]:
    if address is None:
        return [("no_email", _NO_MAIL)]
    first = file.seen.first(row.number, [address.address_id])
    if first != row.number:
        return [("same_email", f"Row {first} has the same e-mail; only one of them can have it.")]
    holder = address.holders.get(file.source.source_id)
    if address.erased or (holder is not None and holder.person_id != person_id):
        return [("address_taken", _TAKEN)]
    return []


def _rest(ctx: HubContext, file: _File) -> Iterator[Change]:
    for header in file.columns.denied:
        yield Change(row=1, outcome="not_taken", reason="never_stored", detail=f"“{header}”: {_DENIED}", kind="column")
    for record in people.all_persons(ctx.hub.hub_id):
        person = record.person
        is_here = person.source_id != file.source.source_id or person.status in _GONE
        if is_here or file.seen.first(_LAST_ROW, [record.person_id]) != _LAST_ROW:
            continue
        name = normalise(f"{person.text('first_name')} {person.text('last_name')}")
        row = file.names.first(_LAST_ROW, [digest("name", name)]) if name else _LAST_ROW
        reason, detail = "missing", _MISSING
        if row != _LAST_ROW:
            reason, detail = "looks_alike", f"{_MISSING} Row {row} has the same name under another id."
        cells = {field: person.text(field) for field in ("email", "first_name", "last_name")}
        who = " ".join(text for text in (person.external_id, cells["first_name"], cells["last_name"]) if text)
        yield Change(
            row=0,
            outcome="missing",
            reason=reason,
            detail=f"{who}: {detail}",
            kind=KIND,
            subject=record.person_id,
            cells={"external_id": person.external_id, **cells},
        )


def apply_change(ctx: HubContext, plan: Plan, change: Change) -> Result:
    """Record the event of one row and apply it, as if the source had sent it; a second time it is the same event.

    Raises
    ------
    TransientError
        If AWS or other workers got in the way.
    """
    del plan
    hub_id = ctx.hub.hub_id
    event = event_from_item(dict(change.data["event"]))
    record = people.get_person(hub_id, change.subject)
    if record is not None and record.person.status in _GONE:
        return Result("erased", "erased", _ERASED.format(row=change.row))
    body_hash = digest("row", json.dumps(change.data["event"], sort_keys=True))
    event_log.record_event(hub_id, event, body_hash, now())
    apply_event(hub_id, event.event_id)
    logged = event_log.get_event(hub_id, event.event_id)
    if logged is None or logged.state is EventState.NEW:
        raise TransientError
    if logged.state is EventState.HELD:
        return Result("held", logged.reason, logged.detail)
    if logged.state is EventState.QUARANTINED:
        return Result("error", logged.reason, logged.detail)
    record = people.get_person(hub_id, change.subject)
    if record is None or record.person.status in _GONE:
        return Result("erased", "erased", _ERASED.format(row=change.row))
    newer = {
        name: texts for name, texts in not_as_said(record.person, event).items() if name not in change.data["newer"]
    }
    if newer:
        said = "; ".join(f"{_name(name)}: {', '.join(texts) or '-'}" for name, texts in sorted(newer.items()))
        return Result("conflict", "newer_event", f"A newer event says otherwise, so not overwritten: {said}.")
    return Result(DONE[change.outcome])
