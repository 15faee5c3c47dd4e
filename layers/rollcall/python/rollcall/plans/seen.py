"""Which row of a file was the first for somebody. Pure.

It takes some 13 bytes an id, and can be put aside between two runs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Sequence

_LISTS = 8_192
_KEY = 6
_ENTRY = _KEY + 4


class Seen:
    """Ids → the row that was the first to name them.

    Ids are 32 hex characters, hashes all of them: of each the first 61 bits are kept, 13 of them by the list that it
    stands in. Two of two million ids meet in these bits once in some million files. A dict of them would take ten times
    the memory, a table with open addresses up to five times while it grows; a list of bytes is searched in a
    microsecond.
    """

    def __init__(self) -> None:
        self._lists = [bytearray() for _ in range(_LISTS)]

    @classmethod
    def from_bytes(cls, body: bytes) -> Self:
        """Read what ``to_bytes`` gave."""
        found = cls()
        place = 4 * _LISTS
        for number in range(_LISTS):
            size = int.from_bytes(body[4 * number : 4 * number + 4], "big")
            found._lists[number] += body[place : place + size]
            place += size
        return found

    def to_bytes(self) -> bytes:
        """Return everything that was seen."""
        return b"".join([*(len(one).to_bytes(4, "big") for one in self._lists), *self._lists])

    def first(self, row: int, ids: Sequence[str]) -> int:
        """Return the first row, counted from 1, that named any of these ids; remember this one if it is the first."""
        first, new = row, []
        for name in ids:
            raw = bytes.fromhex(name[:16])
            entries, key = self._lists[int.from_bytes(raw[_KEY:], "big") % _LISTS], raw[:_KEY]
            place = entries.find(key)
            while place > 0 and place % _ENTRY:  # half of one entry and half of the next
                place = entries.find(key, place + 1)
            if place >= 0:
                first = min(first, int.from_bytes(entries[place + _KEY : place + _ENTRY], "big"))
            else:
                new.append((entries, key))
        if first == row:
            for entries, key in new:
                entries.extend(key + row.to_bytes(4, "big"))
        return first


@dataclass(frozen=True, slots=True)
class Start:
    """Where a run of planning starts: how many changes were written by runs before it, and who was seen in them.

    ``columns`` and ``unread`` are for the kind to fill, in every run: the columns of the file in their order, and those
    of them that nobody reads.
    """

    skip: int = 0
    seen: Seen = field(default_factory=Seen)
    columns: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
