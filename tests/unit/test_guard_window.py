"""The rolling window of the mass-removal guard, and what those who would leave have in common."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollcall.guard.common import InCommon, Tally, in_common
from rollcall.guard.window import GuardState, hour_of, limit, live, used, window_start

if TYPE_CHECKING:
    from collections.abc import Mapping

NOON = datetime(2026, 10, 5, 12, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("people", "percent", "members", "expected"),
    [(10, 5, 0, 10), (10, 5, 200, 10), (10, 5, 219, 10), (10, 5, 220, 11), (10, 5, 250, 12), (10, 0, 10_000, 10)],
)
def test_limit_is_the_larger_of_number_and_share(people: int, percent: int, members: int, expected: int) -> None:
    """Ten people, or five of a hundred members, whichever is more; a share is rounded down."""
    assert limit(people, percent, members) == expected


@given(st.lists(st.integers(min_value=0, max_value=60 * 60), max_size=30))
def test_everything_of_the_last_day_counts_and_nothing_older_than_25_hours(minutes: list[int]) -> None:
    """Whatever left within 24 hours is in the sum; whatever is older than the 25 buckets is not."""
    buckets: dict[str, dict[str, int]] = {}
    for ago in minutes:
        bucket = buckets.setdefault(hour_of(NOON - timedelta(minutes=ago)), {"payroll": 0})
        bucket["payroll"] += 1
    counted = used(GuardState(buckets=buckets), NOON).get("payroll", 0)
    assert counted >= sum(ago <= 24 * 60 for ago in minutes)
    assert counted <= sum(ago < 25 * 60 for ago in minutes)


def test_old_buckets_are_dropped() -> None:
    """An hour that has left the window is kept no longer; the first one in it is."""
    first = hour_of(window_start(NOON))
    before = hour_of(window_start(NOON) - timedelta(minutes=1))
    buckets = {before: {"payroll": 3}, first: {"payroll": 4}}
    assert live(GuardState(buckets=buckets), NOON) == {first: {"payroll": 4}}


def _tally(*people: Mapping[str, str | tuple[str, ...]]) -> Tally:
    tally = Tally()
    for values in people:
        tally.add(values)
    return tally


def test_value_that_the_others_lack_explains_more_than_one_that_all_have() -> None:
    """All live in one country, and so does the rest of the hub: it is the department that explains."""
    held = _tally(*[{"Country": "Malta", "Department": "Sales"}] * 4, {"Country": "Malta", "Department": "IT"})
    others = _tally(*[{"Country": "Malta", "Department": "IT"}] * 9, {"Country": "Malta", "Department": "Sales"})
    assert in_common(held, others) == InCommon("Department", "Sales", 4, 5)


def test_several_values_of_a_field_count_each() -> None:
    """Somebody in two groups counts for both, and once for each."""
    held = _tally({"group": ("north", "all", "all")}, {"group": ("north",)})
    assert in_common(held, _tally({"group": ("all",)})) == InCommon("group", "north", 2, 2)


def test_source_goes_before_a_field_that_explains_the_same() -> None:
    """When all come from one source and have one grade, the source is said."""
    held = _tally(*[{"source": "payroll", "Zone": "A"}] * 3)
    assert in_common(held, _tally({"source": "okta", "Zone": "B"})) == InCommon("source", "payroll", 3, 3)


def test_nothing_explains_people_who_are_like_the_others() -> None:
    """Where every value is as frequent among the others, nothing is said; nor of a single person."""
    same = _tally({"Country": "Malta"}, {"Country": "Malta"})
    assert in_common(same, same) is None
    assert in_common(_tally({"Name": "Noor"}), _tally({"Name": "Ana"})) is None
    assert in_common(Tally(), same) is None
