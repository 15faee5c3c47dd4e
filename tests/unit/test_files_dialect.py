"""Telling encoding and delimiter from the first bytes of a file."""

from __future__ import annotations

import io

import pytest

from rollcall.files.dialect import SAMPLE_BYTES, detect
from rollcall.files.rows import read_rows
from rollcall.runtime.errors import MalformedError


@pytest.mark.parametrize("kept", [1, 2, 3])
def test_a_sample_that_ends_inside_a_letter_is_still_utf_8(kept: int) -> None:
    """A letter of four bytes cut by the end of the sample does not make it Windows-1252."""
    sample = "name\nŁukasz 🙂".encode()
    assert detect(sample[: -4 + kept], whole=False).encoding == "utf-8"


def test_a_whole_file_that_ends_inside_a_letter_is_not_utf_8() -> None:
    """Where nothing follows, half a letter of UTF-8 is a letter of Windows-1252."""
    assert detect("name\nZoé".encode()[:-1], whole=True).encoding == "cp1252"


@pytest.mark.parametrize("line", [b"sep=;\r\n", b'"sep=;"\r\n', b"SEP=;\n"])
def test_a_separator_line_of_excel_is_obeyed_and_is_no_row(line: bytes) -> None:
    """The line that Excel writes to name the delimiter beats what the header looks like."""
    reader = read_rows(io.BytesIO(line + b"email;name, first\r\nana@example.com;Ana\r\n"))
    assert [row.cells for row in reader] == [{"email": "ana@example.com", "name, first": "Ana"}]


def test_a_delimiter_inside_quotation_marks_does_not_count() -> None:
    """The header is split where it is not quoted."""
    reader = read_rows(io.BytesIO(b'"Office; City; Land",email\n"Bonn; DE",ana@example.com\n'))
    assert list(reader.headers) == ["Office; City; Land", "email"]


def test_a_file_that_turns_binary_behind_the_sample_is_refused() -> None:
    """A NUL far into the file is found too; Python 3.11's csv would take it."""
    body = b"email,note\n" + b"ana@example.com,hello\n" * 5_000
    assert len(body) > SAMPLE_BYTES
    with pytest.raises(MalformedError) as caught:
        list(read_rows(io.BytesIO(body + b"a\0b,c\n")))
    assert [(fault.place, fault.code) for fault in caught.value.faults] == [("file", "binary")]
