"""Which row of a file was the first for somebody. Pure.

It takes about 30 bytes an id, and can be put aside between two runs.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Sequence

_LEAST = 1024


class Seen:
    """Ids → the row that was the first to name them.

    Ids are 32 hex characters, hashes all of them: of each the first 64 bits are kept, in a table with open addresses.
    Two of a million ids meet in these bits once in some 30 million files.
    """

    def __init__(self) -> None:
        self._count = 0
        self._keys = array("Q", bytes(8 * _LEAST))
        self._rows = array("I", bytes(array("I").itemsize * _LEAST))

    @classmethod
    def from_bytes(cls, body: bytes) -> Self:
        """Read what ``to_bytes`` gave."""
        found = cls()
        size = len(body) // (found._keys.itemsize + found._rows.itemsize)
        border = size * found._keys.itemsize
        found._keys, found._rows = array("Q", body[:border]), array("I", body[border:])
        found._count = size - found._keys.count(0)
        return found

    def to_bytes(self) -> bytes:
        """Return everything that was seen; to be read on a machine of the same kind."""
        return self._keys.tobytes() + self._rows.tobytes()

    def first(self, row: int, ids: Sequence[str]) -> int:
        """Return the first row, counted from 1, that named any of these ids; remember this one if it is the first."""
        keys = [int(name[:16], 16) or 1 for name in ids]
        first = min((self._rows[place] for key in keys if self._keys[place := self._place(key)]), default=row)
        if first == row:
            for key in keys:
                self._put(key, row)
        return first

    def _place(self, key: int) -> int:
        place = key % len(self._keys)
        while self._keys[place] not in (0, key):
            place = (place + 1) % len(self._keys)
        return place

    def _put(self, key: int, row: int) -> None:
        place = self._place(key)
        if not self._keys[place]:
            self._count += 1
        self._keys[place], self._rows[place] = key, row
        if self._count * 3 > len(self._keys) * 2:
            self._grow()

    def _grow(self) -> None:
        keys, rows = self._keys, self._rows
        size = 2 * len(keys)
        self._keys = array("Q", bytes(keys.itemsize * size))
        self._rows = array("I", bytes(rows.itemsize * size))
        for key, row in zip(keys, rows, strict=True):
            if key:
                place = self._place(key)
                self._keys[place], self._rows[place] = key, row


@dataclass(frozen=True, slots=True)
class Start:
    """Where a run of planning starts: how many changes were written by runs before it, and who was seen in them."""

    skip: int = 0
    seen: Seen = field(default_factory=Seen)
