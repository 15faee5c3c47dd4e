"""A hub floods the queue of directory events: when another hub's event is applied, and how many people leave.

A simulation with a seed, of workers as ``template.yaml`` has them and of SQS fair queues as AWS documents them ("How
Amazon SQS fair queues work"): a group with 30 messages or more in flight, and more than a tenth of all, is noisy; what
waits of other groups is delivered before what waits of it. Within a batch, ours takes the hub with the fewest first.

Usage: ``flooding.py``
"""

from __future__ import annotations

import heapq
import random
import re
from collections import Counter, deque
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from rollcall.guard.window import GuardState, hour_of, limit, used

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

TEMPLATE = Path(__file__).resolve().parent.parent / "template.yaml"
QUIET, FLOODING = "quiet", "flooding"
NOISY_SHARE, NOISY_IN_FLIGHT = 0.1, 30
# From a message's arrival until a worker has it, where one is free.
HANDED_OVER = 0.03


@dataclass(frozen=True)
class Load:
    """Who sends what, and who works it off.

    Attributes
    ----------
    seconds
        How long it goes on.
    flood
        Events a second of the flooding hub.
    every
        Seconds between two events of the quiet hub.
    event
        Seconds that one event takes, in the middle.
    is_fair
        Whether messages have groups; if not, the oldest comes first.
    """

    workers: int
    batch: int
    seconds: float = 120
    flood: float = 500
    every: float = 3
    event: float = 0.1
    is_fair: bool = True


def from_template() -> Load:
    """Return the load with the workers and the batch of ``SyncMember``."""
    text = TEMPLATE.read_text()
    block = text[text.index("\n  SyncMember:") : text.index("\n  SyncMemberLog:")]
    batch = re.findall(r"BatchSize: (\d+)", block)[0]
    workers = re.findall(r"MaximumConcurrency: !If \[IsOnAws, (\d+)", block)[0]
    return Load(int(workers), int(batch))


@dataclass
class _Queue:
    """What waits, by hub, as arrival times; and what is in flight."""

    is_fair: bool
    waiting: dict[str, deque[float]] = field(default_factory=lambda: {QUIET: deque(), FLOODING: deque()})
    in_flight: Counter[str] = field(default_factory=Counter)

    def take(self, count: int) -> list[tuple[str, float]]:
        """Take so many messages at most, hub and arrival of each."""
        taken: list[tuple[str, float]] = []
        while len(taken) < count and (hubs := [hub for hub, times in self.waiting.items() if times]):
            hub = min(hubs, key=lambda one: (self._is_noisy(one), self.waiting[one][0]))
            taken.append((hub, self.waiting[hub].popleft()))
            self.in_flight[hub] += 1
        return taken

    def _is_noisy(self, hub: str) -> bool:
        mine = self.in_flight[hub]
        return self.is_fair and mine >= NOISY_IN_FLIGHT and mine > NOISY_SHARE * self.in_flight.total()


def waits(load: Load) -> list[float]:
    """Return how long after its arrival each event of the quiet hub was applied, in seconds."""
    chance = random.Random(1)  # noqa: S311 - the same load each time
    queue, found = _Queue(load.is_fair), list[float]()
    arrivals = heapq.merge(
        _times(load.every, load.seconds, QUIET), _times(1 / load.flood if load.flood else 0, load.seconds, FLOODING)
    )
    free: list[float] = [0.0] * load.workers
    done: list[tuple[float, str]] = []
    upcoming = next(arrivals, None)
    while upcoming or any(queue.waiting.values()):
        at = free[0]
        if upcoming and not any(queue.waiting.values()):
            at = max(at, upcoming[0])
        while upcoming and upcoming[0] <= at:
            queue.waiting[upcoming[1]].append(upcoming[0])
            upcoming = next(arrivals, None)
        while done and done[0][0] <= at:
            queue.in_flight[heapq.heappop(done)[1]] -= 1
        batch = queue.take(load.batch)
        chance.shuffle(batch)  # SQS promises no order within what it hands over
        sizes = Counter(hub for hub, _ in batch)
        end = at + HANDED_OVER
        for hub, arrived in sorted(batch, key=lambda one: sizes[one[0]]):
            end += load.event * chance.lognormvariate(0, 0.3)
            if hub == QUIET:
                found.append(end - arrived)
        for hub, _ in batch:
            heapq.heappush(done, (end, hub))  # a batch is deleted as one
        heapq.heapreplace(free, end)
    return found


def _times(every: float, until: float, hub: str) -> Iterator[tuple[float, str]]:
    for number in range(int(until / every) if every else 0):
        yield number * every, hub


def leave(people: int, members: int, percent: int = 5, least: int = 10) -> tuple[int, int]:
    """Return how many of so many removals of a hub go through, and how many wait, by the guard's own rules."""
    at = datetime(2026, 10, 5, 8, 0, tzinfo=UTC)
    state, held = GuardState(), 0
    for number in range(people):
        moment = at + timedelta(seconds=number / 10)
        if sum(used(state, moment).values()) >= limit(least, percent, members):
            held += 1
            continue
        hour = hour_of(moment)
        bucket = dict(state.buckets.get(hour, {}))
        bucket[FLOODING] = bucket.get(FLOODING, 0) + 1
        state = replace(state, buckets={**state.buckets, hour: bucket})
    return people - held, held


def sentences() -> Iterable[str]:
    """Yield what comes out, in words."""
    load = from_template()
    quiet = median(waits(replace(load, flood=0)))
    flooded = sorted(waits(load))
    unfair = median(waits(replace(load, is_fair=False)))
    share = flooded[int(len(flooded) * 0.95)]
    through, held = leave(3_000, 20_000)
    capacity, times, minutes = load.workers / load.event, median(flooded) / quiet, load.seconds / 60
    yield (
        f"{load.workers} workers with batches of {load.batch} and {load.event * 1000:.0f} ms an event apply some "
        f"{capacity:.0f} a second. For {minutes:.0f} minutes one hub sends {load.flood:.0f} a second, another one "
        f"every {load.every:.0f} seconds."
    )
    yield (
        f"The other hub's event is applied after {quiet:.2f} s where nobody floods, and after {median(flooded):.2f} s "
        f"where one does: {times:.1f} times (19 of 20 within {share:.2f} s). Without message groups it would wait for "
        f"{unfair:.0f} s."
    )
    yield (
        f"Of 3,000 removals within the flood, in a hub of 20,000 members, the guard lets {through:,} through and "
        f"holds {held:,}."
    )


if __name__ == "__main__":
    print("\n".join(sentences()))
