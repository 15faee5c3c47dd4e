"""Large files: invites read and validated beside the bare ``csv.reader``, exports rendered beside ``csv.writer``.

Memory is the most that a process of its own ever held, for many rows and for few.
"""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from collections import deque
from typing import Any

from rollcall.files.rows import read_rows
from rollcall.invitations.quick import quick_judge
from rollcall.invitations.rows import InviteRow, parse_row
from rollcall.segments.model import Catalogue
from tests.benchmarks.measure import FAR_OFF, compare, keep, size, tell
from tests.support.invite_files import invite_lines
from tests.support.world import ROLES, SEGMENTS

CATALOGUE = Catalogue(tuple(ROLES), tuple(SEGMENTS))
MIB_MORE = 32
FEW = 10_000


def test_reading_and_validating_an_invite_file_against_the_bare_csv_reader() -> None:
    """Dialect, limits and cells judged, and what each row asks for known: at most 2.5 times the reader."""
    rows = size(full=1_000_000, short=20_000)
    body = "".join(invite_lines(rows)).encode()

    def floor() -> None:
        deque(csv.reader(io.TextIOWrapper(io.BytesIO(body), "utf-8", newline="")), maxlen=0)

    def ours() -> int:
        reader = read_rows(io.BytesIO(body))
        good = 0
        for number, record, quick in reader.judged(quick_judge(reader.headers, CATALOGUE)):
            row = quick or parse_row(reader.row(number, record).cells, CATALOGUE)
            good += isinstance(row, InviteRow)
        return good

    assert ours() == rows
    compare(f"read and validate {rows:,} invite rows", ours, floor, bound=2.5)


def test_planning_an_invite_file_takes_the_memory_of_a_small_one() -> None:
    """A file through the whole of planning, look-ups faked: its peak lies within 32 MiB of that of 10,000 rows."""
    rows = size(full=1_000_000, short=20_000)
    few, many = _planned(size(full=FEW, short=1_000)), _planned(rows)
    assert many["counts"] == {"invite": rows}
    more = many["peak_mib"] - few["peak_mib"]
    tell(
        f"plan {rows:,} invite rows, look-ups faked: {many['cpu_seconds']} s of CPU, {many['parts']:,} parts of "
        f"{many['written_mib']} MiB; peak {many['peak_mib']} MiB, {more:.1f} more than {few['rows']:,} rows"
    )
    keep(f"plan {rows:,} invite rows", cpu_ms=many["cpu_seconds"] * 1000, peak_mib=many["peak_mib"], more_mib=more)
    assert more <= MIB_MORE * FAR_OFF


def _planned(rows: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.benchmarks.plan_invites", str(rows)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    said = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout
    found: dict[str, Any] = json.loads(said.splitlines()[-1])
    return found
