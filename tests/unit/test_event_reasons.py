"""The table of reason codes says what the code says."""

from __future__ import annotations

import re
from pathlib import Path

from rollcall.people.addresses import Obstacle
from rollcall.people.decide import HELD
from rollcall.people.model import EventState

ROOT = Path(__file__).parents[2]
OUTCOME = re.compile(r'Outcome\(\s*EventState\.(\w+),\s*"(\w+)"')
IGNORED = re.compile(r'Ignored\([^)]*?"(\w+)",\s')


def _documented() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for line in (ROOT / "docs" / "events.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) > 3 and cells[1].startswith("`"):
            found.setdefault(cells[1].strip("`"), set()).update(re.findall(r"`(\w+)`", cells[2]))
    return found


def test_every_reason_of_the_code_is_in_the_table() -> None:
    """Each state is there, and each code that an outcome names is listed under its state."""
    documented = _documented()
    assert set(documented) == {str(state) for state in EventState}
    used = {("held", str(one)) for one in Obstacle} | {("held", reason) for reason in HELD}
    for path in (ROOT / "layers" / "rollcall" / "python" / "rollcall").rglob("*.py"):
        text = path.read_text()
        used |= {(state.lower(), code) for state, code in OUTCOME.findall(text)}
        used |= {("ignored", code) for code in IGNORED.findall(text)}
    assert len(used) > 20
    assert {(state, code) for state, code in used if code not in documented[state]} == set()
