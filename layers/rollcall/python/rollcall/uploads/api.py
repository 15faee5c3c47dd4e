"""Routes: uploads, asked for before the file is put into the bucket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from aws_lambda_powertools.event_handler import Response
from pydantic import AwareDatetime, StringConstraints

from rollcall.api import auth
from rollcall.api.auth import needs
from rollcall.api.paging import from_cursor, to_cursor
from rollcall.api.problems import ProblemFault
from rollcall.api.routing import make_router
from rollcall.api.shapes import DEFAULT_LIMIT, JSON, Cursor, Given, Limit, Listed, Shown
from rollcall.hubs import store as hubs
from rollcall.hubs.model import Permission
from rollcall.runtime.errors import Fault, MalformedError, NotFoundError
from rollcall.runtime.ids import is_ulid
from rollcall.runtime.times import now, to_text
from rollcall.uploads import store
from rollcall.uploads.model import Upload, UploadKind, UploadState

if TYPE_CHECKING:
    from datetime import datetime

router = make_router()

_NEEDED = {UploadKind.MAPPING: Permission.MAP, UploadKind.PEOPLE: Permission.ADMIN}
_ONLY_PEOPLE = "Only a people file takes this."


class NewUpload(Given):
    """A file to be uploaded: what it is, and what it is called.

    Of a `trial` there will be a plan to look at, and it can never be applied.

    A people file also names the source whose people these are, and may say of what time the list is.
    """

    kind: UploadKind
    filename: Annotated[str, StringConstraints(min_length=1, max_length=1000)]
    trial: bool = False
    source_id: str = ""
    as_of: AwareDatetime | None = None


class UploadForm(Shown):
    """Where to put the file: a form to be posted to `url` with all `fields`, the file last, as `file`."""

    upload_id: str
    url: str
    fields: dict[str, str]
    key: str


class UploadShown(Shown):
    """An upload and what became of it; the plan it was turned into has its progress and report."""

    upload_id: str
    kind: UploadKind
    filename: str
    state: UploadState
    plan_id: str | None
    trial: bool
    source_id: str
    as_of: str
    detail: str
    faults: list[ProblemFault]
    created_at: str


@router.get("/hubs/<hub_id>/uploads", summary="Uploads of the hub", tags=["Uploads"])
@needs(Permission.INVITE, Permission.MAP)
def list_uploads(hub_id: str, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = "") -> Listed[UploadShown]:
    """Return the uploads, newest first."""
    found, following = store.list_uploads(hub_id, limit=limit, cursor=from_cursor(cursor))
    return Listed[UploadShown](items=[_show(upload) for upload in found], next_cursor=to_cursor(following))


@router.post("/hubs/<hub_id>/uploads", summary="Announce a file", tags=["Uploads"], status_code=202)
@needs(Permission.INVITE, Permission.MAP)
def create_upload(hub_id: str, body: NewUpload) -> Response[UploadForm]:
    """Announce a file and get the form to upload it with, good for an hour. Uploading it starts the work.

    A people file speaks for a source, so it takes those who may connect one.
    """
    admin = auth.caller(router.current_event.raw_event)
    auth.demand(admin, hub_id, _NEEDED.get(body.kind, Permission.INVITE))
    at = now()
    _check_source(hub_id, body, at)
    as_of = to_text(body.as_of) if body.as_of else ""
    upload = store.create_upload(
        hub_id,
        body.kind,
        body.filename,
        admin,
        at,
        is_trial=body.trial,
        source_id=body.source_id,
        as_of=as_of,
    )
    form = store.presign(upload)
    shown = UploadForm(upload_id=upload.upload_id, url=form["url"], fields=form["fields"], key=form["key"])
    headers: dict[str, str | list[str]] = {"Location": f"/hubs/{hub_id}/uploads/{upload.upload_id}"}
    return Response(status_code=202, content_type=JSON, body=shown, headers=headers)


@router.get("/hubs/<hub_id>/uploads/<upload_id>", summary="One upload", tags=["Uploads"])
@needs(Permission.INVITE, Permission.MAP)
def get_upload(hub_id: str, upload_id: str) -> UploadShown:
    """Return what became of an upload."""
    upload = store.get_upload(hub_id, upload_id) if is_ulid(upload_id) else None
    if upload is None:
        raise NotFoundError
    return _show(upload)


def _check_source(hub_id: str, body: NewUpload, at: datetime) -> None:
    """Refuse a people file without a source of the hub or of a time to come, and other files with either."""
    faults = []
    if body.kind is not UploadKind.PEOPLE:
        given = {"source_id": body.source_id, "as_of": body.as_of}
        faults += [Fault(f"body.{name}", "not_here", _ONLY_PEOPLE) for name, value in given.items() if value]
    elif not (is_ulid(body.source_id) and hubs.get_source(hub_id, body.source_id)):
        faults.append(Fault("body.source_id", "unknown_source", "Name the source whose people these are."))
    if body.as_of and body.as_of > at:
        faults.append(Fault("body.as_of", "future_time", "This is a time to come. Write when the list was made."))
    if faults:
        raise MalformedError(faults)


def _show(upload: Upload) -> UploadShown:
    return UploadShown(
        upload_id=upload.upload_id,
        kind=upload.kind,
        filename=upload.filename,
        state=upload.state,
        plan_id=upload.plan_id or None,
        trial=upload.is_trial,
        source_id=upload.source_id,
        as_of=upload.as_of,
        detail=upload.detail,
        faults=[ProblemFault(place=fault.place, code=fault.code, detail=fault.detail) for fault in upload.faults],
        created_at=upload.created_at,
    )
