"""Which row of a file was first for somebody."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rollcall.plans.seen import Seen
from rollcall.runtime.ids import digest

ROWS = st.lists(st.lists(st.integers(0, 30).map(lambda n: digest(str(n))), min_size=1, max_size=3), max_size=60)


@given(rows=ROWS, border=st.integers(0, 60))
def test_the_first_row_is_known_also_after_a_break(rows: list[list[str]], border: int) -> None:
    """It says what a dict would say, also when it was put aside and read again in between."""
    seen, model = Seen(), dict[str, int]()
    for row, names in enumerate(rows, start=2):
        if row == border:
            seen = Seen.from_bytes(seen.to_bytes())
        first = min((model[name] for name in names if name in model), default=row)
        if first == row:
            model.update(dict.fromkeys(names, row))
        assert seen.first(row, names) == first


def test_many_ids_are_known_and_take_little() -> None:
    """A hundred thousand ids are all found again, in less than 40 bytes each."""
    seen = Seen()
    names = [digest(str(n)) for n in range(100_000)]
    assert all(seen.first(row, (name,)) == row for row, name in enumerate(names, start=2))
    assert all(seen.first(200_000, (name,)) == row for row, name in enumerate(names, start=2))
    assert len(seen.to_bytes()) < 40 * len(names)
