"""Write the file of an export and mail it: stream the rows to the bucket, then settle export and mail together.

The key in the bucket and the id of the mail follow from the export, and only the run that began last may settle it: run
twice, or again after a death anywhere, there is one file and one mail.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from rollcall.exports import mapping, people, store, values
from rollcall.exports.model import CONTENT_TYPES, KEPT, UNFINISHED, Export, Format, Kind, State
from rollcall.exports.writing import GIVE_UP, clear_away, file_key, write_file
from rollcall.files.cells import csv_lines
from rollcall.files.storage import put_stream
from rollcall.hubs import context
from rollcall.hubs.model import Delivery
from rollcall.invitations.words import languages
from rollcall.mail import store as mails
from rollcall.mail.model import Attachment, Mail
from rollcall.mail.model import Kind as MailKind
from rollcall.mapping.sheet import write_sheet
from rollcall.runtime import queues
from rollcall.runtime.errors import NotFoundError
from rollcall.runtime.ids import digest
from rollcall.runtime.observability import log
from rollcall.runtime.settings import env
from rollcall.runtime.times import from_text, now, to_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from rollcall.hubs.context import HubContext
    from rollcall.hubs.model import Hub

EMAILS = "EMAILS_QUEUE_URL"
FAILURES = {
    "took_too_long": "Making it took more than half a day, so it was given up. Please ask for it again. If it happens "
    "once more, choose fewer people, or tell who operates Rollcall.",
    "too_many_columns": "The HR system says more different things of people than a file may have columns (1,000). Ask "
    "those who look after it to send fewer, then ask for the file again.",
}
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


def run_export(hub_id: str, export_id: str, run: int = 0) -> State | None:
    """Do what an export asks for, or as much of it as the time of a run allows; the next run is woken then.

    Parameters
    ----------
    run
        How many runs in a row woke each other before.

    Returns
    -------
    State or None
        Its state afterwards, or nothing if there is no such export.

    Raises
    ------
    TransientError
        If AWS could not be reached; running it again goes on.
    """
    export = store.get(hub_id, export_id)
    if export is not None and export.state in UNFINISHED:
        begun = store.start(export, now())
        if begun is not None:
            _run(begun, run)
        export = store.get(hub_id, export_id)
    if export is None:
        return None
    # Also what a run before had to do, which perhaps died.
    if export.state not in UNFINISHED and export.runs > 1:
        clear_away(export)
    if export.state is State.DONE or export.reason in FAILURES:
        _send(export)
    return export.state


def _run(export: Export, run: int) -> None:
    try:
        ctx = context.load(export.hub_id)
    except NotFoundError:
        _fail(None, export, "hub_gone")
        return
    if from_text(export.begun_at) < now() - GIVE_UP:
        _fail(ctx.hub, export, "took_too_long")
        return
    try:
        rows = _write_table(ctx, export) if export.kind is Kind.MAPPING else write_file(ctx, export, run)
    except people.TooManyColumnsError:
        _fail(ctx.hub, export, "too_many_columns")
        return
    except NotFoundError:
        _fail(ctx.hub, export, "took_too_long")  # the bucket's life-cycle rule took what was there
        return
    except store.OvertakenError:
        log.info("export_overtaken", hub_id=export.hub_id, export_id=export.export_id)
        return
    if rows is None:
        log.info("export_goes_on", hub_id=export.hub_id, export_id=export.export_id, run=run)
        return
    values_key = _write_values(ctx, export) if export.kind is Kind.INVITES else ""
    at, key = now(), file_key(export)
    mail = [mails.put_action(_mail(ctx.hub, export, key, rows, at))] if export.email else []
    if store.finish(export, key, rows, to_text(at), mail, values_key=values_key):
        log.info(
            "export_done", hub_id=export.hub_id, export_id=export.export_id, kind=str(export.kind), rows=rows, run=run
        )


def _fail(hub: Hub | None, export: Export, reason: str) -> None:
    """Settle an export as failed, and tell who asked for it; of a hub that is gone there is nobody to tell."""
    at = now()
    mail = [mails.put_action(_bad_news(hub, export, reason, at))] if hub and export.email else []
    if store.fail(export, reason, to_text(at), mail):
        log.warning("export_failed", hub_id=export.hub_id, export_id=export.export_id, reason=reason)


def mail_id(export: Export) -> str:
    """Return the id of the mail that brings the file, or says that there is none."""
    return digest("export", export.export_id)


def _write_table(ctx: HubContext, export: Export) -> int:
    """Write the data mapping table, which takes one run; return how many rows it has."""
    table = _Counted(mapping.rows_of_table(ctx, export.permissions))
    is_workbook = export.file_format is Format.XLSX
    chunks = mapping.as_workbook(ctx, export.permissions, table) if is_workbook else write_sheet(table)
    put_stream(env("FILES_BUCKET"), file_key(export), chunks, content_type=CONTENT_TYPES[export.file_format])
    return table.count


def _write_values(ctx: HubContext, export: Export) -> str:
    """Write the file of allowed values; return where it lies."""
    key = file_key(export, values.FILE_NAME)
    rows = values.value_rows(ctx.catalogue, export.permissions, languages())
    put_stream(env("FILES_BUCKET"), key, csv_lines(values.COLUMNS, rows), content_type=CONTENT_TYPES[Format.CSV])
    return key


def _mail(hub: Hub, export: Export, key: str, rows: int, at: datetime) -> Mail:
    content_type = CONTENT_TYPES[export.file_format].partition(";")[0]
    attachment = Attachment(key, export.file_name, content_type) if export.delivery is Delivery.ATTACHMENT else None
    # Also with an attachment: a file too large for a mail then comes as the link.
    page = f"{env('PUBLIC_BASE_URL').rstrip('/')}/hubs/{export.hub_id}/exports/{export.export_id}"
    allowed = {"values": f"{page}/values"} if export.kind is Kind.INVITES else {}
    params = {
        "file": export.file_name,
        "rows": rows,
        "purpose": str(export.kind),
        "days": KEPT.days,
        "link": f"{page}/file",
        **allowed,
    }
    return replace(_to_who_asked(hub, export, MailKind.EXPORT, params, at), attachment=attachment)


def _bad_news(hub: Hub, export: Export, reason: str, at: datetime) -> Mail:
    params = {"title": f"your file “{export.file_name}” could not be made", "text": FAILURES[reason]}
    return _to_who_asked(hub, export, MailKind.NOTICE, params, at)


def _to_who_asked(hub: Hub, export: Export, kind: MailKind, params: dict[str, Any], at: datetime) -> Mail:
    return Mail(
        mail_id=mail_id(export),
        hub_id=export.hub_id,
        kind=kind,
        to=export.email,
        language=hub.locale,
        not_before=at,
        params=params,
    )


def _send(export: Export) -> None:
    if export.email:
        queues.send(EMAILS, {"hub_id": export.hub_id, "mail_id": mail_id(export)})
