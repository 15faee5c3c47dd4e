"""A row of the bulk-invite file: what it asks for, or everything that is wrong with it. Pure.

Columns: ``email, first_name, last_name, role``, one for each segment by its name, ``language, ref, export``, in any
case and with spaces, hyphens or underscores, or as they are called in another language (``words.py``); a segment of
such a name comes before that. What else the file has (``HRIS: ...``, ``note``, ``result``, ``reason``) is not read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from rollcall.files.cells import split_values
from rollcall.invitations.words import words_of_columns
from rollcall.privacy.emails import usable_email, written_email
from rollcall.runtime.errors import Fault
from rollcall.segments.model import Catalogue, Role, Segment, normalise
from rollcall.segments.nearest import NearIndex
from rollcall.segments.options import clean_label

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

COLUMNS = ("email", "first_name", "last_name", "role", "language", "ref", "export")
HRIS_PREFIX = "hris:"
NAMES = (*COLUMNS, "note", "result", "reason")
MAX_NAME = 200
_SHOWN = 60
_NO_ADDRESS = "This is an e-mail address; it cannot stand here."
_REF = re.compile(r"[0-9a-f]{32}")
_UNKNOWN_REF = (
    "This is nobody in the directory of this hub. Leave the cell as it was exported, or empty to invite somebody new."
)
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*")


_T = TypeVar("_T")


class InviteRow(NamedTuple):
    """A row without faults. Its ``repr`` does not show the person.

    Attributes
    ----------
    email
        As ``written_email`` gives it: mail goes to it.
    roles, segments
        Role ids; segment id → option ids, for those segments only that the row fills.
    language
        As written, or empty.
    ref
        The person the row was exported for, or empty.
    """

    email: str
    first_name: str = ""
    last_name: str = ""
    roles: tuple[str, ...] = ()
    segments: Mapping[str, tuple[str, ...]] = MappingProxyType({})
    language: str = ""
    ref: str = ""

    def __repr__(self) -> str:
        """Show ids only."""
        return f"InviteRow(roles={self.roles!r}, language={self.language!r}, ref={self.ref!r})"


def keys_of(cells: Mapping[str, str]) -> tuple[str, str]:
    """Return whom a row is about: the address as ``normalise_email`` gives it, and the person; empty where unusable."""
    found = _by_name(cells)
    return usable_email(found.get("email", "")) or "", _person_of(found)


def ref_of(cells: Mapping[str, str]) -> str:
    """Return the person whom a row was exported for; empty if it does not say."""
    return _person_of(_by_name(cells))


def export_of(cells: Mapping[str, str]) -> str:
    """Return the id of the export that a row comes from, as it stands there; empty if it does not say."""
    return _by_name(cells).get("export", "").strip()


def _by_name(cells: Mapping[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for header, text in cells.items():
        found.setdefault(column_of(header), text)
    return found


def _person_of(found: Mapping[str, str]) -> str:
    ref = found.get("ref", "").strip()
    return ref if _REF.fullmatch(ref) else ""


def unknown_ref() -> Fault:
    """Return the fault of a row whose ``ref`` is nobody: a slip there must not lose who was deleted since."""
    return Fault("ref", "unknown_ref", _UNKNOWN_REF)


def parse_row(cells: Mapping[str, str], catalogue: Catalogue, filled: Collection[str] = ()) -> InviteRow | list[Fault]:
    """Return what a row asks for, or all its faults.

    Parameters
    ----------
    cells
        Header → text. Of two columns that mean the same the first one counts.
    catalogue
        With those segments only that whoever stands behind the file may see: columns of others are not read.
    filled
        Ids of segments that the directory fills for this person: required ones may be empty in the file.

    Codes of faults, with the column as place: ``missing_value``, ``bad_email``, ``unknown_role``, ``unknown_option``,
    ``too_many_values``, ``too_long``, ``bad_language``, ``unknown_ref``. Where the hub has one role only, that column
    may be empty. Details name the values of the row for the admin who wrote it: they belong into the report, not into
    a log.
    """
    faults: list[Fault] = []
    cells = _by_column(cells, catalogue)
    email = _email(cells.get("email", ""), faults)
    names = [_name(column, cells.get(column, ""), faults) for column in ("first_name", "last_name")]
    roles = _roles(cells.get("role", ""), catalogue, faults)
    segments: dict[str, tuple[str, ...]] = {}
    for segment in catalogue.segments:
        text = cells.get(segment.name, "")
        if segment.required and not text.strip() and segment.segment_id not in filled:
            faults.append(Fault(segment.name, "missing_value", "This column must be filled in."))
        options = _options(text, segment, faults)
        if options:
            segments[segment.segment_id] = options
    language = cells.get("language", "").strip()
    if language and not _LANGUAGE.fullmatch(language):
        faults.append(Fault("language", "bad_language", "Write a language code here, such as en, fr or pt-BR."))
    ref = cells.get("ref", "").strip()
    if ref and not _REF.fullmatch(ref):
        faults.append(unknown_ref())
    if faults:
        return faults
    return InviteRow(email, names[0], names[1], roles, segments, language, ref)


@lru_cache(maxsize=4_096)
def column_of(header: str) -> str:
    """Return the column that a header means, ``email`` for ``E-Mail``; empty for segments and unknown ones."""
    return _called().get(_key(header), "")


def unknown_columns(headers: Iterable[str], catalogue: Catalogue) -> list[str]:
    """Return the headers that nobody reads: neither a column of ours, nor a segment, nor raw HRIS values."""
    segments = {_key(segment.name) for segment in catalogue.segments}
    return [
        header
        for header in headers
        if header.strip()
        and not column_of(header)
        and _key(header) not in segments
        and not normalise(header).startswith(HRIS_PREFIX)
    ]


def places_of(headers: Iterable[str], catalogue: Catalogue) -> dict[str, int]:
    """Return where each column of ours and each segment stands, counted from 0; what is not there is left out."""
    return _by_column({header: place for place, header in enumerate(headers)}, catalogue)


def _by_column(cells: Mapping[str, _T], catalogue: Catalogue) -> dict[str, _T]:
    segments = {_key(segment.name): segment.name for segment in catalogue.segments}
    found: dict[str, _T] = {}
    for header, text in cells.items():
        key = _key(header)
        own = column_of(header)
        name = own if own in _WHO or key in _OWN else segments.get(key) or own
        if name:
            found.setdefault(name, text)
    return found


@lru_cache(maxsize=4_096)
def _key(header: str) -> str:
    return normalise(header.replace("_", " ").replace("-", " "))


_OWN = {_key(name): name for name in NAMES}
# Whom a row is about is read without the hub's segments.
_WHO = {"email", "ref", "export"}


@cache
def _called() -> dict[str, str]:
    """Return how the columns may be called, as ``_key`` gives it, in every language."""
    return {_key(word): name for name, words in words_of_columns() for word in words} | _OWN


def _email(text: str, faults: list[Fault]) -> str:
    if not text.strip():
        faults.append(Fault("email", "missing_value", "Write an e-mail address here."))
        return ""
    try:
        return written_email(text)
    except ValueError:
        detail = "This is not an e-mail address. It needs one @ and a domain, such as maya@example.com."
        faults.append(Fault("email", "bad_email", detail))
        return ""


def _name(column: str, text: str, faults: list[Fault]) -> str:
    name = clean_label(text)
    if len(name) > MAX_NAME:
        faults.append(Fault(column, "too_long", f"A name can have at most {MAX_NAME} characters."))
    return name


def _roles(text: str, catalogue: Catalogue, faults: list[Fault]) -> tuple[str, ...]:
    in_use = [role for role in catalogue.roles if not role.archived]

    def find(label: str) -> str | None:
        role = catalogue.role(label)
        return role.role_id if role and not role.archived else None

    found = _look_up(_Column("role", "role", find, _role_index(catalogue.roles)), text, faults)
    if not text.strip():
        if len(in_use) == 1:
            return (in_use[0].role_id,)
        faults.append(Fault("role", "missing_value", "Write at least one role here."))
    return found


def _options(text: str, segment: Segment, faults: list[Fault]) -> tuple[str, ...]:
    if not text.strip():
        return ()

    def find(label: str) -> str | None:
        option = segment.option(label)
        return option.option_id if option and not option.archived else None

    # An option may hold a semicolon: then the cell as a whole is it.
    whole = find(text)
    if whole:
        return (whole,)
    found = _look_up(_Column(segment.name, "option", find, _option_index(segment)), text, faults)
    if len(found) > 1 and not segment.multi:
        faults.append(Fault(segment.name, "too_many_values", "Only one option can be chosen here."))
    return found


@dataclass(frozen=True, slots=True)
class _Column:
    """A column with a fixed list of values: ``what`` is ``role`` or ``option``, ``find`` gives the id of a label."""

    place: str
    what: str
    find: Callable[[str], str | None]
    near: NearIndex


def _look_up(column: _Column, text: str, faults: list[Fault]) -> tuple[str, ...]:
    """Return the ids of the values in a cell, each once; a fault for each that is not known."""
    found: dict[str, None] = {}
    for label in split_values(text):
        identifier = column.find(label)
        if identifier is None:
            near = column.near.suggest(label)
            hint = f" Did you mean “{near.label}”?" if near else ""
            given = f"There is no {column.what} “{_short(label)}”." if "@" not in label else _NO_ADDRESS
            detail = f"{given}{hint}"
            faults.append(Fault(column.place, f"unknown_{column.what}", detail))
        else:
            found[identifier] = None
    return tuple(found)


@lru_cache(maxsize=16)
def _role_index(roles: tuple[Role, ...]) -> NearIndex:
    return NearIndex(role.label for role in roles if not role.archived)


@lru_cache(maxsize=256)
def _option_index(segment: Segment) -> NearIndex:
    return NearIndex(option.label for option in segment.options if not option.archived)


def _short(text: str) -> str:
    text = clean_label(text)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
