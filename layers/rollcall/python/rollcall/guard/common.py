"""What people have in common who would leave: the one value that explains most. Pure.

Of all values of all fields it is the one whose share among them is furthest above its share among other members: a
department of which nobody else is left says more than the country that everybody lives in.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SOURCE = "source"
# A field with more values than this is a name or a number, and explains nobody.
MAX_VALUES = 2000


@dataclass(slots=True)
class Tally:
    """How many people have which value of which field."""

    people: int = 0
    counts: dict[str, Counter[str]] = field(default_factory=dict)

    def add(self, values: Mapping[str, str | tuple[str, ...]]) -> None:
        """Count one person: field → value, or several."""
        self.people += 1
        for name, value in values.items():
            counter = self.counts.setdefault(name, Counter())
            for one in {value} if isinstance(value, str) else set(value):
                if one in counter or len(counter) < MAX_VALUES:
                    counter[one] += 1

    def share(self, name: str, value: str) -> float:
        """Return the share of people who have the value; 0 of nobody."""
        return self.counts.get(name, Counter())[value] / self.people if self.people else 0.0


@dataclass(frozen=True, slots=True)
class InCommon:
    """So many of the people who would leave have this value in this field; ``of`` is how many they are in all."""

    field: str
    value: str
    held: int
    of: int


def in_common(held: Tally, others: Tally) -> InCommon | None:
    """Return what explains most; nothing if no value is more frequent among those who would leave than elsewhere.

    Where two explain the same, the one that more of them have goes first, then the source, then by name.
    """
    best = max(_candidates(held, others), default=None)
    if best is None:
        return None
    (_, count, _), name, value = best
    return InCommon(name, value, count, held.people)


def _candidates(held: Tally, others: Tally) -> Iterable[tuple[tuple[float, int, bool], str, str]]:
    for name, counter in sorted(held.counts.items(), reverse=True):
        for value, count in sorted(counter.items(), reverse=True):
            more = held.share(name, value) - others.share(name, value)
            if count > 1 and more > 0:
                yield (round(more, 6), count, name == SOURCE), name, value
