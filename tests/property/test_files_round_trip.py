"""Files: what is written is what is read, in every dialect; no cell begins like a formula."""

from __future__ import annotations

import csv
import io
import itertools
from typing import TYPE_CHECKING, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollcall.files.cells import (
    TRIGGERS,
    _csv_cell,
    csv_lines,
    join_values,
    neutralise,
    restore,
    split_values,
    to_csv_line,
)
from rollcall.files.rows import _cut, read_rows
from rollcall.runtime.errors import MalformedError
from tests.support.examples import examples

if TYPE_CHECKING:
    from collections.abc import Iterator

# Everything a file can hold: not NUL, not half of a surrogate pair.
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
TRICKY = st.text("='+-@\t\r\n\",;| |aé久\u200e\uff1d", max_size=8)
CELL = st.one_of(TRICKY, TEXT)
ROWS = st.lists(st.lists(CELL, min_size=3, max_size=3).filter(lambda row: any(map(str.strip, row))), max_size=6)
DIALECTS = [
    (delimiter, encoding, end)
    for delimiter, encoding, end in itertools.product(
        ",;\t|", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"], ["\r\n", "\n", "\r"]
    )
]


@settings(max_examples=examples(500), deadline=None)
@given(CELL)
def test_neutralised_text_is_safe_and_comes_back(text: str) -> None:
    """No cell begins with a character that starts a formula, and restoring gives exactly what there was (T10)."""
    cell = neutralise(text)
    assert not cell.startswith(tuple(TRIGGERS))
    assert restore(cell) == text


@settings(max_examples=examples(500), deadline=None)
@given(st.lists(st.one_of(st.text('"; a', max_size=6), TEXT), max_size=6))
def test_joined_values_are_split_into_the_same(values: list[str]) -> None:
    """Any values survive sharing a cell, but for surrounding spaces and blanks."""
    assert split_values(join_values(values)) == [value.strip() for value in values if value.strip()]


@settings(max_examples=examples(300), deadline=None)
@given(st.sampled_from(",;\t|"), ROWS)
def test_written_file_is_read_back_the_same(delimiter: str, rows: list[list[str]]) -> None:
    """What we export is what we import, whatever is in the cells."""
    body = b"".join(csv_lines(["x", "y", "z"], rows, delimiter))
    assert [list(row.cells.values()) for row in read_rows(io.BytesIO(body))] == rows


@settings(max_examples=examples(500), deadline=None)
@given(st.sampled_from(",;\t|"), st.lists(st.one_of(CELL, st.text(max_size=3)), min_size=2, max_size=6))
def test_a_line_is_its_cells_one_by_one(delimiter: str, cells: list[str]) -> None:
    """A row in which nothing needs a mark is written at once, and no other than cell by cell."""
    line = to_csv_line(cells, delimiter)
    one_by_one = delimiter.join(_csv_cell(cell) for cell in cells).encode("utf-8", "replace").decode()
    assert line == one_by_one + "\r\n"


@pytest.mark.parametrize(("delimiter", "encoding", "end"), DIALECTS)
def test_file_in_any_dialect_is_read_the_same(delimiter: str, encoding: str, end: str) -> None:
    """All 72 ways to save one table give one table: quoted breaks, emoji, empty lines, columns in any order."""
    party = "" if encoding == "cp1252" else "🎈 久美子"
    rows = [
        ["Zoë", "a,b;c|d\te", "first\nsecond\r\nthird", party],
        ["O'Brien-Ñúñez", 'say "hi"', "", "x"],
        ["", "Straße", "'t Hart", party],
    ]
    out = io.StringIO(newline="")
    # With CR alone as the line end, the csv module leaves LF inside a cell without quotation marks.
    quoting: Literal[0, 1] = csv.QUOTE_ALL if end == "\r" else csv.QUOTE_MINIMAL
    writer = csv.writer(out, delimiter=delimiter, lineterminator=end, quoting=quoting)
    writer.writerow(["LAST Name", "First-name", "Über", "e-mail"])
    for row in rows:
        out.write(end)
        writer.writerow(row)
    body = out.getvalue()
    # Of the two with a mark the codec writes one of its own; the mark of UTF-16 BE is written by hand.
    mark = "\ufeff" if encoding == "utf-16-be" else ""
    reader = read_rows(io.BytesIO((mark + body).encode(encoding)), known=["email", "first_name", "last_name"])
    assert (reader.headers, reader.extra) == (("last_name", "first_name", "Über", "email"), ("Über",))
    assert [list(row.cells.values()) for row in reader] == rows


@settings(max_examples=examples(100), deadline=None)
@given(st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]), st.sampled_from(",;\t|"), ROWS)
def test_any_text_survives_any_unicode_encoding(encoding: str, delimiter: str, rows: list[list[str]]) -> None:
    """Names in any script, controls and quotation marks are read as they were written, in each Unicode encoding."""
    text = "".join(to_csv_line(row, delimiter) for row in [["x", "y", "z"], *rows])
    read = read_rows(io.BytesIO(text.encode(encoding)))
    assert [list(row.cells.values()) for row in read] == rows


@settings(max_examples=examples(300), deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    """Whatever is uploaded ends in rows or in an error of ours with a sentence, never in another exception."""
    try:
        rows = list(read_rows(io.BytesIO(body)))
    except MalformedError as refused:
        assert all(fault.detail.endswith((".", "?")) for fault in refused.faults)  # noqa: PT017 - either outcome is right
    else:
        assert all(any(map(str.strip, row.cells.values())) or row.faults for row in rows)


@settings(max_examples=examples(500), deadline=None)
@given(st.sampled_from(",;\t|"), st.text('ab"",;\t| \r\n\u2028', max_size=40))
def test_lines_that_are_cut_quickly_are_what_the_csv_reader_makes_of_them(delimiter: str, text: str) -> None:
    """The same rows, then the same fault, whatever stands in a file."""

    def rows(records: Iterator[list[str]]) -> list[object]:
        found: list[object] = []
        try:
            found.extend(records)
        except csv.Error as exc:
            found.append(str(exc))
        return found

    limit = csv.field_size_limit(6)
    try:
        cut = rows(_cut(io.StringIO(text, newline=""), delimiter, 6))
        assert cut == rows(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    finally:
        csv.field_size_limit(limit)
