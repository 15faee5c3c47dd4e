"""Cells that a spreadsheet neither runs nor breaks: formulas, several values in one cell, CSV lines. Pure.

A cell that begins with a formula character gets a leading apostrophe on export, which is taken away on import (OWASP
ASVS 5, 1.2.10). A text that already looks like that gets one more, so that writing and reading are exact inverses.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

BOM = b"\xef\xbb\xbf"
# Spreadsheets of East Asia read the full-width forms of = + - @ as the plain ones.
TRIGGERS = "=+-@\t\r\n\0\uff1d\uff0b\uff0d\uff20"
SEPARATOR = "; "
_SAFE = re.compile(f"'*[{re.escape(TRIGGERS)}]")
_GUARDED = re.compile(f"'+[{re.escape(TRIGGERS)}]")
# All separators that files come with, so that no reader can take one inside a cell for its own.
_TO_QUOTE = re.compile(r'[",;\t|\r\n]|^\s|\s$')
# All cells of a row with NUL around them: must any be quoted, guarded or mended? In most rows none must.
_BETWEEN = "\0"
_TO_LOOK_AT = re.compile(rf"[\",;\t|\r\n\ud800-\udfff]|\0['\s{re.escape(TRIGGERS.replace(_BETWEEN, ''))}]|\s\0")


def neutralise(text: str) -> str:
    """Return the text as a cell that no spreadsheet runs as a formula."""
    return f"'{text}" if _SAFE.match(text) else text


def restore(text: str) -> str:
    """Return the text that ``neutralise`` was given; any other text comes back as it is, ``'t Hart`` too."""
    return text[1:] if text.startswith("'") and _GUARDED.match(text) else text


def join_values(values: Iterable[str]) -> str:
    """Write several values into one cell: ``London; Toronto``.

    A value that holds a semicolon or begins with a quotation mark stands in quotation marks, doubled inside, as CSV
    does it. Surrounding spaces and blank values are dropped.
    """
    return SEPARATOR.join(_quoted(text) for value in values if (text := value.strip()))


def split_values(text: str) -> list[str]:
    """Read the values of one cell, as ``join_values`` writes them; spaces around semicolons do not matter."""
    values: list[str] = []
    place = 0
    while place < len(text):
        value, place = _next_value(text, place)
        if value:
            values.append(value)
    return values


def to_csv_line(cells: Sequence[str], delimiter: str = ",") -> str:
    """Return one line of a CSV file (RFC 4180, CRLF), its cells neutralised.

    What no spreadsheet and no UTF-8 file can hold is left out (NUL) or becomes ``?`` (half of a surrogate pair).
    """
    if len(cells) == 1 and not cells[0]:
        return '""\r\n'
    joined = _BETWEEN.join(cells)
    if joined.count(_BETWEEN) == len(cells) - 1 and not _TO_LOOK_AT.search(f"\0{joined}\0"):
        return joined.replace(_BETWEEN, delimiter) + "\r\n"
    line = delimiter.join([_csv_cell(cell) for cell in cells]) + "\r\n"
    return line if line.isascii() else line.encode("utf-8", "replace").decode()


def csv_head(header: Sequence[str]) -> bytes:
    """Return how a CSV file begins: a byte-order mark, which spreadsheets need to see that it is UTF-8, and a line."""
    return BOM + to_csv_line(header).encode()


def csv_lines(header: Sequence[str], rows: Iterable[Sequence[str]], delimiter: str = ",") -> Iterator[bytes]:
    """Yield the lines of a CSV file: UTF-8 with a byte-order mark, which spreadsheets need to see that it is UTF-8."""
    yield BOM + to_csv_line(header, delimiter).encode()
    for row in rows:
        yield to_csv_line(row, delimiter).encode()


def _quoted(value: str) -> str:
    if ";" in value or value.startswith('"'):
        return '"' + value.replace('"', '""') + '"'
    return value


def _next_value(text: str, place: int) -> tuple[str, int]:
    """Return the value that begins here, and the place behind its separator."""
    start = place
    while start < len(text) and text[start].isspace():
        start += 1
    if text.startswith('"', start):
        found = re.compile(r'"((?:[^"]|"")*)"\s*(?:;|\Z)').match(text, start)
        if found:
            return found[1].replace('""', '"').strip(), found.end()
    end = text.find(";", start)
    end = len(text) if end < 0 else end
    return text[start:end].strip(), end + 1


def _csv_cell(text: str) -> str:
    cell = neutralise(text.replace("\0", "") if "\0" in text else text)
    return '"' + cell.replace('"', '""') + '"' if _TO_QUOTE.search(cell) else cell
