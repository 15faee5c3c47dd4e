"""On the running stack: the first sync of a large hub, how fast it goes and whose time it takes; and its neighbour."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from demo.hub_client import HubApi, StandardSource, new_hub, wait_for

from tests.benchmarks.emulator import cpu_of
from tests.e2e.waiting import drained

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

AT_ONCE = 250
HOURS = 3600


def _people(first: int, count: int) -> list[dict[str, Any]]:
    return [
        {
            "type": "person.added",
            "timestamp": "2026-10-05T08:00:00.000Z",
            "data": {
                "external_id": f"person-{number:06d}",
                "email": f"person-{number:06d}@example.com",
                "first_name": "Maya",
                "last_name": f"Okafor {number}",
                "attributes": {"Office": "London", "Grade": "Senior", "Team": f"Team {number % 50}"},
                "complete": True,
            },
        }
        for number in range(first, first + count)
    ]


@pytest.fixture
def neighbour(stack: dict[str, Any], tmp_path: Path) -> Iterator[tuple[HubApi, StandardSource]]:
    """Return another hub, and a source of its own."""
    api = HubApi.of(new_hub(stack, tmp_path, "Quiet hub", "quiet-admin@example.com"))
    with api.http:
        made = api.post("/sources", {"provider": "standard", "name": "Payroll"})
        source = StandardSource(made["webhook_url"], made["secret"])
        with source.http:
            yield api, source


def _cpu(pid: int) -> tuple[float, float]:
    """Return the CPU seconds of the emulator, and of the functions that run below it."""
    below = [int(one) for file in Path(f"/proc/{pid}/task").glob("*/children") for one in file.read_text().split()]
    return cpu_of(pid), sum(map(cpu_of, below))


def _applied_after(api: HubApi, source: StandardSource, number: int) -> float:
    """Let the neighbour's directory say something, and return how long it took until that was applied."""
    begun = time.monotonic()
    assert source.send(_people(number, 1)[0]).status_code == 202
    wait_for("the event", lambda: api.get("/events?limit=1")["items"][0]["state"] == "applied", seconds=HOURS)
    return time.monotonic() - begun


@pytest.mark.long
@pytest.mark.timeout(2 * HOURS)
@pytest.mark.parametrize("people", [1_000, 20_000])
def test_the_first_sync_of_a_hub_comes_through_and_a_neighbour_waits_as_the_queue_lets_it(
    *,
    people: int,
    api: HubApi,
    own_system: StandardSource,
    neighbour: tuple[HubApi, StandardSource],
    stack: dict[str, Any],
    aws_client: Callable[[str], Any],
    figure: Callable[[str], None],
) -> None:
    """Everybody is there once. The emulator's queues know no groups: the neighbour's wait is told, not held.

    What SQS does with groups is simulated (``tools/flooding.py``).
    """
    _applied_after(*neighbour, 0)
    quiet = min(_applied_after(*neighbour, number) for number in (1, 2, 3))
    before, begun = _cpu(stack["ministack_pid"]), time.monotonic()
    with ThreadPoolExecutor(2) as pool:
        told = pool.map(lambda first: own_system.send(_people(first, AT_ONCE)), range(0, people, AT_ONCE))
        assert sum(answer.json()["accepted"] for answer in told) == people
    received = time.monotonic() - begun
    flooded = _applied_after(*neighbour, 4)
    drained(aws_client("sqs"), stack, seconds=HOURS)
    took = time.monotonic() - begun
    theirs, ours = (after - earlier for after, earlier in zip(_cpu(stack["ministack_pid"]), before, strict=True))
    assert sum(1 for _ in api.all("/people")) == people
    figure(
        f"first sync of {people:,}: {people / took:.1f} events a second ({took:.0f} s, all received after "
        f"{received:.0f} s); CPU {1000 * ours / people:.1f} ms an event in the functions, {1000 * theirs / people:.1f} "
        f"in the emulator; a neighbour's event applied after {flooded:.1f} s, {quiet:.1f} s where nobody floods"
    )
