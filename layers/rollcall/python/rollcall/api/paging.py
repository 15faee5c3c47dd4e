"""Pages of lists: cursors that say nothing to a reader, and filters that keep pages full. Pure."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, TypeVar

from rollcall.runtime.errors import Fault, MalformedError

if TYPE_CHECKING:
    from collections.abc import Callable

    Entry = TypeVar("Entry")

MAX_CURSOR_BYTES = 1000
MAX_ROUNDS = 10


def to_cursor(position: str | None) -> str | None:
    """Return what a client sees of a position in a list. It is no secret, but names stay out of addresses and logs."""
    return base64.urlsafe_b64encode(position.encode()).rstrip(b"=").decode() if position else None


def from_cursor(cursor: str) -> str:
    """Return the position that a cursor stands for; empty for the first page.

    Raises
    ------
    MalformedError
        If it is none of ours.
    """
    try:
        position = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as exc:
        raise MalformedError([BAD_CURSOR]) from exc
    if len(position.encode()) > MAX_CURSOR_BYTES:
        raise MalformedError([BAD_CURSOR])
    return position


def collect(
    fetch: Callable[[int, str], tuple[list[Entry], str | None]],
    keep: Callable[[Entry], bool],
    *,
    limit: int,
    position: str,
) -> tuple[list[Entry], str | None]:
    """Return up to ``limit`` entries that are to be kept, and the position to go on from.

    After some pages without enough of them it stops: a page may then hold fewer, and there may yet be more.

    Parameters
    ----------
    fetch
        How many at most, and the position to go on from → entries and the next position.
    """
    found: list[Entry] = []
    following: str | None = position
    for _ in range(MAX_ROUNDS):
        entries, following = fetch(limit - len(found), following or "")
        found += [entry for entry in entries if keep(entry)]
        if following is None or len(found) >= limit:
            break
    return found, following


BAD_CURSOR = Fault("query.cursor", "bad_cursor", "Take the cursor from `next_cursor` of the page before, unchanged.")
