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
from rollcall.exports import store, values
from rollcall.exports.model import KEPT, Export, Format, Kind, Only, State, Wanted, read_only
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
from rollcall.runtime.times import from_text, now, to_text

if TYPE_CHECKING:
    from collections.abc import Collection

    from rollcall.hubs.model import Admin

router = make_router()


class NewExport(Given):
    """Which file is wanted, and how it is to come: by default as the hub has it.

    A members file may hold only those of a status, with a role, with options of segments (name → label). A people file
    is that of one source. An invite file may hold only people of one source (`source_id`), with one of these HRIS
    values (`attributes`, field → values), or those who were in no earlier invite file (`only_new`); or `everybody`,
    members too. The mapping table comes as a workbook unless `format` says `csv`; all else is CSV.
    """

    kind: Kind
    include_declined: bool = False
    delivery: Delivery | None = None
    status: Literal["active", "inactive"] | None = None
    role: Annotated[str, StringConstraints(max_length=200)] = ""
    segments: Annotated[dict[str, str], Field(max_length=100)] | None = None
    source_id: str = ""
    attributes: Annotated[dict[str, list[str]], Field(max_length=20)] | None = None
    only_new: bool = False
    everybody: bool = False
    format: Format | None = None


class ExportShown(Shown):
    """An export; its file can be downloaded once it is done, until `expires_at`. `rows` grows while it is written."""

    export_id: str
    kind: Kind
    state: State
    delivery: Delivery
    include_declined: bool
    rows: int
    file_name: str
    created_at: str
    done_at: str
    expires_at: str
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
        wanted=_wanted(body, permissions),
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
    export = _downloadable(hub_id, export_id, admin)
    answer = downloads.redirect(export.file_key, export.file_name)
    _record_download(export, admin.subject)
    log.info("export_downloaded", hub_id=hub_id, export_id=export_id)
    return answer


@router.get(
    "/hubs/<hub_id>/exports/<export_id>/values", summary="What the columns of an invite file may hold", tags=["Exports"]
)
@needs(Permission.INVITE, Permission.MAP)
def get_export_values(hub_id: str, export_id: str) -> Response[None]:
    """Redirect to a CSV file of the allowed values of every column, as far as who asked for the export may see them."""
    export = _downloadable(hub_id, export_id, auth.caller(router.current_event.raw_event))
    if not export.values_key:
        raise NotFoundError
    return downloads.redirect(export.values_key, values.FILE_NAME)


def _downloadable(hub_id: str, export_id: str, admin: Admin) -> Export:
    """Return an export whose files this admin may have now."""
    export = _existing(hub_id, export_id)
    permissions = admin.permissions(hub_id)
    if _needed(export.kind) not in permissions or not downloads.sees_as_much(permissions, export.permissions):
        detail = "This file holds more than you may see."
        raise ForbiddenError(detail)
    if export.state is not State.DONE:
        detail = "The file is not ready."
        raise RefusedError(detail, code="not_ready")
    if to_text(now()) >= _expires_at(export):
        detail = f"This file could be downloaded for {KEPT.days} days, and they are over. Please start a new export."
        raise RefusedError(detail, code="expired")
    return export


def _expires_at(export: Export) -> str:
    return to_text(from_text(export.done_at) + KEPT) if export.state is State.DONE else ""


def _wanted(body: NewExport, permissions: Collection[Permission]) -> Wanted:
    """Read whom an invite file is to hold, and refuse what does not go together."""
    wanted = Wanted(
        {name: tuple(texts) for name, texts in (body.attributes or {}).items()}, body.only_new, body.everybody
    )
    faults: list[Fault] = []
    if wanted != Wanted() and body.kind is not Kind.INVITES:
        faults.append(Fault("kind", "not_here", "Only an invite file can be of some people, or of everybody."))
    if wanted.attributes and Permission.VIEW_PRIVATE not in permissions:
        faults.append(Fault("attributes", "not_yours", "You may not see HRIS values, so you cannot choose by them."))
    if faults:
        raise MalformedError([replace(fault, place=f"body.{fault.place}") for fault in faults])
    return wanted


def _only(hub_id: str, body: NewExport, permissions: Collection[Permission]) -> Only:
    """Read which members are wanted, and refuse what the kind of file does not take."""
    is_filtered = bool(body.status or body.role or body.segments)
    faults: list[Fault] = []
    if is_filtered and body.kind is not Kind.MEMBERS:
        faults.append(Fault("kind", "not_here", "Only a members file can be of some members."))
    is_of_source = body.kind is Kind.PEOPLE or (body.kind is Kind.INVITES and body.source_id)
    if is_of_source and not (is_ulid(body.source_id) and hubs.get_source(hub_id, body.source_id)):
        faults.append(Fault("source_id", "unknown_source", "Name the source whose people you want."))
    if body.source_id and body.kind not in (Kind.PEOPLE, Kind.INVITES):
        faults.append(Fault("source_id", "not_here", "Only a people file or an invite file is that of a source."))
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
        expires_at=_expires_at(export),
        reason=export.reason,
    )
