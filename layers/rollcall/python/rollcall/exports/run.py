"""Write the file of an export and mail it: stream the rows to the bucket, then settle export and mail together.

The key in the bucket and the id of the mail follow from the export, and settling is conditional: run twice, or again
after a death anywhere, there is one file and one mail.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from rollcall.exports import invites, mapping, members, people, store, values
from rollcall.exports.model import CONTENT_TYPES, KEPT, Export, Format, Kind, State
from rollcall.files.cells import csv_lines
from rollcall.files.rows import LIMITS
from rollcall.files.storage import put_stream
from rollcall.hubs import context
from rollcall.hubs.model import Delivery
from rollcall.invitations.words import languages
from rollcall.mail import store as mails
from rollcall.mail.model import Attachment, Mail
from rollcall.mail.model import Kind as MailKind
from rollcall.mapping.sheet import write_sheet
from rollcall.people.rows import header_of
from rollcall.runtime import queues
from rollcall.runtime.errors import NotFoundError
from rollcall.runtime.ids import digest
from rollcall.runtime.observability import log
from rollcall.runtime.settings import env
from rollcall.runtime.times import now, to_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime

    from rollcall.hubs.context import HubContext
    from rollcall.hubs.model import Hub

EMAILS = "EMAILS_QUEUE_URL"
TELL_SECONDS = 2.0
T = TypeVar("T")


class _Counted(Generic[T]):
    """The rows of a file, counted as they go by; now and then ``tell`` is told how many."""

    def __init__(self, rows: Iterable[T], tell: Callable[[int], None]) -> None:
        self._rows = rows
        self._tell = tell
        self.count = 0

    def __iter__(self) -> Iterator[T]:
        next_time = time.monotonic() + TELL_SECONDS
        for row in self._rows:
            self.count += 1
            if time.monotonic() > next_time:
                self._tell(self.count)
                next_time = time.monotonic() + TELL_SECONDS
            yield row


def run_export(hub_id: str, export_id: str) -> State | None:
    """Do what an export asks for. Returns its state afterwards, or nothing if there is no such export.

    Raises
    ------
    TransientError
        If AWS could not be reached; running it again goes on.
    """
    export = store.get(hub_id, export_id)
    if export is None:
        return None
    if export.state is State.DONE:
        _send(export)  # perhaps it died before
        return State.DONE
    if not store.start(export):
        return export.state
    try:
        ctx = context.load(hub_id)
    except NotFoundError:
        store.fail(export, "hub_gone", to_text(now()))
        return State.FAILED
    try:
        lines, rows = _file(ctx, export)
    except people.TooManyColumnsError:
        store.fail(export, "too_many_columns", to_text(now()))
        return State.FAILED
    key = file_key(export)
    put_stream(env("FILES_BUCKET"), key, lines, content_type=CONTENT_TYPES[export.file_format])
    values_key = _write_values(ctx, export) if export.kind is Kind.INVITES else ""
    at = now()
    mail = [mails.put_action(_mail(ctx.hub, export, key, rows.count, at))] if export.email else []
    if store.finish(export, key, rows.count, to_text(at), mail, values_key=values_key):
        log.info("export_done", hub_id=hub_id, export_id=export_id, kind=str(export.kind), rows=rows.count)
    _send(export)
    return State.DONE


def file_key(export: Export) -> str:
    """Return where the file of an export lies in the bucket."""
    return f"exports/{export.hub_id}/{export.export_id}/{export.file_name}"


def mail_id(export: Export) -> str:
    """Return the id of the mail that brings the file."""
    return digest("export", export.export_id)


def _file(ctx: HubContext, export: Export) -> tuple[Iterator[bytes], _Counted[Any]]:
    """Return the bytes of the file, and its rows, which are counted while the bytes are taken."""
    if export.kind is Kind.MAPPING:
        table = _Counted(mapping.rows_of_table(ctx, export.permissions), partial(store.note_progress, export))
        if export.file_format is Format.XLSX:
            return mapping.as_workbook(ctx, export.permissions, table), table
        return write_sheet(table), table
    header, found = _table(ctx, export)
    rows = _Counted(found, partial(store.note_progress, export))
    return csv_lines(header, rows), rows


def _table(ctx: HubContext, export: Export) -> tuple[Sequence[str], Iterable[Sequence[str]]]:
    """Return the header and the rows of a file of people."""
    match export.kind:
        case Kind.INVITES:
            segments = invites.segments_of(ctx, export.permissions)
            room = LIMITS.columns - len(invites.columns(segments, ()))
            attributes = invites.attribute_names(export.hub_id, export.permissions, max(room, 0))
            rows = invites.invite_rows(ctx, export, attributes, to_text(now()))
            return invites.columns(segments, attributes), rows
        case Kind.MEMBERS:
            segments = members.segments_of(ctx, export.permissions)
            profile = members.profile_names(ctx, export.permissions)
            return (
                members.columns(segments, profile),
                members.member_rows(ctx, export.permissions, profile, export.only),
            )
    names = people.attribute_names(export.hub_id, export.source_id, export.permissions)
    return header_of(names), people.person_rows(export.hub_id, export.source_id, names, export.permissions)


def _write_values(ctx: HubContext, export: Export) -> str:
    """Write the file of allowed values; return where it lies."""
    key = f"exports/{export.hub_id}/{export.export_id}/{values.FILE_NAME}"
    rows = values.value_rows(ctx.catalogue, export.permissions, languages())
    put_stream(env("FILES_BUCKET"), key, csv_lines(values.COLUMNS, rows), content_type=CONTENT_TYPES[Format.CSV])
    return key


def _mail(hub: Hub, export: Export, key: str, rows: int, at: datetime) -> Mail:
    content_type = CONTENT_TYPES[export.file_format].partition(";")[0]
    attachment = Attachment(key, export.file_name, content_type) if export.delivery is Delivery.ATTACHMENT else None
    # Also with an attachment: a file too large for a mail then comes as the link.
    page = f"{env('PUBLIC_BASE_URL').rstrip('/')}/hubs/{export.hub_id}/exports/{export.export_id}"
    allowed = {"values": f"{page}/values"} if export.kind is Kind.INVITES else {}
    return Mail(
        mail_id=mail_id(export),
        hub_id=export.hub_id,
        kind=MailKind.EXPORT,
        to=export.email,
        language=hub.locale,
        not_before=at,
        params={
            "file": export.file_name,
            "rows": rows,
            "purpose": str(export.kind),
            "days": KEPT.days,
            "link": f"{page}/file",
            **allowed,
        },
        attachment=attachment,
    )


def _send(export: Export) -> None:
    if export.email:
        queues.send(EMAILS, {"hub_id": export.hub_id, "mail_id": mail_id(export)})
