"""How the story looks on the screen."""

from __future__ import annotations

import sys
import unicodedata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_BOLD, _DIM, _OFF = ("\033[1m", "\033[2m", "\033[0m") if sys.stdout.isatty() else ("", "", "")


def act(number: int, title: str) -> None:
    """Begin an act."""
    say("")
    say(f"{_BOLD}Act {number}. {title}{_OFF}")


def say(text: str = "") -> None:
    """Print a line at once."""
    print(text, flush=True)


def step(text: str) -> None:
    """Say what is being done."""
    say(f"  {_DIM}·{_OFF} {text}")


def counted(counts: Mapping[str, int]) -> str:
    """Say counts: ``{"invited": 36, "no_change": 2}`` is "36 invited, 2 no change"."""
    return ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts.items())


def words(value: object) -> str:
    """Say a value as a person would write it."""
    if isinstance(value, dict):
        return "; ".join(f"{name}: {words(inner)}" for name, inner in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(words(inner) for inner in value)
    return str(value)


def table(headers: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print rows under headers, aligned whatever the script."""
    lines = [list(headers), *([words(cell) for cell in row] for row in rows)]
    widths = [max(_width(line[column]) for line in lines) for column in range(len(headers))]
    for number, line in enumerate(lines):
        cells = (cell + " " * (width - _width(cell)) for cell, width in zip(line, widths, strict=True))
        text = "    " + "  ".join(cells).rstrip()
        say(f"{_DIM}{text}{_OFF}" if number == 0 else text)


def _width(text: str) -> int:
    """Return how many columns a terminal gives the text."""
    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in text)
    return len(text) - sum(unicodedata.combining(char) != 0 for char in text) + wide
