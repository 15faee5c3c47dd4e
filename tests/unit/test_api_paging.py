from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollcall.api.paging import collect, from_cursor, to_cursor
from rollcall.runtime.errors import MalformedError


@given(position=st.text(min_size=1, max_size=200).filter(lambda text: not any("\ud800" <= c <= "\udfff" for c in text)))
def test_cursor_comes_back_as_the_position_it_stands_for(position: str) -> None:
    """Encoding and decoding a cursor are inverse."""
    cursor = to_cursor(position)
    assert cursor is not None
    assert from_cursor(cursor) == position


def test_end_of_a_list_has_no_cursor() -> None:
    """Where there is no position there is no cursor; no cursor is the beginning."""
    assert to_cursor(None) is None
    assert from_cursor("") == ""


@pytest.mark.parametrize("cursor", ["%", "a", "Ł", "_w", "A" * 2000])
def test_cursor_of_somebody_elses_making_is_malformed(cursor: str) -> None:
    """What we did not make is refused with its place."""
    with pytest.raises(MalformedError) as refusal:
        from_cursor(cursor)
    assert refusal.value.faults[0].place == "query.cursor"


@given(
    numbers=st.lists(st.integers(0, 9), max_size=60),
    limit=st.integers(1, 10),
    wanted=st.sets(st.integers(0, 9), min_size=1),
)
def test_filtered_pages_hold_every_wanted_entry_once(numbers: list[int], limit: int, wanted: set[int]) -> None:
    """Following the cursors gives all that is wanted, in order, never more than the limit at a time."""

    def fetch(size: int, start: str) -> tuple[list[int], str | None]:
        begin = int(start or "0")
        end = begin + size
        return numbers[begin:end], str(end) if end < len(numbers) else None

    found: list[int] = []
    position: str | None = ""
    while position is not None:
        page, position = collect(fetch, wanted.__contains__, limit=limit, position=position)
        assert len(page) <= limit
        found += page
    assert found == [number for number in numbers if number in wanted]
