"""Files that name somebody: rows of reports and exports go, changes of plans are emptied, uploads go whole.

A file is read as a stream and written anew only where it names them, on condition that nobody else has written it in
the meantime. Then every version that names them is deleted: in a versioned bucket, writing over a file keeps it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, BinaryIO

from botocore.exceptions import BotoCoreError, ClientError

from rollcall.exports import store as exports
from rollcall.exports.model import State as ExportState
from rollcall.files.cells import restore, to_csv_line
from rollcall.files.rows import read_records
from rollcall.files.storage import open_object, put_stream
from rollcall.hubs.model import Delivery
from rollcall.plans import store as plans
from rollcall.plans.model import PlanState
from rollcall.privacy import store
from rollcall.privacy.model import PASSES
from rollcall.privacy.naming import Namer, emptied
from rollcall.runtime import clients
from rollcall.runtime.errors import MalformedError, NotFoundError, TransientError
from rollcall.runtime.ids import digest
from rollcall.runtime.settings import env
from rollcall.uploads import store as uploads
from rollcall.uploads.model import UploadState, read_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rollcall.hubs.context import HubContext
    from rollcall.privacy.model import Erasure

_BOM = b"\xef\xbb\xbf"
_CHUNK = 65_536
_BEING_READ = frozenset({UploadState.WAITING, UploadState.PLANNING})


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a file."""

    version_id: str
    is_latest: bool
    etag: str


def versions_of(prefix: str, after: str = "") -> Iterator[tuple[str, list[Version]]]:
    """Yield the files below a prefix, in order, behind the key ``after``: each with all its versions, newest first.

    Raises
    ------
    TransientError
        If the bucket could not be reached.
    """
    for key, found in groupby(_listed(prefix, after), key=lambda entry: str(entry["Key"])):
        yield key, [Version(one["VersionId"], bool(one["IsLatest"]), one["ETag"]) for one in found]


def _listed(prefix: str, after: str) -> Iterator[dict[str, Any]]:
    request: Any = {"Bucket": env("FILES_BUCKET"), "Prefix": prefix}
    if after:
        request["KeyMarker"] = after
    while True:
        try:
            page = clients.s3().list_object_versions(**request)
        except (ClientError, BotoCoreError) as exc:
            raise TransientError from exc
        yield from (dict(one) for one in page.get("Versions", []))
        if not page.get("IsTruncated"):
            return
        request |= {"KeyMarker": page["NextKeyMarker"], "VersionIdMarker": page["NextVersionIdMarker"]}


def purge_file(ctx: HubContext, erasure: Erasure, namer: Namer, key: str, versions: list[Version]) -> None:
    """Take somebody out of a report, an export, or a part of a plan."""
    if key.endswith(".csv"):
        is_lines = False
    elif key.endswith(".jsonl"):
        is_lines = True
    else:
        return  # mapping tables name nobody
    found = {one.version_id: _named(namer, key, one, is_lines=is_lines) for one in versions}
    if not any(found.values()):
        return
    kind = key.partition("/")[0] if is_lines or key.startswith("exports/") else "reports"
    store.note_file(erasure, f"{kind}_{digest(key)[:16]}", max(found.values()), _beyond(ctx, key))
    for one in versions:
        if one.is_latest and found[one.version_id]:
            _rewrite(namer, key, one, is_lines=is_lines)
    for one in versions:
        if found[one.version_id]:
            _delete(key, one)


def purge_upload(erasure: Erasure, namer: Namer, key: str, versions: list[Version]) -> None:
    """Delete every version of an uploaded file that names somebody.

    One that is still being read is left to a later pass, which meets its plan as well; the last pass leaves nothing.
    """
    said = read_key(key)
    upload = uploads.get_upload(said.hub_id, said.upload_id) if said else None
    if upload is not None and upload.state in _BEING_READ and erasure.passes < len(PASSES) - 1:
        return
    found = [one for one in versions if _named(namer, key, one, is_lines=False)]
    if not found:
        return
    store.note_file(erasure, f"uploads_{digest(key)[:16]}", len(found), None)
    for one in found:
        _delete(key, one)


def _named(namer: Namer, key: str, version: Version, *, is_lines: bool) -> int:
    """Return how many rows or lines of a version name the subject; of a file that is no table, whether it does."""
    try:
        with open_object(env("FILES_BUCKET"), key, version.version_id) as stream:
            if is_lines:
                return sum(after != before for before, after in _lines(namer, stream))
            try:
                _, records = read_records(stream)
                return sum(namer.any_of(cells) for _, cells in records)
            except MalformedError:
                pass
        with open_object(env("FILES_BUCKET"), key, version.version_id) as stream:
            return int(_is_named_in_bytes(namer, stream))
    except NotFoundError:
        return 0  # it went in the meantime


def _is_named_in_bytes(namer: Namer, stream: BinaryIO) -> bool:
    """Tell whether what nobody can read as a table names the subject: by the addresses in it, whatever encoding."""
    tail = ""
    while chunk := stream.read(_CHUNK):
        text = tail + chunk.replace(b"\0", b"").decode("utf-8", "replace")
        if any("@" in word and namer.names(word) for word in text.split()):
            return True
        tail = text[-512:]
    return False


def _lines(namer: Namer, stream: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """Yield each line of a JSON Lines file as it is and as it stays."""
    for line in stream:
        item = json.loads(line)
        if isinstance(item, dict) and namer.anywhere(item):
            kept = json.dumps(emptied(item), sort_keys=True, separators=(",", ":")).encode() + b"\n"
            yield line, kept
        else:
            yield line, line


def _rewrite(namer: Namer, key: str, version: Version, *, is_lines: bool) -> None:
    bucket = env("FILES_BUCKET")
    content_type = "application/json" if is_lines else "text/csv; charset=utf-8"
    with open_object(bucket, key, version.version_id) as stream:
        chunks = (after for _, after in _lines(namer, stream)) if is_lines else _rows(namer, stream)
        put_stream(bucket, key, chunks, content_type=content_type, if_match=version.etag)


def _rows(namer: Namer, stream: BinaryIO) -> Iterator[bytes]:
    _, records = read_records(stream)
    yield _BOM
    for _, cells in records:
        if not namer.any_of(cells):
            yield to_csv_line([restore(cell) for cell in cells]).encode()


def _delete(key: str, version: Version) -> None:
    try:
        clients.s3().delete_object(Bucket=env("FILES_BUCKET"), Key=key, VersionId=version.version_id)
    except (ClientError, BotoCoreError) as exc:
        raise TransientError from exc


def _beyond(ctx: HubContext, key: str) -> dict[str, str] | None:
    """Return what an admin has in their mailbox of a file that named somebody."""
    hub_id = ctx.hub.hub_id
    kind, _, identifier, *_ = key.split("/")
    if kind == "exports":
        export = exports.get(hub_id, identifier)
        is_attached = export and export.state is ExportState.DONE and export.delivery is Delivery.ATTACHMENT
        if export and is_attached and export.email and key == export.file_key:
            return {"what": "attachment", "file": "export", "id": identifier, "at": export.done_at}
    elif key.endswith("/report.csv"):
        plan = plans.get_plan(hub_id, identifier)
        if plan and plan.state is PlanState.APPLIED and plan.email:
            return {"what": "attachment", "file": "report", "id": identifier, "at": plan.settled_at}
    return None
