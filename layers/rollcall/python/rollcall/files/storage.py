"""Files in the bucket, streamed: memory does not grow with their size."""

from __future__ import annotations

import hashlib
import io
import json
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, cast

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
_MISSING = {"NoSuchKey", "NoSuchVersion", "404"}


@dataclass(frozen=True, slots=True)
class Stored:
    """What was written: bytes, SHA-256 (hex), and the version of the object, empty in a bucket without versions."""

    size: int
    sha256: str
    version_id: str


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
    try:
        body = clients.s3().get_object(**request)["Body"]
    except ClientError as exc:
        if exc.response["Error"]["Code"] in _MISSING:
            raise NotFoundError from exc
        raise TransientError from exc
    except BotoCoreError as exc:
        raise TransientError from exc
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
    s3 = clients.s3()
    upload_id = s3.create_multipart_upload(Bucket=bucket, Key=key, ContentType=content_type)["UploadId"]
    try:
        done: list[CompletedPartTypeDef] = []
        for number, part in enumerate(_again(first, second, parts), start=1):
            hasher.update(part)
            size += len(part)
            answer = s3.upload_part(Bucket=bucket, Key=key, UploadId=upload_id, PartNumber=number, Body=part)
            done.append({"PartNumber": number, "ETag": answer["ETag"]})
        ended = s3.complete_multipart_upload(
            Bucket=bucket, Key=key, UploadId=upload_id, MultipartUpload={"Parts": done}, **condition
        )
    except BaseException:
        with suppress(ClientError, BotoCoreError):  # the bucket's life-cycle rule takes what stays
            s3.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload_id)
        raise
    return Stored(size, hasher.hexdigest(), ended.get("VersionId", ""))


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
