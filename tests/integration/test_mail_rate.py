"""All workers together keep under the account's sending rate."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import EndpointConnectionError

from rollcall.mail import rate
from rollcall.mail.pace import next_turn
from rollcall.runtime import clients, dynamo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Clock:
    """A clock that stands still but for those who sleep."""

    def __init__(self) -> None:
        self.now = 1_790_000_000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


@pytest.fixture(autouse=True)
def _unknown() -> Iterator[None]:
    rate.forget_rate()
    yield
    rate.forget_rate()


def _most_in_a_second(times: list[float]) -> int:
    return max(sum(start <= at < start + 1 for at in times) for start in times)


@pytest.mark.parametrize("per_second", [1, 14, 90])
def test_one_worker_sends_no_more_in_any_second_than_the_rate(
    aws: None, monkeypatch: pytest.MonkeyPatch, per_second: int
) -> None:
    """Sixty mails that are ready at once go one after the other, evenly, and no slower than allowed."""
    monkeypatch.setenv("MAIL_RATE", str(per_second))
    clock, sent = Clock(), []
    for _ in range(60):
        assert rate.wait_for_turn(clock, clock.sleep) == 0
        sent.append(clock())
    assert _most_in_a_second(sent) <= per_second
    assert sent[-1] - sent[0] <= 59 / per_second + 60 * 0.002


def test_workers_at_the_same_time_share_the_rate(
    aws: None, monkeypatch: pytest.MonkeyPatch, figure: Callable[[str], None]
) -> None:
    """Four workers that send as fast as they can are together no faster than the rate."""
    monkeypatch.setenv("MAIL_RATE", "40")
    sent: list[float] = []

    def work() -> None:
        for _ in range(10):
            seen: list[float] = []
            rate.wait_for_turn(sleep=lambda seconds, seen=seen: seen.append(time.time() + seconds))  # type: ignore[misc]
            sent.extend(seen)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(sent) == 40
    # A worker that is slow to take its turn is late by it, once.
    assert _most_in_a_second(sent) <= 40 + len(workers)
    assert max(sent) - min(sent) > 39 / 40 - 0.1
    figure(f"mail rate: four workers at 40 mails a second sent {_most_in_a_second(sent)} in the fullest second")


def test_long_line_puts_the_mail_off_instead_of_holding_the_worker(aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever would wait longer than a few seconds takes no turn and is told when to come back."""
    monkeypatch.setenv("MAIL_RATE", "0.2")
    clock = Clock()
    assert rate.wait_for_turn(clock, clock.sleep) == 0
    assert 4.9 < rate.wait_for_turn(clock, clock.sleep) < 5.1
    clock.sleep(5.01)
    assert rate.wait_for_turn(clock, clock.sleep) == 0


def test_rate_is_what_ses_says_and_asked_every_five_minutes(aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a setting the account's own rate holds, also while SES does not answer; the sandbox's to begin with."""
    monkeypatch.setenv("MAIL_RATE", "0")
    answers: list[Any] = [EndpointConnectionError(endpoint_url="https://ses.example.com"), 14.0, 50.0]
    asked: list[int] = []

    class Ses:
        def get_account(self) -> dict[str, Any]:
            answer = answers[len(asked)]
            asked.append(1)
            if isinstance(answer, Exception):
                raise answer
            return {"SendQuota": {"MaxSendRate": answer}}

    monkeypatch.setattr(clients, "sesv2", Ses)
    clock = Clock()
    assert rate.sends_per_second(clock) == rate.SANDBOX_RATE
    assert rate.sends_per_second(clock) == 14.0
    clock.sleep(299)
    assert (rate.sends_per_second(clock), len(asked)) == (14.0, 2)
    clock.sleep(2)
    assert rate.sends_per_second(clock) == 50.0


def test_line_is_the_accounts_and_no_hubs(aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The turns lie in one item of their own, so that no hub's item is written for them."""
    monkeypatch.setenv("MAIL_RATE", "10")
    rate.wait_for_turn()
    rate.wait_for_turn()
    item = dynamo.get("MAIL_TABLE", rate.KEY)
    assert item is not None
    assert item["rev"] == 2


def test_turn_after_a_rest_is_now() -> None:
    """Turns that nobody took are not made up for."""
    assert next_turn(5.0, 100.0, 10).at == 100.0
    assert next_turn(100.05, 100.0, 10).at == 100.05
