"""Write the file of an export and mail it: stream the rows to the bucket, then settle export and mail together.

The key in the bucket and the id of the mail follow from the export, and settling is conditional: run twice, or again
after a death anywhere, there is one file and one mail.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from rollcall.exports import invites, mapping, members, people, store
from rollcall.exports.model import CONTENT_TYPES, Export, Format, Kind, State
from rollcall.files.cells import csv_lines
from rollcall.files.rows import LIMITS
from rollcall.files.storage import put_stream
from rollcall.hubs import context
from rollcall.hubs.model import Delivery
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
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from rollcall.hubs.context import HubContext
    from rollcall.hubs.model import Hub

EMAILS = "EMAILS_QUEUE_URL"
T = TypeVar("T")


class _Counted(Generic[T]):
    """The rows of a file, counted as they go by."""

    def __init__(self, rows: Iterable[T]) -> None:
        self._rows = rows
        self.count = 0

    def __iter__(self) -> Iterator[T]:
        for row in self._rows:
            self.count += 1
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
    at = now()
    mail = [mails.put_action(_mail(ctx.hub, export, key, rows.count, at))] if export.email else []
    if store.finish(export, key, rows.count, to_text(at), mail):
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
        table = _Counted(mapping.rows_of_table(ctx, export.permissions))
        if export.file_format is Format.XLSX:
            return mapping.as_workbook(ctx, export.permissions, table), table
        return write_sheet(table), table
    header, found = _table(ctx, export)
    rows = _Counted(found)
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


def _mail(hub: Hub, export: Export, key: str, rows: int, at: datetime) -> Mail:
    content_type = CONTENT_TYPES[export.file_format].partition(";")[0]
    attachment = Attachment(key, export.file_name, content_type) if export.delivery is Delivery.ATTACHMENT else None
    # Also with an attachment: a file too large for a mail then comes as the link.
    link = f"{env('PUBLIC_BASE_URL').rstrip('/')}/hubs/{export.hub_id}/exports/{export.export_id}/file"
    return Mail(
        mail_id=mail_id(export),
        hub_id=export.hub_id,
        kind=MailKind.EXPORT,
        to=export.email,
        language=hub.locale,
        not_before=at,
        params={"file": export.file_name, "rows": rows, "purpose": str(export.kind), "link": link},
        attachment=attachment,
    )


def _send(export: Export) -> None:
    if export.email:
        queues.send(EMAILS, {"hub_id": export.hub_id, "mail_id": mail_id(export)})
