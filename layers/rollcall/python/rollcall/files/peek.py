"""The first bytes of a stream, and the stream with them still in it. Pure on the stream it is given."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, BinaryIO, cast

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


def peek(stream: BinaryIO, size: int) -> tuple[bytes, BinaryIO]:
    """Return the first bytes, fewer only if there are no more, and a stream that gives them again before the rest.

    Parameters
    ----------
    stream
        Only ``read(n)`` is asked of it; a network stream may give less than it is asked for.
    """
    head = bytearray()
    while len(head) < size and (chunk := stream.read(size - len(head))):
        head += chunk
    return bytes(head), cast("BinaryIO", io.BufferedReader(_Whole(bytes(head), stream)))


class _Whole(io.RawIOBase):
    def __init__(self, head: bytes, stream: BinaryIO) -> None:
        super().__init__()
        self._head = head
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        with memoryview(buffer) as target:
            chunk = self._head or self._stream.read(len(target))
            count = min(len(chunk), len(target))
            target[:count] = chunk[:count]
            self._head = self._head[count:]
            return count
