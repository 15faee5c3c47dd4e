"""Waits between tries: as many as said, longer each time, different for each worker."""

from __future__ import annotations

from unittest.mock import patch

from rollcall.runtime.tries import TRIES, tries


def test_each_try_but_the_first_waits_and_longer_each_time() -> None:
    """The waits lie between a hundredth of a second and a bound that doubles; the first try is at once."""
    with patch("time.sleep") as sleep:
        for number in tries(wait=0.1):
            assert sleep.call_count == number
    waits = [call.args[0] for call in sleep.call_args_list]
    assert len(waits) == TRIES - 1
    assert all(0.01 <= wait <= 0.1 * 2**place for place, wait in enumerate(waits))


def test_two_workers_that_met_do_not_wait_alike() -> None:
    """Two hundred first waits are two hundred different ones."""
    with patch("time.sleep") as sleep:
        for _ in range(200):
            list(tries(2))
    assert len({call.args[0] for call in sleep.call_args_list}) == 200
