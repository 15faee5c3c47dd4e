"""The rows of the bulk-invite file that are plainly right, told at little cost. Pure.

Nearly all rows of a large file are. Every other one is left to ``rows.parse_row``, which tells all that is wrong with
it. There are no rules here beside its own: domains, names, roles, options and languages come again from row to row, and
what it says of them is asked once and remembered. A property test holds the two to the same answer.
"""

from __future__ import annotations

import re
from binascii import a2b_hex
from functools import lru_cache
from operator import itemgetter
from typing import TYPE_CHECKING, TypeVar

from rollcall.files.cells import restore
from rollcall.invitations.rows import MAX_NAME, InviteRow, parse_row, places_of
from rollcall.privacy.emails import PLAIN, PLAIN_LOCAL, is_plain_domain
from rollcall.segments.options import clean_label

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from rollcall.segments.model import Catalogue

_REMEMBERED = 8_192
_REF = 32
_MOST_DOMAINS = 16
_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


def quick_judge(  # noqa: C901 - a function for each check would cost more than the check
    headers: Iterable[str], catalogue: Catalogue
) -> Callable[[list[str]], InviteRow | None]:
    """Return a function that says what a row asks for, or nothing where ``parse_row`` must look at it.

    It takes the cells of a row as they are in the file, formulas not restored.

    Parameters
    ----------
    headers
        The columns of the file.
    catalogue
        As ``parse_row`` takes it.
    """
    headers = tuple(headers)
    width, places = len(headers), places_of(headers, catalogue)
    repeating = ("role", "language", *(segment.name for segment in catalogue.segments))
    # What the file has no column for is read from an empty cell behind the last one.
    email_at, first_at, last_at, ref_at, *repeating_at = (
        places.get(name, width) for name in ("email", "first_name", "last_name", "ref", *repeating)
    )
    is_short = width in (first_at, last_at, ref_at, *repeating_at)
    repeating_of = itemgetter(*repeating_at)
    # The domains of a file are few: the first ones become a part of the pattern.
    domains: list[str] = []
    is_known = re.compile(r"(?!)").fullmatch
    asked_by: dict[tuple[str, ...], _Asked | None] = {}
    name_of = lru_cache(maxsize=_REMEMBERED)(_name_of)
    make = tuple.__new__

    def judge(record: list[str]) -> InviteRow | None:  # noqa: C901, PLR0911 - as above
        if len(record) != width:
            return None
        if is_short:
            record = [*record, ""]
        email, first, last, ref = record[email_at], record[first_at], record[last_at], record[ref_at]
        nonlocal is_known
        if not is_known(email):
            address = PLAIN.fullmatch(email)
            if address is None or not is_plain_domain(address[1]):
                return None
            if len(domains) < _MOST_DOMAINS:
                domains.append(re.escape(address[1]))
                is_known = re.compile(f"{PLAIN_LOCAL}@(?:{'|'.join(domains)})").fullmatch
        if ref:
            try:
                if len(ref) != _REF or a2b_hex(ref).hex() != ref:
                    return None
            except ValueError:
                return None
        try:
            asked = asked_by[cells := repeating_of(record)]
        except KeyError:
            asked = _learn(asked_by, cells, _asked_by(repeating, cells, catalogue))
        if asked is None:
            return None
        both = first + last
        # Letters of ASCII alone are clean names already.
        if not (both.isalpha() and both.isascii()):
            first, last = name_of(first), name_of(last)
            both = first + last
        if len(both) > MAX_NAME:
            return None
        roles, segments, language = asked
        return make(InviteRow, (email, first, last, roles, segments, language, ref))

    return judge


_Asked = tuple[tuple[str, ...], "Mapping[str, tuple[str, ...]]", str]


def _learn(known: dict[_Key, _Value], key: _Key, value: _Value) -> _Value:
    """Remember what was said of a key, and return it; full, the memory begins anew."""
    if len(known) >= _REMEMBERED:
        known.clear()
    known[key] = value
    return value


def _name_of(cell: str) -> str:
    return clean_label(restore(cell))


def _asked_by(columns: Iterable[str], cells: tuple[str, ...], catalogue: Catalogue) -> _Asked | None:
    """Return roles, segments and language that these cells ask for; nothing if any is wrong or missing."""
    row = parse_row({"email": "a@example.com", **dict(zip(columns, map(restore, cells), strict=True))}, catalogue)
    return (row.roles, row.segments, row.language) if isinstance(row, InviteRow) else None
