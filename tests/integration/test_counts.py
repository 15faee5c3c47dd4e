"""What jobs ask of AWS is no more than what docs/scale.md reckons with (``counts.json``)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.benchmarks.counting import COUNTS, count_events, count_file

pytestmark = pytest.mark.usefixtures("aws")
KEPT: dict[str, Any] = json.loads(COUNTS.read_text())


def _holds(name: str, now: dict[str, Any], kept: dict[str, Any]) -> None:
    renew = f"{name}: renew the counts with python -m tests.benchmarks.counting, then python tools/scale.py"
    assert sum(now["writes"].values()) <= sum(kept["writes"].values()), renew
    assert now["reads"] <= kept["reads"], renew


def test_deliveries_ask_for_no_more_than_the_page_says() -> None:
    """Each kind of event, from its delivery to its line in the activity."""
    counted = count_events()
    for name, kept in KEPT["events"].items():
        if name != "bytes":
            _holds(name, counted[name], kept)


@pytest.mark.long
def test_a_file_asks_for_no_more_than_the_page_says() -> None:
    """Planned, invited, sent, and recorded what SES says."""
    counted = count_file(KEPT["file"]["rows"])
    for name, kept in KEPT["file"]["steps"].items():
        if name != "mails":
            _holds(name, counted[name], kept)
