"""Reading CSV files as they really come: dialects, encodings, limits, and what is refused with which sentence."""

from __future__ import annotations

import io
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

import pytest

from rollcall.files.rows import Limits, read_rows
from rollcall.runtime.errors import MalformedError

if TYPE_CHECKING:
    from collections.abc import Iterator

SAMPLES = Path(__file__).parents[2] / "events" / "csv"
KNOWN = ("email", "first_name", "last_name", "role", "Location", "Languages", "language", "ref")
FIVE = ["maya.okafor", "lukasz.zolkiewski", "kumiko.tanaka", "siobhan.obrien", "layla.haddad"]


class Trickle(io.BytesIO):
    """A stream that gives a few bytes at a time, as a network does."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Return at most 7 bytes."""
        return super().read(7 if size is None or size < 0 else min(size, 7))


def _fault(body: bytes, limits: Limits | None = None, required: tuple[str, ...] = ()) -> tuple[str, str]:
    with pytest.raises(MalformedError) as caught:
        list(read_rows(io.BytesIO(body), limits or Limits(), KNOWN, required))
    assert len(caught.value.faults) == 1
    return caught.value.faults[0].place, caught.value.faults[0].code


def _samples(pattern: str) -> list[str]:
    return sorted(path.name for path in SAMPLES.glob(pattern))


@pytest.mark.parametrize("name", [name for name in _samples("invites-*") if "1252" not in name and "reord" not in name])
def test_same_file_in_any_dialect_gives_the_same_rows(name: str) -> None:
    """Encoding, delimiter and line ends of a file make no difference to what is read."""
    rows = list(read_rows(Trickle((SAMPLES / name).read_bytes()), known=KNOWN))
    assert [row.cells["email"].removesuffix("@example.com") for row in rows] == FIVE
    assert [row.number for row in rows] == [2, 3, 4, 5, 6]
    assert rows[2].cells["last_name"] == "田中"
    assert rows[0].cells["Languages"] == "English; Yoruba"
    assert not any(row.faults for row in rows)


def test_windows_1252_file_keeps_its_accents() -> None:
    """What a German spreadsheet saves by default is read with its letters."""
    rows = list(read_rows(io.BytesIO((SAMPLES / "invites-semicolon_windows1252.csv").read_bytes()), known=KNOWN))
    assert [row.cells["last_name"] for row in rows] == ["Okafor", "Lefèvre"]


def test_reordered_renamed_and_extra_columns_are_matched_and_reported() -> None:
    """Known columns are found however they are spelled; others are kept under their own name and told."""
    reader = read_rows(io.BytesIO((SAMPLES / "invites-reordered_renamed_extra.csv").read_bytes()), known=KNOWN)
    rows = list(reader)
    assert reader.headers == ("last_name", "email", "Shoe size", "Location", "first_name", "role", "HRIS: Department")
    assert reader.extra == ("Shoe size", "HRIS: Department")
    assert [row.number for row in rows] == [2, 4]
    assert rows[1].cells["HRIS: Department"] == 'Partnerships, "East"\nand West'


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("bad-empty.csv", "empty"),
        ("bad-blank_lines.csv", "empty"),
        ("bad-xlsx_renamed.csv", "xlsx_not_csv"),
        ("bad-xls_renamed.csv", "xlsx_not_csv"),
        ("bad-pdf.csv", "pdf_not_csv"),
        ("bad-html.csv", "markup_not_csv"),
        ("bad-xml.csv", "markup_not_csv"),
        ("bad-binary.csv", "binary"),
        ("bad-nul_in_row.csv", "binary"),
        ("bad-no_header.csv", "no_header"),
    ],
)
def test_wrong_file_is_refused_with_one_fault(name: str, code: str) -> None:
    """A file that is no CSV file gets one sentence, at the place ``file``."""
    assert _fault((SAMPLES / name).read_bytes()) == ("file", code)


def test_every_bad_sample_is_refused() -> None:
    """A new bad sample in the folder is a new check."""
    for name in _samples("bad-*"):
        with pytest.raises(MalformedError):
            list(read_rows(io.BytesIO((SAMPLES / name).read_bytes()), known=KNOWN, required=("email",)))


def test_workbook_is_answered_with_how_to_save_it() -> None:
    """The sentence tells what to do, not only what is wrong."""
    with pytest.raises(MalformedError, match="Save As, “CSV UTF-8"):
        read_rows(io.BytesIO((SAMPLES / "bad-xlsx_renamed.csv").read_bytes()))


def test_missing_columns_are_all_named_at_once() -> None:
    """One answer lists every column that is needed and not there."""
    with pytest.raises(MalformedError) as caught:
        read_rows(io.BytesIO(b"first_name\r\nMaya\r\n"), known=KNOWN, required=("email", "role"))
    assert [(fault.place, fault.code) for fault in caught.value.faults] == [("header", "missing_column")] * 2


def test_known_column_twice_is_refused() -> None:
    """Nobody can tell which of two columns of one meaning counts."""
    assert _fault(b"email,E-Mail\r\nx,y\r\n") == ("header", "duplicate_column")


def test_unknown_column_twice_keeps_both() -> None:
    """Two columns that nobody reads stay apart."""
    rows = list(read_rows(io.BytesIO(b"email,note,note\r\na,b,c\r\n")))
    assert rows[0].cells == {"email": "a", "note": "b", "note (2)": "c"}


def test_ragged_row_is_one_fault_and_the_others_are_read() -> None:
    """A row with a cell too many does not spoil its neighbours; cells left out or empty at the end are no fault."""
    rows = list(read_rows(io.BytesIO(b"email,role\r\na\r\nb,Mentor\r\nc,Mentor,x\r\nd,Mentor,,\r\n")))
    assert [(fault.place, fault.code) for row in rows for fault in row.faults] == [("row 4", "ragged_row")]
    assert [row.cells["role"] for row in rows] == ["", "Mentor", "Mentor", "Mentor"]


def test_rows_are_counted_as_a_spreadsheet_shows_them() -> None:
    """Empty rows and cells with line breaks do not move the numbers that people see beside their rows."""
    rows = list(read_rows(io.BytesIO(b'\r\nemail,note\r\n\r\na,"x\r\ny"\r\n,\r\n , \r\nb,z\r\n')))
    assert [(row.number, row.cells["email"]) for row in rows if not row.faults] == [(4, "a"), (7, "b")]


@pytest.mark.parametrize(
    ("body", "limits", "expected"),
    [
        (b"a,b\r\n" + b"x" * 51 + b",y\r\n", Limits(field=50), ("row 2", "field_too_long")),
        (b"a,b,c\r\n1,2,3\r\n", Limits(columns=2), ("file", "too_many_columns")),
        (b"a,b\r\n1,2\r\n3,4\r\n", Limits(rows=1), ("file", "too_many_rows")),
        (b"a,b\r\n" + b"x" * 200_000, Limits(line=100_000), ("file", "line_too_long")),
        (b'a,b\r\n1,"2\r\n3,4\r\n', Limits(), ("row 2", "open_quote")),
        (b'a,b\r\n1,"2" x\r\n', Limits(), ("row 2", "bad_quotes")),
    ],
)
def test_file_beyond_a_limit_is_refused_with_its_place(body: bytes, limits: Limits, expected: tuple[str, str]) -> None:
    """Each limit has its own code, and the row where one can be named."""
    assert _fault(body, limits) == expected


def test_file_at_the_limits_is_read() -> None:
    """The limits themselves are allowed."""
    rows = list(read_rows(io.BytesIO(b"a,b\r\n" + b"x" * 50 + b",y\r\n1,2\r\n"), Limits(field=50, columns=2, rows=2)))
    assert len(rows) == 2


def test_header_with_a_delimiter_inside_quotation_marks_is_not_misled() -> None:
    """The delimiter is told with quotation marks respected, and from the rows where the header leaves a doubt."""
    reader = read_rows(io.BytesIO(b'"Last, first";email\r\n"Okafor, Maya";m@example.com\r\n'))
    assert reader.dialect.delimiter == ";"
    doubtful = read_rows(io.BytesIO(b"email;City, country\r\na@example.com;Berlin\r\nb@example.com;Cairo\r\n"))
    assert doubtful.dialect.delimiter == ";"


def test_character_cut_at_the_end_of_the_sample_is_not_misjudged() -> None:
    """Two and three bytes of UTF-8 across the border of the sample, and of a later chunk, stay one letter."""
    for letter in ("é", "久", "🎈"):
        for border in (65_536, 131_072):
            for cut in range(1, len(letter.encode())):
                filler = b"name\r\n" + (b"x" * 1_000 + b"\r\n") * 140
                rows = list(read_rows(io.BytesIO(filler[: border - cut] + letter.encode() + b"\r\nend\r\n")))
                assert [row.cells["name"].lstrip("x") for row in rows[-2:]] == [letter, "end"]


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_first_accent_far_behind_the_sample_is_read_in_its_encoding(encoding: str) -> None:
    """A file whose first 64 KiB are plain ASCII is judged by its first letter beyond them."""
    body = ("name\r\n" + "x" * 20 + "\r\n") * 4_000 + "Müller\r\n"
    rows = list(read_rows(io.BytesIO(body.encode(encoding))))
    assert rows[-1].cells["name"] == "Müller"


def test_file_in_two_encodings_is_refused() -> None:
    """Bytes that are not UTF-8 in a file that began as UTF-8 are told, not turned into other letters."""
    body = "name\r\nMüller\r\n".encode() + b"x\r\n" * 40_000 + "Weiß\r\n".encode("cp1252")
    assert _fault(body) == ("file", "bad_encoding")


def test_formulas_are_restored_in_cells_and_headers() -> None:
    """What was neutralised on export is what it was again."""
    rows = list(read_rows(io.BytesIO(b"'=x,phone\r\n'=1+1,'+44 20\r\n")))
    assert rows[0].cells == {"=x": "=1+1", "phone": "+44 20"}


def test_large_file_is_read_in_flat_memory() -> None:
    """Ten times the rows do not take more memory."""

    def peak(rows: int) -> int:
        def lines() -> Iterator[bytes]:
            yield b"email,first_name,role\r\n"
            for number in range(rows):
                yield b"person%d@example.com,Maya,Mentor\r\n" % number

        class Stream(io.RawIOBase):
            """Makes its bytes as it is read."""

            def __init__(self) -> None:
                self.lines = lines()

            def read(self, size: int = -1, /) -> bytes:
                """Return some lines."""
                return b"".join(line for _, line in zip(range(size // 40), self.lines, strict=False))

        tracemalloc.start()
        read = 0
        for _ in read_rows(cast("BinaryIO", Stream())):
            read += 1
        assert read == rows
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert peak(20_000) < 1.2 * peak(4_000)
