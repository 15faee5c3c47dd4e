"""The version column of the members file: it tells what moved since the download, without a copy on our side. Pure.

A token is ``v1.`` and base64url of 6 bytes for each editable column: 2 bytes of a keyed hash of the column's id, 4
bytes of a keyed hash of its value at export. The value's hash covers member and column, so that a token that was
copied into another row says "moved", and columns whose 2 bytes are equal are still told apart.

Column ids: ``status``, ``roles``, ``segment:<segment id>``, ``profile:<name>``, ``first_name``, ``last_name``.
Values are ids where there are ids (of roles and options), never labels, so that a renamed option has not moved.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rollcall.members.projection import View
    from rollcall.privacy.hashing import HubKey

Value = tuple[str, ...]
_PREFIX = "v1."
_COLUMN_BYTES = 2
_ENTRY_BYTES = 6


def column_values(shown: View, segment_ids: Iterable[str], profile_names: Iterable[str]) -> dict[str, Value]:
    """Return what a member shows now in the editable columns of a file: column id → ids or texts, sorted.

    Parameters
    ----------
    segment_ids, profile_names
        The columns that the file has; a segment or profile field without a value gives an empty tuple.
    """
    values: dict[str, Value] = {
        "status": (str(shown.status),),
        "roles": tuple(shown.roles),
        "first_name": (shown.first_name,),
        "last_name": (shown.last_name,),
    }
    values |= {f"segment:{segment}": tuple(shown.segments.get(segment, ())) for segment in segment_ids}
    values |= {f"profile:{name}": (shown.profile.get(name, ""),) for name in profile_names}
    return {column: _canonical(value) for column, value in values.items()}


def make_token(key: HubKey, member_id: str, values: Mapping[str, Value]) -> str:
    """Return the token of a row: column id → the column's value at export, in any order."""
    entries = (_column(key, column) + _value(key, member_id, column, value) for column, value in sorted(values.items()))
    return _PREFIX + base64.urlsafe_b64encode(b"".join(entries)).rstrip(b"=").decode()


def moved(token: str, key: HubKey, member_id: str, column_id: str, value: Value) -> bool | None:
    """Tell whether a column's value differs from what it was when the token was made.

    Parameters
    ----------
    value
        What the member shows now, as ``column_values`` gives it.

    Returns
    -------
    bool | None
        ``None`` if the token says nothing about the column: it was not in the file, or this is not a token.
    """
    column = _column(key, column_id)
    seen = [entry[_COLUMN_BYTES:] for entry in _entries(token) if entry[:_COLUMN_BYTES] == column]
    if not seen:
        return None
    return _value(key, member_id, column_id, value) not in seen


def _entries(token: str) -> list[bytes]:
    text = token.strip()
    if not text.startswith(_PREFIX) or not text.isascii():
        return []
    body = text.removeprefix(_PREFIX)
    try:
        raw = base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return []
    if len(raw) % _ENTRY_BYTES:
        return []
    return [raw[start : start + _ENTRY_BYTES] for start in range(0, len(raw), _ENTRY_BYTES)]


def _canonical(value: Value) -> Value:
    return tuple(sorted(text for text in value if text))


def _column(key: HubKey, column_id: str) -> bytes:
    return key.mac("version column", column_id)[:_COLUMN_BYTES]


def _value(key: HubKey, member_id: str, column_id: str, value: Value) -> bytes:
    return key.mac("version value", member_id, column_id, *_canonical(value))[: _ENTRY_BYTES - _COLUMN_BYTES]
