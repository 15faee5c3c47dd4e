from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from rollcall.sources.rhythm import is_silent

LAST = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)  # a Friday
WORKDAYS = [date(2026, 11, 20) - timedelta(days=ago) for ago in range(28) if (20 - ago) % 7 not in (0, 1)]


@pytest.mark.parametrize(("pause", "silent"), [(3, False), (6, False), (6.1, True), (30, True)])
def test_source_that_rests_at_weekends_is_silent_after_twice_a_weekend(pause: float, *, silent: bool) -> None:
    """Its longest pause is three days, Friday to Monday: nothing is said before six."""
    assert is_silent(WORKDAYS, LAST, LAST + timedelta(days=pause)) is silent


def test_source_that_sends_every_day_may_rest_two_days() -> None:
    """A holiday is no silence; what follows it is."""
    days = [LAST.date() - timedelta(days=ago) for ago in range(10)]
    assert not is_silent(days, LAST, LAST + timedelta(days=2))
    assert is_silent(days, LAST, LAST + timedelta(days=2, minutes=1))


@pytest.mark.parametrize("days", [[], [LAST.date()], WORKDAYS[:4]])
def test_source_without_a_known_rhythm_is_never_silent(days: list[date]) -> None:
    """Fewer than five days say nothing of what is usual."""
    assert not is_silent(days, LAST, LAST + timedelta(days=90))


def test_days_of_long_ago_say_nothing_of_the_rhythm() -> None:
    """A pause of last summer does not excuse today's."""
    days = [*WORKDAYS, date(2026, 6, 1)]
    assert is_silent(days, LAST, LAST + timedelta(days=7))


def test_source_that_never_sent_is_not_silent() -> None:
    """A source that was only just connected has nothing to be measured by."""
    assert not is_silent([], None, LAST)
