"""How many people left within the last day, and how many may: hour buckets. Pure.

The window is the running hour and the 24 whole hours before it, so it is never shorter than a day.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

WHOLE_HOURS = 24
# A limit in percent is worked out from a count of members that is at most this old.
COUNT_LIVES = timedelta(hours=6)
_FORM = "%Y%m%d%H"


@dataclass(frozen=True, slots=True)
class Counted:
    """How many members a source knows, of how many in the hub, and when that was counted (RFC 3339)."""

    known: int
    members: int
    at: str


@dataclass(frozen=True, slots=True)
class GuardState:
    """What the guard of a hub remembers.

    Attributes
    ----------
    rev
        Counts writes; 0 means that nothing is stored yet.
    hour
        The running hour when it was last moved on, ``YYYYMMDDHH``; ``removals`` and ``used`` are sums as of then.
    buckets
        Hour → source id → removals that took place.
    removals, used
        Removals within the window: in the hub, and by source.
    plan_id
        The held-removals plan that still grows; empty if none does.
    counted
        Source id → how many members it knows.
    """

    rev: int = 0
    hour: str = ""
    buckets: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    removals: int = 0
    used: Mapping[str, int] = field(default_factory=dict)
    plan_id: str = ""
    counted: Mapping[str, Counted] = field(default_factory=dict)


def hour_of(at: datetime) -> str:
    """Return the name of the hour that a time lies in."""
    return at.astimezone(UTC).strftime(_FORM)


def window_start(at: datetime) -> datetime:
    """Return when the window of this time begins."""
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=WHOLE_HOURS)


def is_live(hour: str, at: datetime) -> bool:
    """Tell whether an hour's bucket still counts."""
    return hour >= hour_of(window_start(at))


def live(state: GuardState, at: datetime) -> dict[str, dict[str, int]]:
    """Return the buckets that still count; one from a clock that is ahead of ours does."""
    return {hour: dict(bucket) for hour, bucket in state.buckets.items() if is_live(hour, at)}


def used(state: GuardState, at: datetime) -> dict[str, int]:
    """Return the removals within the window, by source."""
    sums: dict[str, int] = {}
    for bucket in live(state, at).values():
        for source_id, removals in bucket.items():
            sums[source_id] = sums.get(source_id, 0) + removals
    return sums


def limit(people: int, percent: int, members: int) -> int:
    """Return how many may leave within the window: the larger of a number and a share of the members, rounded down."""
    return max(people, members * percent // 100)
