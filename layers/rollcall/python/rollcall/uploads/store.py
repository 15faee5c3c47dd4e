"""Uploads: items of the Plans table, and the presigned POST that takes the file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from rollcall.runtime import clients, dynamo
from rollcall.runtime.errors import TransientError
from rollcall.runtime.ids import new_id
from rollcall.runtime.settings import env
from rollcall.runtime.times import expiry, to_text
from rollcall.uploads.model import (
    LINK_SECONDS,
    MAX_BYTES,
    Upload,
    UploadKind,
    UploadState,
    faults_to_items,
    make_key,
    safe_filename,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from rollcall.hubs.model import Admin
    from rollcall.runtime.errors import Fault

TABLE = "PLANS_TABLE"


def pk(hub_id: str, upload_id: str) -> str:
    """Return the key of an upload."""
    return f"{hub_id}#U#{upload_id}"


def create_upload(
    hub_id: str,
    kind: UploadKind,
    filename: str,
    admin: Admin,
    at: datetime,
    *,
    is_trial: bool = False,
    source_id: str = "",
    as_of: str = "",
) -> Upload:
    """Announce a file: store the upload that the admin stands behind.

    Parameters
    ----------
    is_trial
        Its plan is to be read only, and never applied.
    source_id, as_of
        Of a people file: whose people these are, and the time (RFC 3339, ours) of the list if not that of the upload.

    Raises
    ------
    TransientError
        If DynamoDB did not take it.
    """
    upload_id = new_id()
    name = safe_filename(filename)
    upload = Upload(
        upload_id=upload_id,
        hub_id=hub_id,
        kind=kind,
        filename=name,
        key=make_key(hub_id, kind, upload_id, name),
        created_by=admin.subject,
        email=admin.email,
        created_at=to_text(at),
        permissions=tuple(sorted(admin.permissions(hub_id))),
        is_trial=is_trial,
        source_id=source_id,
        as_of=as_of,
    )
    item = {
        "pk": pk(hub_id, upload_id),
        "sk": "-",
        "by_hub_pk": f"{hub_id}#upload",
        "by_hub_sk": f"{upload.created_at}#{upload_id}",
        **upload.to_item(),
        "expires": expiry(upload.created_at),
    }
    dynamo.write([dynamo.put_action(TABLE, item, "attribute_not_exists(#pk)")])
    return upload


def get_upload(hub_id: str, upload_id: str) -> Upload | None:
    """Return an upload of the hub, read consistently, or nothing."""
    item = dynamo.get(TABLE, pk(hub_id, upload_id))
    return Upload.from_item(item) if item else None


def list_uploads(hub_id: str, *, limit: int, cursor: str = "") -> tuple[list[Upload], str | None]:
    """Return the uploads of the hub, newest first, and the cursor of the next page."""
    items, next_cursor = newest(f"{hub_id}#upload", limit=limit, cursor=cursor)
    return [Upload.from_item(item) for item in items], next_cursor


def newest(partition: str, *, limit: int, cursor: str) -> tuple[list[dict[str, Any]], str | None]:
    """Return items of one partition of the index by hub, newest first, and the cursor of the next page."""
    condition, values = ("#by_hub_sk < :cursor", {"cursor": cursor}) if cursor else ("", {})
    page = dynamo.query(
        TABLE, partition, index="by_hub", condition=condition, values=values, forward=False, limit=limit
    )
    more = page.items and page.next_position is not None
    return page.items, str(page.items[-1]["by_hub_sk"]) if more else None


def presign(upload: Upload) -> dict[str, Any]:
    """Return ``{"url", "fields", "key"}`` of a presigned POST that takes this one file, up to 200 MB, for an hour.

    The file goes as the last form field, ``file``. The key is fixed: nothing else can be written with it.
    """
    try:
        post = clients.s3().generate_presigned_post(
            Bucket=env("FILES_BUCKET"),
            Key=upload.key,
            Conditions=[["content-length-range", 0, MAX_BYTES]],
            ExpiresIn=LINK_SECONDS,
        )
    except (ClientError, BotoCoreError) as exc:
        raise TransientError from exc
    return {"url": post["url"], "fields": post["fields"], "key": upload.key}


def set_state_action(
    hub_id: str,
    upload_id: str,
    state: UploadState,
    *,
    plan_id: str = "",
    detail: str = "",
    faults: Sequence[Fault] = (),
) -> dynamo.Action:
    """Return the write of what became of an upload."""
    return dynamo.update_action(
        TABLE,
        pk(hub_id, upload_id),
        "-",
        "SET #state = :state, #plan_id = :plan_id, #detail = :detail, #faults = :faults",
        condition="attribute_exists(#pk)",
        values={
            "state": str(state),
            "plan_id": plan_id,
            "detail": detail,
            "faults": faults_to_items(tuple(faults)),
        },
    )
