"""Routes: exports, from asking for one to downloading its file."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal

from aws_lambda_powertools.event_handler import Response
from pydantic import Field, StringConstraints

from rollcall.api import auth, downloads
from rollcall.api.auth import needs
from rollcall.api.routing import make_router
from rollcall.api.shapes import JSON, Given, Shown
from rollcall.exports import store
from rollcall.exports.model import Export, Format, Kind, Only, State, read_only
from rollcall.hubs import context
from rollcall.hubs import store as hubs
from rollcall.hubs.model import Delivery, Permission
from rollcall.runtime import dynamo
from rollcall.runtime.errors import (
    Fault,
    ForbiddenError,
    MalformedError,
    NotFoundError,
    RefusedError,
    TransientError,
)
from rollcall.runtime.ids import is_ulid, new_id
from rollcall.runtime.observability import describe, log
from rollcall.runtime.times import now, to_text

if TYPE_CHECKING:
    from collections.abc import Collection

router = make_router()


class NewExport(Given):
    """Which file is wanted, and how it is to come: by default as the hub has it.

    A members file may hold only those of a status, with a role, with options of segments (name → label). A people file
    is that of one source. The mapping table comes as a workbook unless `format` says `csv`; all else is CSV.
    """

    kind: Kind
    include_declined: bool = False
    delivery: Delivery | None = None
    status: Literal["active", "inactive"] | None = None
    role: Annotated[str, StringConstraints(max_length=200)] = ""
    segments: Annotated[dict[str, str], Field(max_length=100)] | None = None
    source_id: str = ""
    format: Format | None = None


class ExportShown(Shown):
    """An export; its file can be downloaded once it is done."""

    export_id: str
    kind: Kind
    state: State
    delivery: Delivery
    include_declined: bool
    rows: int
    file_name: str
    created_at: str
    done_at: str
    reason: str


@router.post("/hubs/<hub_id>/exports", summary="Start an export", tags=["Exports"], status_code=202)
@needs(Permission.INVITE, Permission.MAP)
def create_export(hub_id: str, body: NewExport) -> Response[ExportShown]:
    """Start an export; the file is e-mailed to the admin who asks. It holds what that admin may see."""
    admin = auth.caller(router.current_event.raw_event)
    permissions = admin.permissions(hub_id)
    auth.demand(admin, hub_id, _needed(body.kind))
    export = Export(
        export_id=new_id(),
        hub_id=hub_id,
        kind=body.kind,
        requested_by=admin.subject,
        email=admin.email,
        permissions=permissions,
        delivery=body.delivery or hubs.get_hub(hub_id).template_delivery,
        include_declined=body.include_declined,
        only=_only(hub_id, body, permissions),
        source_id=body.source_id,
        file_format=body.format or (Format.XLSX if body.kind is Kind.MAPPING else Format.CSV),
        created_at=to_text(now()),
    )
    store.create(export)
    try:
        store.wake(hub_id, export.export_id)
    except TransientError as exc:
        log.warning("wake_failed", **describe(exc), hub_id=hub_id, export_id=export.export_id)
    headers: dict[str, str | list[str]] = {"Location": f"/hubs/{hub_id}/exports/{export.export_id}"}
    return Response(status_code=202, content_type=JSON, body=_show(export), headers=headers)


@router.get("/hubs/<hub_id>/exports/<export_id>", summary="One export", tags=["Exports"])
@needs(Permission.INVITE, Permission.MAP)
def get_export(hub_id: str, export_id: str) -> ExportShown:
    """Return how far an export is."""
    return _show(_existing(hub_id, export_id))


@router.get("/hubs/<hub_id>/exports/<export_id>/file", summary="Download the file of an export", tags=["Exports"])
@needs(Permission.INVITE, Permission.MAP)
def get_export_file(hub_id: str, export_id: str) -> Response[None]:
    """Redirect to the file; only for those who may see as much as the one who asked for it. It is written down."""
    admin = auth.caller(router.current_event.raw_event)
    export = _existing(hub_id, export_id)
    permissions = admin.permissions(hub_id)
    if _needed(export.kind) not in permissions or not downloads.sees_as_much(permissions, export.permissions):
        detail = "This file holds more than you may see."
        raise ForbiddenError(detail)
    if export.state is not State.DONE:
        detail = "The file is not ready."
        raise RefusedError(detail, code="not_ready")
    answer = downloads.redirect(export.file_key, export.file_name)
    _record_download(export, admin.subject)
    log.info("export_downloaded", hub_id=hub_id, export_id=export_id)
    return answer


def _only(hub_id: str, body: NewExport, permissions: Collection[Permission]) -> Only:
    """Read which members are wanted, and refuse what the kind of file does not take."""
    is_filtered = bool(body.status or body.role or body.segments)
    faults: list[Fault] = []
    if is_filtered and body.kind is not Kind.MEMBERS:
        faults.append(Fault("kind", "not_here", "Only a members file can be of some members."))
    if body.kind is Kind.PEOPLE and not (is_ulid(body.source_id) and hubs.get_source(hub_id, body.source_id)):
        faults.append(Fault("source_id", "unknown_source", "Name the source whose people you want."))
    if body.source_id and body.kind is not Kind.PEOPLE:
        faults.append(Fault("source_id", "not_here", "Only a people file is that of a source."))
    if body.format is Format.XLSX and body.kind is not Kind.MAPPING:
        faults.append(Fault("format", "not_here", "Only the mapping table comes as a workbook; this file is CSV."))
    only = Only()
    if is_filtered and not faults:
        catalogue = context.load(hub_id).catalogue
        segments = (body.segments or {}).items()
        read = read_only(catalogue, permissions, status=body.status or "", role=body.role, segments=segments)
        only, faults = (read, []) if isinstance(read, Only) else (only, read)
    if faults:
        raise MalformedError([replace(fault, place=f"body.{fault.place}") for fault in faults])
    return only


def _needed(kind: Kind) -> Permission:
    return Permission.MAP if kind is Kind.MAPPING else Permission.INVITE


def _existing(hub_id: str, export_id: str) -> Export:
    export = store.get(hub_id, export_id) if is_ulid(export_id) else None
    if export is None:
        raise NotFoundError
    return export


def _record_download(export: Export, subject: str) -> None:
    """Write down who downloads the file, before they get its address."""
    at = to_text(now())
    item = {"pk": store.pk(export.hub_id, export.export_id), "sk": f"D#{at}#{new_id()}", "by": subject, "at": at}
    dynamo.write([dynamo.put_action(store.TABLE, item)])


def _show(export: Export) -> ExportShown:
    return ExportShown(
        export_id=export.export_id,
        kind=export.kind,
        state=export.state,
        delivery=export.delivery,
        include_declined=export.include_declined,
        rows=export.rows,
        file_name=export.file_name,
        created_at=export.created_at,
        done_at=export.done_at,
        reason=export.reason,
    )
