"""Files in the bucket, streamed: memory does not grow with their size."""

from __future__ import annotations

import hashlib
import io
import json
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, cast

from botocore.exceptions import BotoCoreError, ClientError

from rollcall.runtime import clients
from rollcall.runtime.errors import NotFoundError, TransientError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from _typeshed import WriteableBuffer
    from botocore.response import StreamingBody
    from types_boto3_s3.type_defs import CompletedPartTypeDef, GetObjectRequestTypeDef

# S3 takes no part below 5 MiB but the last (S3 user guide, "Multipart upload limits").
PART_BYTES = 8 * 1024 * 1024
BUFFER_BYTES = 65_536
_MISSING = {"NoSuchKey", "NoSuchVersion", "NoSuchUpload", "404"}


@dataclass(frozen=True, slots=True)
class Stored:
    """What was written: bytes, SHA-256 (hex), and the version of the object, empty in a bucket without versions."""

    size: int
    sha256: str
    version_id: str


class Part(NamedTuple):
    """A part of an object that is not whole yet: its number, which says its place, and what S3 calls its contents."""

    number: int
    etag: str


def open_object(bucket: str, key: str, version_id: str | None = None) -> BinaryIO:
    """Open one version of an object for reading; close it, or use it in a ``with``.

    Raises
    ------
    NotFoundError
        If there is no such object or version.
    TransientError
        If the bucket could not be reached; also while reading, where the connection breaks.
    """
    request: GetObjectRequestTypeDef = {"Bucket": bucket, "Key": key}
    if version_id:
        request["VersionId"] = version_id
    with _asking():
        body = clients.s3().get_object(**request)["Body"]
    return cast("BinaryIO", io.BufferedReader(_Body(body), BUFFER_BYTES))


def put_stream(
    bucket: str,
    key: str,
    chunks: Iterable[bytes],
    *,
    content_type: str = "application/octet-stream",
    if_match: str = "",
) -> Stored:
    """Write an object from chunks of any size; memory holds one part of 8 MiB. Nothing is there until all is.

    Parameters
    ----------
    if_match
        Write only if the object that lies there still has this ETag.

    Raises
    ------
    TransientError
        If the bucket could not be reached, or another object lies there now; nothing is left behind then. What
        ``chunks`` raises comes through.
    """
    try:
        return _put(bucket, key, chunks, content_type, {"IfMatch": if_match} if if_match else {})
    except (ClientError, BotoCoreError) as exc:
        raise TransientError from exc


def begin_parts(bucket: str, key: str, content_type: str) -> str:
    """Begin an object that is put together of parts, and return the id that they are sent under.

    Raises
    ------
    TransientError
        If the bucket could not be reached.
    """
    with _asking():
        answer = clients.s3().create_multipart_upload(Bucket=bucket, Key=key, ContentType=content_type)
    return answer["UploadId"]


def put_part(bucket: str, key: str, upload_id: str, number: int, body: bytes) -> Part:
    """Send one part: 5 MiB at least, unless it is the last. A number that is there already is written over.

    Raises
    ------
    NotFoundError
        If the object is put together already, or given up.
    TransientError
        If the bucket could not be reached.
    """
    with _asking():
        answer = clients.s3().upload_part(Bucket=bucket, Key=key, UploadId=upload_id, PartNumber=number, Body=body)
    return Part(number, answer["ETag"])


def join_parts(bucket: str, key: str, upload_id: str, parts: Iterable[Part]) -> None:
    """Put the object together; a second time does nothing.

    Raises
    ------
    NotFoundError
        If it was given up.
    TransientError
        If the bucket could not be reached, or a part is not what it was.
    """
    try:
        with _asking():
            _join(bucket, key, upload_id, parts, {})
    except NotFoundError:
        with _asking():
            clients.s3().head_object(Bucket=bucket, Key=key)


def drop_parts(bucket: str, key: str, upload_id: str) -> None:
    """Give up an object that was begun, unless it is put together or given up already.

    Raises
    ------
    TransientError
        If the bucket could not be reached.
    """
    with suppress(NotFoundError), _asking():
        clients.s3().abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload_id)


def begun(bucket: str, key: str) -> list[str]:
    """Return the ids under which the object was begun and neither put together nor given up.

    Raises
    ------
    TransientError
        If the bucket could not be reached.
    """
    with _asking():
        answer = clients.s3().list_multipart_uploads(Bucket=bucket, Prefix=key)
    return [one["UploadId"] for one in answer.get("Uploads", []) if one["Key"] == key]


def json_lines(items: Iterable[Mapping[str, object]]) -> Iterator[bytes]:
    """Yield items as JSON Lines; the same item is the same bytes."""
    for item in items:
        yield json.dumps(item, sort_keys=True, separators=(",", ":")).encode() + b"\n"


def _put(bucket: str, key: str, chunks: Iterable[bytes], content_type: str, condition: Any) -> Stored:  # noqa: ANN401 - keywords of the API
    hasher = hashlib.sha256()
    size = 0
    parts = _parts(chunks)
    first = next(parts, b"")
    second = next(parts, None)
    if second is None:
        hasher.update(first)
        put = clients.s3().put_object(Bucket=bucket, Key=key, Body=first, ContentType=content_type, **condition)
        return Stored(len(first), hasher.hexdigest(), put.get("VersionId", ""))
    upload_id = begin_parts(bucket, key, content_type)
    try:
        done: list[Part] = []
        for number, part in enumerate(_again(first, second, parts), start=1):
            hasher.update(part)
            size += len(part)
            done.append(put_part(bucket, key, upload_id, number, part))
        version_id = _join(bucket, key, upload_id, done, condition)
    except BaseException:
        with suppress(TransientError):  # the bucket's life-cycle rule takes what stays
            drop_parts(bucket, key, upload_id)
        raise
    return Stored(size, hasher.hexdigest(), version_id)


def _join(bucket: str, key: str, upload_id: str, parts: Iterable[Part], condition: Any) -> str:  # noqa: ANN401 - keywords of the API
    done: list[CompletedPartTypeDef] = [{"PartNumber": part.number, "ETag": part.etag} for part in parts]
    answer = clients.s3().complete_multipart_upload(
        Bucket=bucket, Key=key, UploadId=upload_id, MultipartUpload={"Parts": done}, **condition
    )
    return answer.get("VersionId", "")


@contextmanager
def _asking() -> Iterator[None]:
    """Turn what S3 answers into our errors."""
    try:
        yield
    except ClientError as exc:
        if exc.response["Error"]["Code"] in _MISSING:
            raise NotFoundError from exc
        raise TransientError from exc
    except BotoCoreError as exc:
        raise TransientError from exc


def _parts(chunks: Iterable[bytes]) -> Iterator[bytes]:
    buffer = bytearray()
    for chunk in chunks:
        buffer += chunk
        while len(buffer) >= PART_BYTES:
            yield bytes(buffer[:PART_BYTES])
            del buffer[:PART_BYTES]
    if buffer:
        yield bytes(buffer)


def _again(first: bytes, second: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield second
    yield from rest


class _Body(io.RawIOBase):
    """The body of an answer of S3 as a raw stream, its errors as ours."""

    def __init__(self, body: StreamingBody) -> None:
        super().__init__()
        self._body = body

    def readable(self) -> bool:
        """Say yes."""
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Fill the buffer; 0 is the end."""
        with memoryview(buffer) as target:
            try:
                chunk = self._body.read(len(target))
            except (BotoCoreError, OSError) as exc:
                raise TransientError from exc
            target[: len(chunk)] = chunk
        return len(chunk)

    def close(self) -> None:
        """Give the connection back."""
        self._body.close()
        super().close()
