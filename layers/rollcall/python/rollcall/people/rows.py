"""A row of the people file: everything that the HR system has of one person, as one complete event. Pure.

Columns: ``external_id`` (required), ``email, first_name, last_name, locale, time_zone, end_date, status``, ``as_of``
and ``source_id``. Every other column is an HRIS attribute of that name, with or without ``HRIS:`` before it;
``result`` and ``reason`` are those of our report. The record is complete: an empty cell, or no column, says that there
is no value.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rollcall.files.cells import join_values, split_values
from rollcall.people.events import DirectoryEvent, Kind
from rollcall.people.merge import DirectoryStatus, Person
from rollcall.runtime.errors import Fault
from rollcall.runtime.times import from_text
from rollcall.segments.model import normalise
from rollcall.sources.model import (
    CORE_FIELDS,
    MAX_NAME,
    Faults,
    check_size,
    read_attributes,
    read_fields,
    read_id,
    read_time,
    without_denied,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from rollcall.hubs.model import Source

ID = "external_id"
COLUMNS = (ID, "source_id", *CORE_FIELDS, "status")
KNOWN = (*COLUMNS, "as_of")
PREFIX = "HRIS: "
UNCHANGED = "(unchanged)"
_REPORT = ("result", "reason")
# The reader takes 4,096 characters in a cell, with room here for what guards a formula.
_MAX_CELL = 4_000
# A header with "@" in it would be taken for a person's row.
_AT, _WRITTEN_AT = "@", "(at)"
_STATUSES = {"active": True, "inactive": False}
_BAD_STATUS = (
    "Write active or inactive, or leave the cell empty. A status of the HR system's own goes into “HRIS: Status”."
)

Texts = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Columns:
    """What the columns of a file are.

    Attributes
    ----------
    attributes
        Header → name of the HRIS attribute.
    denied
        Headers of what is never stored.
    """

    attributes: Mapping[str, str]
    denied: tuple[str, ...]

    def kept(self, cells: Mapping[str, str]) -> dict[str, str]:
        """Return the cells of a row without those that are never stored."""
        return {header: text for header, text in cells.items() if header not in self.denied}


def columns_of(extra: Iterable[str], source: Source) -> Columns | list[Fault]:
    """Return what the columns are that are none of ``KNOWN``, or what is wrong with them."""
    attributes: dict[str, str] = {}
    faults: list[Fault] = []
    for header in extra:
        name = _attribute(header)
        if normalise(header) in _REPORT:
            continue
        if name in attributes.values():
            faults.append(Fault("header", "duplicate_column", f"The column “{name[:60]}” is there twice."))
        elif not name or len(name) > MAX_NAME:
            detail = f"The name of a column can have at most {MAX_NAME} characters."
            faults.append(Fault("header", "bad_name", detail))
        attributes[header] = name
    asked = DirectoryEvent("", source.source_id, "", Kind.UPDATED, "", attributes=dict.fromkeys(attributes.values()))
    taken = without_denied(asked, source).attributes
    denied = tuple(header for header, name in attributes.items() if name not in taken)
    return faults or Columns({header: name for header, name in attributes.items() if name in taken}, denied)


def external_id(cells: Mapping[str, str]) -> str:
    """Return whom a row is about, or empty text if it does not say so."""
    faults = Faults()
    found = read_id(cells.get(ID, ""), ID, faults)
    return "" if faults.found else found


def read_row(
    cells: Mapping[str, str], columns: Columns, event: DirectoryEvent, before: Person | None, uploaded: datetime
) -> DirectoryEvent | list[Fault]:
    """Return the complete event that a row stands for, or all its faults.

    Parameters
    ----------
    event
        The event without contents: its id, source, and time where the row gives none.
    before
        What is known of the person. Attributes keep the spelling they have there, and ``(unchanged)`` their value.
    uploaded
        A row cannot be of a later time than that.

    Codes of faults: ``bad_id``, ``other_source``, ``bad_date``, ``unknown_status``, ``bad_time``, ``future_time``,
    ``bad_text``, ``bad_value``, ``too_many_attributes``, ``person_too_large``.
    """
    found = Faults()
    identifier = read_id(cells.get(ID, ""), ID, found)
    if (told := cells.get("source_id", "").strip()) and told != event.source_id:
        found.add(
            "source_id", "other_source", "This person is of another source: upload its people in a file of its own."
        )
    said = {name: cells.get(name, "").strip() for name in CORE_FIELDS}
    fields = {name: _or_as_before(text, before.text(name) if before else "") for name, text in said.items() if text}
    values = {header: text for header in columns.attributes if (text := cells.get(header, "").strip())}
    read = event
    at = cells.get("as_of", "").strip()
    time = read_time(at or event.occurred_at, "as_of", found, uploaded)
    if from_text(time) > uploaded:
        found.add("as_of", "future_time", "This time is after the upload. Write when the list was made, or nothing.")
    status = normalise(cells.get("status", ""))
    if status and status not in _STATUSES:
        found.add("status", "unknown_status", _BAD_STATUS)
    read = replace(
        event,
        external_id=identifier,
        occurred_at=time,
        fields=read_fields({name: text for name, text in fields.items() if text}, "", found),
        attributes=read_attributes(_attributes(values, columns, before), "", found),
        complete=True,
        active=_STATUSES.get(status),
    )
    check_size(read, "row", found)
    if not found.found:
        return read
    return [replace(fault, place=fault.place.removeprefix(".") or "row") for fault in found.found]


def _attribute(header: str) -> str:
    start, colon, name = header.partition(":")
    if colon and normalise(start) == "hris":
        return name.strip().replace(_WRITTEN_AT, _AT)
    return header.strip()


def _attributes(values: Mapping[str, str], columns: Columns, before: Person | None) -> dict[str, str | list[str]]:
    held = before.attributes if before else {}
    spelling = {normalise(name): name for name, cell in held.items() if cell.value}
    found: dict[str, str | list[str]] = {}
    for header, text in values.items():
        name = columns.attributes[header]
        name = name if name in held else spelling.get(normalise(name), name)
        if normalise(text) == UNCHANGED:
            value = held[name].value if name in held else None
            texts = list(texts_of(value))
        else:
            texts = split_values(text)
        if texts:
            found[name] = texts if len(texts) > 1 else texts[0]
    return found


def _or_as_before(text: str, before: str) -> str:
    return before if normalise(text) == UNCHANGED else text


# --- what is there against what is said ------------------------------------------------------------------------------


def texts_of(value: str | Texts | None) -> Texts:
    """Return one value or several as several."""
    if not value:
        return ()
    return (value,) if isinstance(value, str) else value


def values_of(person: Person | None) -> dict[str, Texts]:
    """Return what a person has: core fields and status by name, HRIS attributes as ``attribute:<name>``."""
    if person is None:
        return {}
    found = {name: (text,) for name in CORE_FIELDS if (text := person.text(name))}
    found["status"] = (str(person.status),)
    attributes = {
        f"attribute:{name}": texts for name, cell in person.attributes.items() if (texts := texts_of(cell.value))
    }
    return found | attributes


def said_by(event: DirectoryEvent) -> dict[str, Texts]:
    """Return what a complete event says, as ``values_of`` does."""
    found = {name: (text,) for name, text in event.fields.items() if text}
    if event.active is not None:
        found["status"] = (str(DirectoryStatus.ACTIVE if event.active else DirectoryStatus.INACTIVE),)
    return found | {
        f"attribute:{name}": texts for name, value in event.attributes.items() if (texts := texts_of(value))
    }


def not_as_said(person: Person, event: DirectoryEvent) -> dict[str, Texts]:
    """Return what a person has otherwise than a complete event says: what newer events say, empty for no value."""
    has, said = values_of(person), said_by(event)
    names = [name for name in {**said, **has} if name != "status" or event.active is not None]
    return {name: has.get(name, ()) for name in names if set(has.get(name, ())) != set(said.get(name, ()))}


# --- the way out -----------------------------------------------------------------------------------------------------


def header_of(names: Iterable[str]) -> list[str]:
    """Return the header of a people file with these HRIS attributes."""
    return [*COLUMNS, *(PREFIX + name.replace(_AT, _WRITTEN_AT) for name in names)]


def cells_of(person: Person, names: Sequence[str], *, sees_private: bool) -> list[str]:
    """Return the row of a person, in the order of ``header_of``.

    What is too long for a cell reads ``(unchanged)``, and so does an end date that is not to be seen.
    """
    hidden = () if sees_private else ("end_date",)
    core = [UNCHANGED if name in hidden else person.text(name) for name in CORE_FIELDS]
    cells = [person.external_id, person.source_id, *core, str(person.status)]
    held = person.attributes
    cells += [join_values(texts_of(held[name].value)) if name in held else "" for name in names]
    return [text if len(text) <= _MAX_CELL else UNCHANGED for text in cells]
