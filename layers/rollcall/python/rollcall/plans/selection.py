"""Which changes of a plan are approved, where not all of them are. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from rollcall.plans.model import PART_SIZE

if TYPE_CHECKING:
    from collections.abc import Collection

    from rollcall.plans.model import Change, Plan


@dataclass(frozen=True, slots=True)
class Selection:
    """Changes of a plan: those that meet everything that is said here; what is empty says nothing.

    Attributes
    ----------
    ids, not_ids
        Ids of changes that are taken, and that are not.
    kinds, outcomes, warnings
        Taken are changes of one of these kinds, with one of these outcomes, with one of these warnings.
    """

    ids: frozenset[str] = frozenset()
    not_ids: frozenset[str] = frozenset()
    kinds: frozenset[str] = frozenset()
    outcomes: frozenset[str] = frozenset()
    warnings: frozenset[str] = frozenset()

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """Read a selection from its plain dict."""
        return cls(**{name: frozenset(values) for name, values in document.items()})

    def to_json(self) -> dict[str, Any]:
        """Return the selection as a plain dict, always the same for the same selection."""
        return {name: sorted(getattr(self, name)) for name in self.__slots__ if getattr(self, name)}

    def takes(self, change: Change) -> bool:
        """Tell whether a change is one of them."""
        return (
            (not self.ids or change.id in self.ids)
            and change.id not in self.not_ids
            and (not self.kinds or change.kind in self.kinds)
            and (not self.outcomes or change.outcome in self.outcomes)
            and (not self.warnings or bool(self.warnings.intersection(change.warnings)))
        )


def unknown_ids(ids: Collection[str], plan: Plan) -> list[str]:
    """Return which ids are none of a change of this plan, whose parts are all full but the last."""
    return [identifier for identifier in ids if not 1 <= _position(identifier) <= plan.total]


def _position(identifier: str) -> int:
    part, _, place = identifier.partition("-")
    if not (part.isdecimal() and place.isdecimal() and 1 <= int(place) <= PART_SIZE):
        return 0
    return (int(part) - 1) * PART_SIZE + int(place)
