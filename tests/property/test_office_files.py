"""Files as LibreOffice saves them: every delimiter and encoding of its CSV filter, read as they were meant."""

from __future__ import annotations

import csv
import io
import itertools
from typing import TYPE_CHECKING

import pytest

from rollcall.files.rows import read_rows
from tests.support.office import save_as

if TYPE_CHECKING:
    from pathlib import Path

# Numbers of character sets in LibreOffice ("Filter Options for CSV Files" in its help): what each can hold.
ENCODINGS = {76: "utf-8", 65535: "utf-16", 1: "cp1252"}
HEADER = ["LAST Name", "First-name", "Über", "e-mail"]
ROWS = [
    ["Zoë", "a,b;c|d", "first\nsecond", "zoe@example.com"],
    ["O'Brien-Ñúñez", 'say "hi"', "", "ana@example.com"],
    ["'t Hart", "007", "1,5", "hart@example.com"],
]
EMOJI = ["Tanaka", "久美子 🎈", "", "kumiko@example.com"]


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("delimiter", "encoding", "quoted"), list(itertools.product(",;\t|", ENCODINGS, ["false", "true"]))
)
def test_what_libreoffice_saves_is_read_as_it_was_meant(
    delimiter: str,
    encoding: int,
    quoted: str,
    tmp_path: Path,
) -> None:
    """A table typed into Calc and saved as text with any delimiter, encoding and quoting has the same cells here."""
    rows = ROWS if ENCODINGS[encoding] == "cp1252" else [*ROWS, EMOJI]
    out = io.StringIO(newline="")
    csv.writer(out).writerows([HEADER, *rows[:1], [], *rows[1:]])
    typed = tmp_path / "typed" / "invites.csv"
    typed.parent.mkdir()
    typed.write_text(out.getvalue(), encoding="utf-8", newline="")
    # Read as text, all of it (format 2), so that 007 stays; saved as shown.
    columns = "/".join(f"{column}/2" for column in range(1, 5))
    sheet = tmp_path / "invites.fods"
    sheet.write_bytes(save_as(typed, "fods", tmp_path, f"--infilter=CSV:44,34,76,1,{columns}"))
    saved = tmp_path / "saved"
    saved.mkdir()
    options = f"{ord(delimiter)},34,{encoding},1,,0,{quoted},true,false"
    body = save_as(sheet, f"csv:Text - txt - csv (StarCalc):{options}", saved)
    reader = read_rows(io.BytesIO(body), known=["email", "first_name", "last_name"])
    assert (reader.headers, reader.extra) == (("last_name", "first_name", "Über", "email"), ("Über",))
    assert reader.dialect.delimiter == delimiter
    assert [list(row.cells.values()) for row in reader] == rows
