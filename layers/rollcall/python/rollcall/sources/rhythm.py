"""Whether a source is silent for longer than usual, judged by its own rhythm alone. Pure."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

WINDOW = timedelta(days=28)
FEWEST_DAYS = 5
SHORTEST_SILENCE = timedelta(days=2)


def is_silent(active: Collection[date], last_event: datetime | None, now: datetime) -> bool:
    """Tell whether nothing has come for twice as long as the longest pause that this source is known to make.

    Parameters
    ----------
    active
        Days (UTC) on which events came. Those of the four weeks before the last event are looked at; on fewer than
        five there is no rhythm to know, and nothing is said.
    last_event
        When the last event came.

    Less than two days are never a silence: a source that sends every day may rest on a holiday.
    """
    if last_event is None:
        return False
    days = sorted(day for day in set(active) if last_event.date() - WINDOW < day <= last_event.date())
    if len(days) < FEWEST_DAYS:
        return False
    longest = max(later - earlier for earlier, later in pairwise(days))
    return now - last_event > max(2 * longest, SHORTEST_SILENCE)
