"""Measure work beside its floor in the same run, since machines differ and others load them.

The two take turns, so that what disturbs one disturbs the other; each is told as the median of at least nine rounds,
with its spread, in wall time and in CPU time. The ratio that counts is that of the CPU times: waiting for others is not
in it. Every figure goes to ``.local/bench.jsonl``, and is printed beside what it was the last time.

``make bench`` measures in full. Every other run is the short form: fewer rounds, smaller inputs, and a bound is only
held when it is far off.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

HISTORY = Path(__file__).parents[2] / ".local" / "bench.jsonl"
IS_FULL = bool(os.environ.get("ROLLCALL_BENCH"))
ROUNDS = 9 if IS_FULL else 3
FAR_OFF = 1 if IS_FULL else 3
MIB = 1024 * 1024


def size(*, full: int, short: int) -> int:
    """Return how much to measure with: as much as is promised in ``make bench``, little in every other run."""
    return full if IS_FULL else short


@dataclass(frozen=True)
class Times:
    """Seconds of each round."""

    wall: tuple[float, ...]
    cpu: tuple[float, ...]

    def __str__(self) -> str:
        return f"{_told(self.cpu)} of CPU, {_told(self.wall)} in all"


@dataclass(frozen=True)
class Compared:
    """Some work and its floor, measured by turns."""

    name: str
    ours: Times
    floor: Times

    @property
    def ratio(self) -> float:
        """How many times the floor's CPU time ours takes, by their medians."""
        return statistics.median(self.ours.cpu) / statistics.median(self.floor.cpu)

    @property
    def wall_ratio(self) -> float:
        """The same of the time that passed."""
        return statistics.median(self.ours.wall) / statistics.median(self.floor.wall)


def compare(
    name: str, ours: Callable[[], object], floor: Callable[[], object], *, bound: float, rounds: int = ROUNDS
) -> Compared:
    """Measure two pieces of work by turns, keep and print the figures, and hold the ratio to its bound.

    Raises
    ------
    AssertionError
        If ours takes more than ``bound`` times the CPU time of the floor; in the short form, three times that.
    """
    return judge(Compared(name, *take_turns(lambda: timed(ours), lambda: timed(floor), rounds=rounds)), bound=bound)


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Return the wall and the CPU seconds of a piece of work, all threads counted."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def take_turns(*works: Callable[[], tuple[float, float]], rounds: int = ROUNDS) -> list[Times]:
    """Let each of the works run once without being counted, then so many rounds by turns.

    Each returns its own wall and CPU seconds, as ``timed`` and ``run`` do.
    """
    for work in works:
        work()
    found: list[list[tuple[float, float]]] = [[] for _ in works]
    for _ in range(rounds):
        for kept, work in zip(found, works, strict=True):
            kept.append(work())
    return [Times(*zip(*kept, strict=True)) for kept in found]


def judge(compared: Compared, *, bound: float) -> Compared:
    """Print the figures beside those of the last time, keep them, and hold the ratio to its bound."""
    before = _last(compared.name)
    tell(
        f"{compared.name}: {compared.ours}; floor {compared.floor}: {compared.ratio:.2f} x of CPU "
        f"(at most {bound:g}), {compared.wall_ratio:.2f} x in all{_since(before, 'ratio', compared.ratio)}"
    )
    keep(
        compared.name,
        ratio=round(compared.ratio, 3),
        wall_ratio=round(compared.wall_ratio, 3),
        cpu_ms=round(statistics.median(compared.ours.cpu) * 1000, 3),
        floor_cpu_ms=round(statistics.median(compared.floor.cpu) * 1000, 3),
        rounds=len(compared.ours.cpu),
    )
    assert compared.ratio <= bound * FAR_OFF, f"{compared.name}: {compared.ratio:.2f} x, at most {bound * FAR_OFF:g}"
    return compared


def keep(name: str, **figures: float) -> None:
    """Append figures to the history."""
    HISTORY.parent.mkdir(exist_ok=True)
    line = {"at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", "name": name, "full": IS_FULL, **figures}
    with HISTORY.open("a") as file:
        file.write(json.dumps(line) + "\n")


def tell(sentence: str) -> None:
    """Print a sentence on a line of its own."""
    print(f"\n{sentence}", flush=True)


def run(command: Sequence[str], *, environment: Mapping[str, str] | None = None) -> tuple[float, float]:
    """Run a command and return its wall and its CPU seconds.

    Raises
    ------
    AssertionError
        If it fails.
    """
    started = time.perf_counter()
    process = subprocess.Popen(list(command), env=None if environment is None else dict(environment))
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, f"{command[0]} ended with {process.returncode}"
    return time.perf_counter() - started, used.ru_utime + used.ru_stime


def peak_mib() -> float:
    """Return the most memory that this process ever held, in MiB.

    Ask it in a process of its own. What ``wait4`` says of a child would hold what its parent had when it was started.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        held = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(held.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MIB


def _told(seconds: tuple[float, ...]) -> str:
    middle, least, most = statistics.median(seconds), min(seconds), max(seconds)
    return f"{middle * 1000:.1f} ms ({least * 1000:.1f}-{most * 1000:.1f})"


def _last(name: str) -> dict[str, Any]:
    """Return the figures that were kept last under a name by a run of the same form."""
    lines = HISTORY.read_text().splitlines() if HISTORY.is_file() else []
    kept = (json.loads(line) for line in reversed(lines))
    return next((line for line in kept if line["name"] == name and line.get("full") == IS_FULL), {})


def _since(before: Mapping[str, Any], name: str, now: float) -> str:
    if name not in before:
        return ""
    return f"; last time {before[name]:.2f} x ({(now / before[name] - 1) * 100:+.0f} %)"
