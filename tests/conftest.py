"""Figures that tests measured, printed at the end of every run, whatever worker ran them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

FIGURE = "figure"


@pytest.fixture
def figure(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Return a function that keeps a sentence with a figure for the end of the run."""
    return lambda sentence: record_property(FIGURE, sentence)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures."""
    reports = [report for found in terminalreporter.stats.values() for report in found]
    said = [
        str(value)
        for report in reports
        if getattr(report, "when", "") == "call"
        for name, value in getattr(report, "user_properties", [])
        if name == FIGURE
    ]
    if said:
        terminalreporter.section("figures")
        for sentence in said:
            terminalreporter.write_line(sentence)
