"""Adding many options at once, and telling what looks alike. Pure."""

from __future__ import annotations

import csv
import io
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rollcall.runtime.errors import Fault, MalformedError
from rollcall.segments.model import Option, normalise
from rollcall.segments.nearest import NearIndex

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

MAX_LABEL = 200
MAX_OPTIONS = 5_000


@dataclass(frozen=True, slots=True)
class Duplicate:
    """An entry that is there already, or came before in the list."""

    given: str
    same_as: str


@dataclass(frozen=True, slots=True)
class Similar:
    """An entry that was added, and looks like another option."""

    given: str
    near: str


@dataclass(frozen=True, slots=True)
class Added:
    """What adding options came to.

    Attributes
    ----------
    options
        All options of the segment afterwards: those of before, then the new ones in the order given.
    added
        The new ones.
    """

    options: tuple[Option, ...]
    added: tuple[Option, ...]
    duplicates: tuple[Duplicate, ...]
    similar: tuple[Similar, ...]


def read_pasted(text: str) -> list[str]:
    """Return the entries of a pasted spreadsheet column: one a line, quoted where a cell has line breaks.

    Raises
    ------
    MalformedError
        If a line has several cells: more than one column was pasted.
    """
    entries: list[str] = []
    for number, cells in enumerate(csv.reader(io.StringIO(text, newline=""), delimiter="\t"), start=1):
        filled = [cell for cell in cells if cell.strip()]
        if len(filled) > 1:
            raise MalformedError([Fault(f"line {number}", "several_columns", "Please paste one column only.")])
        entries += filled
    return entries


def add_options(existing: Sequence[Option], given: Iterable[str], make_id: Callable[[], str]) -> Added:
    """Add entries as options; blanks are dropped, duplicates after normalising are told.

    Parameters
    ----------
    existing
        Options of the segment, archived ones too: an entry like an archived one is a duplicate of it, one like a merged
        one of what that was merged into.
    make_id
        Gives the id of a new option.

    Raises
    ------
    MalformedError
        If an entry is too long, or there would be too many options; nothing is added then.
    """
    labels = {option.option_id: option.label for option in existing}
    known = {normalise(option.label): labels[option.merged_into or option.option_id] for option in existing}
    index = NearIndex(option.label for option in existing if not option.archived)
    added: list[Option] = []
    duplicates: list[Duplicate] = []
    similar: list[Similar] = []
    faults: list[Fault] = []
    for place, entry in enumerate(given, start=1):
        label = clean_label(entry)
        form = normalise(label)
        if not form:
            continue
        if len(label) > MAX_LABEL:
            faults.append(Fault(f"entry {place}", "too_long", f"An option has at most {MAX_LABEL} characters."))
        elif form in known:
            duplicates.append(Duplicate(label, known[form]))
        else:
            if len(existing) + len(added) >= MAX_OPTIONS:
                faults.append(Fault("options", "too_many_options", f"A segment has at most {MAX_OPTIONS:,} options."))
                break
            if near := index.find(label):
                similar.append(Similar(label, near))
            known[form] = label
            index.add(label)
            added.append(Option(make_id(), label))
    if faults:
        raise MalformedError(faults)
    return Added((*existing, *added), tuple(added), tuple(duplicates), tuple(similar))


def clean_label(text: str) -> str:
    """Return a label as it is kept: Unicode form NFC, single spaces, no control characters."""
    kept = unicodedata.normalize("NFC", text)
    if not kept.isprintable():
        kept = "".join(c for c in kept if c.isspace() or unicodedata.category(c) != "Cc")
    return " ".join(kept.split())
