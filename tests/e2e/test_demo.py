"""The story that ``make demo`` tells is the end-to-end test of the four actions."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.e2e.conftest import ROOT, STATE


@pytest.mark.timeout(700)
def test_whole_story_ends_as_it_should() -> None:
    """Events, mapping, invitations, update, return and deletion: every line of the summary is read back as expected."""
    told = subprocess.run(
        [sys.executable, "-m", "demo", str(STATE / "stack.json")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert told.returncode == 0, told.stdout[-4000:] + told.stderr[-2000:]
    assert "lines are as they should be" in told.stdout
