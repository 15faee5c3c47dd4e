"""Adding many options at once, and telling what looks alike. Pure.

Alike: the same after one letter is added, left out, changed or swapped with its neighbour, or but for accents and
punctuation. Labels that differ in a digit are not (``Level 1``, ``Level 2``).
"""

from __future__ import annotations

import csv
import difflib
import io
import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rollcall.runtime.errors import Fault, MalformedError
from rollcall.segments.model import Option, normalise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

MAX_LABEL = 200
MAX_OPTIONS = 5_000
_SHORTEST = 4
_CLOSE = 0.72
# Searching all labels takes milliseconds; what is beyond this many different misspellings gets no such search.
_MAX_SEARCHES = 200


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
        Options of the segment, archived ones too: an entry like an archived one is a duplicate of it.
    make_id
        Gives the id of a new option.

    Raises
    ------
    MalformedError
        If an entry is too long, or there would be too many options; nothing is added then.
    """
    known = {normalise(option.label): option.label for option in existing}
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
    kept = "".join(c for c in unicodedata.normalize("NFC", text) if c.isspace() or unicodedata.category(c) != "Cc")
    return " ".join(kept.split())


class NearIndex:
    """Labels, to be found by what looks like them.

    Each label lies at its letters and at every form of them with one letter left out; two labels are one letter apart
    if they share a form. Looking up costs the length of the label, not the number of labels.
    """

    def __init__(self, labels: Iterable[str] = ()) -> None:
        self._labels: list[str] = []
        self._forms: dict[str, list[str]] = {}
        self._searched: dict[str, str | None] = {}
        for label in labels:
            self.add(label)

    def add(self, label: str) -> None:
        """Add a label."""
        self._labels.append(label)
        for form in _forms(label):
            self._forms.setdefault(form, []).append(label)

    def find(self, text: str) -> str | None:
        """Return a label that looks like the text and is not the same after normalising, the first one added."""
        wanted = normalise(text)
        for form in _forms(text):
            for label in self._forms.get(form, ()):
                if normalise(label) != wanted:
                    return label
        return None

    def suggest(self, text: str) -> str | None:
        """Return the label that was perhaps meant: one that looks like it, else the closest of all."""
        near = self.find(text)
        if near is not None:
            return near
        wanted = normalise(text)[:MAX_LABEL]
        if wanted not in self._searched:
            if len(self._searched) >= _MAX_SEARCHES:
                return None
            by_form = {normalise(label): label for label in self._labels}
            found = difflib.get_close_matches(wanted, by_form, n=1, cutoff=_CLOSE)
            self._searched[wanted] = by_form[found[0]] if found else None
        return self._searched[wanted]


def _forms(label: str) -> list[str]:
    """Return the letters, and every form of them with one left out, each with the digits of the label."""
    plain = unicodedata.normalize("NFKD", normalise(label)).translate(_STROKES)
    digits = " ".join(re.findall(r"\d+", plain))
    letters = "".join(c for c in plain if c.isalpha()) or plain
    forms = [letters]
    if len(letters) >= _SHORTEST:
        forms += [letters[:n] + letters[n + 1 :] for n in range(len(letters))]
    return [f"{form} {digits}" for form in dict.fromkeys(forms)]


# Letters whose stroke is no accent in Unicode.
_STROKES = str.maketrans({"ł": "l", "ø": "o", "đ": "d", "ħ": "h", "ŧ": "t", "\u0131": "i"})
