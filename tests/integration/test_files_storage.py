"""Files streamed from and to the bucket, on moto."""

from __future__ import annotations

import hashlib
import io
import json
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import IncompleteReadError

from rollcall.files import storage
from rollcall.files.rows import read_rows
from rollcall.files.storage import PART_BYTES, json_lines, open_object, put_stream
from rollcall.runtime import clients
from rollcall.runtime.errors import NotFoundError, TransientError

if TYPE_CHECKING:
    from collections.abc import Iterator

BUCKET = "test-files"
pytestmark = pytest.mark.usefixtures("aws")


def test_version_that_was_asked_for_is_read() -> None:
    """What was written later under the same key, spaces and plus signs in it, is not what was asked for (I29)."""
    key = "uploads/hub/invites/id/einladungen geändert + geprüft.csv"
    first = put_stream(BUCKET, key, [b"email\r\n", b"a@example.com\r\n"], content_type="text/csv")
    put_stream(BUCKET, key, [b"email\r\nb@example.com\r\n"])
    with open_object(BUCKET, key, first.version_id) as stream:
        assert [row.cells["email"] for row in read_rows(stream)] == ["a@example.com"]
    with open_object(BUCKET, key) as stream:
        assert [row.cells["email"] for row in read_rows(stream)] == ["b@example.com"]


@pytest.mark.parametrize("size", [0, 1, PART_BYTES - 1, PART_BYTES, PART_BYTES + 1, 2 * PART_BYTES + 5])
def test_stream_of_any_size_arrives_whole(size: int) -> None:
    """One part, exactly one part, several parts: the bytes, their number and their hash are right."""
    body = bytes(range(256)) * (size // 256 + 1)
    body = body[:size]
    chunks = (body[place : place + 1_000_003] for place in range(0, size, 1_000_003))
    stored = put_stream(BUCKET, "exports/x.csv", chunks)
    assert (stored.size, stored.sha256) == (size, hashlib.sha256(body).hexdigest())
    with open_object(BUCKET, "exports/x.csv", stored.version_id) as stream:
        assert stream.read() == body


def test_stream_that_fails_half_way_leaves_nothing() -> None:
    """Neither an object nor a part that is paid for stays when the rows cannot be made."""

    def chunks() -> Iterator[bytes]:
        yield b"x" * (2 * PART_BYTES)
        raise TransientError

    with pytest.raises(TransientError):
        put_stream(BUCKET, "exports/half.csv", chunks())
    with pytest.raises(NotFoundError):
        open_object(BUCKET, "exports/half.csv")
    assert "Uploads" not in clients.s3().list_multipart_uploads(Bucket=BUCKET)


def test_missing_object_and_missing_bucket_are_told_apart() -> None:
    """What is not there is not found; what cannot be reached is tried again."""
    with pytest.raises(NotFoundError):
        open_object(BUCKET, "nothing")
    with pytest.raises(TransientError):
        open_object("no-such-bucket", "nothing")
    with pytest.raises(TransientError):
        put_stream("no-such-bucket", "nothing", [b"x"])


def test_connection_that_breaks_while_reading_is_transient() -> None:
    """Half a file is never taken for the whole."""

    class Body(io.BytesIO):
        """Breaks at the second read."""

        def read(self, size: int | None = -1, /) -> bytes:
            """Return some bytes once."""
            if self.tell():
                raise IncompleteReadError(actual_bytes=1, expected_bytes=2)
            return super().read(size)

    raw = storage._Body(Body(b"email\r\na@example.com\r\n"))  # type: ignore[arg-type]
    with pytest.raises(TransientError):
        list(read_rows(io.BufferedReader(raw)))


def test_json_lines_are_one_line_each_and_always_the_same_bytes() -> None:
    """Line separators of any script do not break a line, and the order of keys does not matter."""
    items = [{"b": "x\u2028y\n", "a": 1}, {}]
    body = b"".join(json_lines(items))
    assert body == b"".join(json_lines([{"a": 1, "b": "x\u2028y\n"}, {}]))
    assert [json.loads(line) for line in body.splitlines()] == items
