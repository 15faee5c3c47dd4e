"""What looks alike, and what was perhaps meant. Pure.

Alike: the same after one letter is added, left out, changed or swapped with its neighbour, or but for accents and
punctuation. Labels that differ in a digit are not (``Level 1``, ``Level 2``).

Perhaps meant: the label with the least optimal string alignment distance (letters added, left out, changed, or swapped
with a neighbour) by RapidFuzz, which also gives the score: 1.0 is the same, 0.0 has nothing in common.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rollcall.segments.model import normalise

if TYPE_CHECKING:
    from collections.abc import Iterable

CLOSE = 0.6
_SHORTEST = 4
_LONGEST = 200
# Searching all labels takes time; what is beyond this many different misspellings gets no such search.
_MAX_SEARCHES = 2_000


@dataclass(frozen=True, slots=True)
class Near:
    """A label that was perhaps meant, and how near it is: 0.0 to 1.0."""

    label: str
    score: float


class NearIndex:
    """Labels, to be found by what looks like them.

    Each label lies at its letters and at every form of them with one letter left out; two labels are one letter apart
    if they share a form. Looking up costs the length of the label, not the number of labels.
    """

    def __init__(self, labels: Iterable[str] = ()) -> None:
        self._labels: list[str] = []
        self._forms: dict[str, list[str]] = {}
        self._normalised: list[str] = []
        self._searched: dict[str, Near | None] = {}
        for label in labels:
            self.add(label)

    def add(self, label: str) -> None:
        """Add a label."""
        self._labels.append(label)
        self._normalised.append(normalise(label))
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

    def suggest(self, text: str) -> Near | None:
        """Return the label that was perhaps meant: the closest of all, if it is close enough to be one."""
        from rapidfuzz import process
        from rapidfuzz.distance import OSA

        wanted = normalise(text)[:_LONGEST]
        if wanted not in self._searched:
            if len(self._searched) >= _MAX_SEARCHES:
                return None
            found = process.extractOne(wanted, self._normalised, scorer=OSA.normalized_similarity, score_cutoff=CLOSE)
            self._searched[wanted] = Near(self._labels[found[2]], round(found[1], 2)) if found else None
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
