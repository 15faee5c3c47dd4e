"""Cells: formulas, several values in one cell, CSV lines."""

from __future__ import annotations

import csv
import io

import pytest

from rollcall.files.cells import BOM, csv_lines, join_values, neutralise, restore, split_values, to_csv_line


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+44 20 7946 0000",
        "-5",
        "@SUM(A1)",
        "\tx",
        "\rx",
        "\nx",
        "\0x",
        "\uff1d1",
        "\uff0b1",
        "\uff0d1",
        "\uff20x",
    ],
)
def test_cell_that_begins_like_a_formula_gets_an_apostrophe_and_comes_back(text: str) -> None:
    """What a spreadsheet would run is written with an apostrophe and read without it."""
    assert neutralise(text) == f"'{text}"
    assert restore(neutralise(text)) == text


@pytest.mark.parametrize("text", ["", "'t Hart", "'", "Łódź", "a=b", "O'Brien", " =1"])
def test_harmless_cell_stays_as_it_is(text: str) -> None:
    """Apostrophes of names are none of ours, neither on the way out nor in."""
    assert neutralise(text) == text
    assert restore(text) == text


def test_text_that_looks_neutralised_already_comes_back_whole() -> None:
    """Somebody's own apostrophe before a formula character survives a round trip."""
    assert neutralise("'=1") == "''=1"
    assert restore("''=1") == "'=1"
    assert restore(neutralise("'''=1")) == "'''=1"


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("London; Toronto", ["London", "Toronto"]),
        ("London;Toronto ;  ; ", ["London", "Toronto"]),
        ('"R&D; Ops"; London', ["R&D; Ops", "London"]),
        ('"Ana" Smith; Berlin', ['"Ana" Smith', "Berlin"]),
        ('"open; Berlin', ['"open', "Berlin"]),
        ("Washington, D.C.", ["Washington, D.C."]),
        (" ; ;", []),
    ],
)
def test_values_in_one_cell_are_split_as_people_write_them(text: str, values: list[str]) -> None:
    """Spaces do not matter, blanks are dropped, quotation marks keep a semicolon inside a value."""
    assert split_values(text) == values


def test_value_with_semicolon_is_written_in_quotation_marks() -> None:
    """A value may hold the separator."""
    assert join_values(["R&D; Ops", "London", ' "x" ', ""]) == '"R&D; Ops"; London; """x"""'


def test_written_file_is_what_the_csv_module_reads() -> None:
    """Byte-order mark, CRLF and quoting are those of RFC 4180, judged by another reader."""
    rows = [["a,b", 'say "hi"', "line\nbreak"], ["", " space ", "semi;colon"]]
    body = b"".join(csv_lines(["x", "y", "z"], rows))
    assert body.startswith(BOM)
    assert body.endswith(b"\r\n")
    assert list(csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""))) == [["x", "y", "z"], *rows]


def test_what_no_file_can_hold_is_left_out() -> None:
    """NUL and half a surrogate pair would make the file unreadable for everybody."""
    assert to_csv_line(["a\0b", "x\ud800y"]) == "ab,x?y\r\n"


def test_row_of_one_empty_cell_is_no_empty_line() -> None:
    """An empty line would not be read back as a row of one cell."""
    assert to_csv_line([""]) == '""\r\n'
