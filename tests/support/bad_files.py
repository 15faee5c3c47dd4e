"""Sixty files that are no good invite file, each as it comes about, and what it is answered with."""

from __future__ import annotations

import gzip
import io
import zipfile
from dataclasses import dataclass

HEADER = "email,first_name,last_name,role\r\n"
GOOD = "maya@example.com,Maya,Okafor,Mentor\r\n"
TABLE = HEADER + GOOD
_BIG = 70_000  # beyond the sample that the dialect is told by


@dataclass(frozen=True)
class Bad:
    """A bad file.

    Attributes
    ----------
    code
        Of the one fault; of row faults, of the first row that has any.
    place
        ``file``, ``header``, ``row N``, or the column of a row with faults.
    """

    name: str
    body: bytes
    code: str
    place: str = "file"


def _zip(name: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(name, TABLE)
    return out.getvalue()


def _row(line: str | bytes, header: str = HEADER) -> bytes:
    return header.encode() + (line if isinstance(line, bytes) else line.encode()) + b"\r\n"


_FILLER = GOOD.encode() * (_BIG // len(GOOD))
_UTF16 = b"\xff\xfe" + TABLE.encode("utf-16-le")

EMPTY = [
    Bad("nothing", b"", "empty"),
    Bad("spaces", b"   \t ", "empty"),
    Bad("line ends", b"\r\n\r\n\n\n", "empty"),
    Bad("mark alone", b"\xef\xbb\xbf", "empty"),
    Bad("mark and line ends", b"\xef\xbb\xbf\r\n\r\n", "empty"),
    Bad("UTF-16 mark alone", b"\xff\xfe", "empty"),
    Bad("delimiters alone", b",,,\r\n,,,\r\n", "empty"),
    Bad("quoted nothing", b'"",""\r\n', "empty"),
    Bad("separator line alone", b"sep=;\r\n", "empty"),
]
OTHER_FILES = [
    Bad("workbook", _zip("xl/workbook.xml"), "xlsx_not_csv"),
    Bad("OpenDocument sheet", _zip("content.xml"), "xlsx_not_csv"),
    Bad("zipped table", _zip("invites.csv"), "xlsx_not_csv"),
    Bad("old workbook", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "xlsx_not_csv"),
    Bad("PDF", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj", "pdf_not_csv"),
    Bad("rich text", b"{\\rtf1\\ansi maya@example.com}", "rtf_not_csv"),
    Bad("web page", b"<!DOCTYPE html><html><body>Sign in</body></html>", "markup_not_csv"),
    Bad("web page in capitals", b"\r\n  <HTML><table><tr><td>email</td></tr></table></HTML>", "markup_not_csv"),
    Bad("table of a page", b"<table><tr><td>email</td></tr></table>", "markup_not_csv"),
    Bad("XML", b'<?xml version="1.0"?><rows/>', "markup_not_csv"),
    Bad("XML in UTF-16", b"\xff\xfe" + '<?xml version="1.0"?><rows/>'.encode("utf-16-le"), "markup_not_csv"),
    Bad("gzip", gzip.compress(TABLE.encode() * 20, mtime=0), "binary"),
    Bad("picture", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0", "binary"),
    Bad("photo", b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0", "binary"),
    Bad("program", b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0", "binary"),
    Bad("noise", bytes(range(1, 32)) * 40 + b"\xe9", "binary"),
    Bad("UTF-32", TABLE.encode("utf-32"), "binary"),
]
BYTES = [
    Bad("NUL in a cell", _row(b"maya@example.com,Ma\0ya,Okafor,Mentor"), "binary"),
    Bad("NUL far behind", HEADER.encode() + _FILLER + b"a\0b@example.com,,,Mentor\r\n", "binary"),
    Bad("NUL at the end", TABLE.encode() + b"\0", "binary"),
    Bad("UTF-16 cut in a letter", _UTF16[:-1], "bad_encoding"),
    Bad("UTF-16 cut in a pair", b"\xff\xfe" + (TABLE + "🎈").encode("utf-16-le")[:-2], "bad_encoding"),
    Bad("UTF-16 cut far behind", b"\xff\xfe" + (TABLE + GOOD * 1_000).encode("utf-16-le")[:-1], "bad_encoding"),
    Bad("half a pair in UTF-16", b"\xff\xfe" + TABLE.encode("utf-16-le") + b"\x00\xd8,\0", "bad_encoding"),
    Bad("NUL in UTF-16", _UTF16 + "a\0b".encode("utf-16-le"), "binary"),
    Bad(
        "marked UTF-8 that is not", b"\xef\xbb\xbf" + _row("zoë@example.com,,,Mentor".encode("cp1252")), "bad_encoding"
    ),
    Bad(
        "two encodings",
        HEADER.encode() + "zoe@example.com,Zoë,,Mentor\r\n".encode() + _FILLER + "x,Weiß\r\n".encode("cp1252"),
        "bad_encoding",
    ),
    Bad("letter that no code page has", _row(b"maya@example.com,M\x81\xe9,,Mentor"), "bad_encoding"),
]
SHAPE = [
    Bad("mark never closed", _row('maya@example.com,"Maya,Okafor,Mentor'), "open_quote", "row 2"),
    Bad("mark closed far behind", _row('maya@example.com,"' + "x" * 5_000 + '",,Mentor'), "field_too_long", "row 2"),
    Bad("mark never closed in a long file", _row('"maya@example.com') + _FILLER, "field_too_long", "row 2"),
    Bad("text behind a mark", _row('maya@example.com,"Maya" x,,Mentor'), "bad_quotes", "row 2"),
    Bad("marks of another program", _row('maya@example.com,"say \\"hi\\"",,Mentor'), "bad_quotes", "row 2"),
    Bad("cell of 4,097 letters", _row("maya@example.com," + "x" * 4_097 + ",,Mentor"), "field_too_long", "row 2"),
    Bad("line without an end", HEADER.encode() + b"x," * 2_200_000, "line_too_long"),
    Bad("row without an end", ('"' + "x\n" * 2_000 + '",').encode() * 1_100, "row_too_long"),
    Bad("too many columns", (",".join(f"c{n}" for n in range(201)) + "\r\n").encode(), "too_many_columns"),
    Bad("too many cells", _row("maya@example.com,Maya,Okafor,Mentor,London"), "ragged_row", "row 2"),
    Bad("comma in a cell without marks", _row("maya@example.com,Maya,Okafor, Jr.,Mentor"), "ragged_row", "row 2"),
]
HEADERS = [
    Bad("no header", GOOD.encode() * 2, "no_header"),
    Bad("title above the header", b"Invitations 2026\r\n" + TABLE.encode(), "missing_column", "header"),
    Bad("header of another file", b"external_id,status\r\nE-1,active\r\n", "missing_column", "header"),
    Bad("header in other words", b"Adresse,Vorname\r\nmaya@example.com,Maya\r\n", "missing_column", "header"),
    Bad("prose", b"Dear team, please invite everybody.\r\nThanks, Maya\r\n", "missing_column", "header"),
    Bad("JSON", b'[{"email": "maya"}]', "missing_column", "header"),
]
ROWS = [
    Bad("no address", _row(",Maya,Okafor,Mentor"), "missing_value", "email"),
    Bad("half an address", _row("maya@,Maya,Okafor,Mentor"), "bad_email", "email"),
    Bad("two addresses", _row("maya@example.com; ana@example.com,,,Mentor"), "bad_email", "email"),
    Bad("letters that were spoilt before", _row("maya@exa\ufffdmple.com,,,Mentor"), "bad_email", "email"),
    Bad("unknown role", _row("maya@example.com,Maya,Okafor,Boss"), "unknown_role", "role"),
    Bad("no role", _row("maya@example.com,Maya,Okafor,"), "missing_value", "role"),
    Bad("row cut short", _row("maya@example.com"), "missing_value", "role"),
    Bad("name of 201 letters", _row(f"maya@example.com,{'x' * 201},,Mentor"), "too_long", "first_name"),
]
BAD_FILES = [*EMPTY, *OTHER_FILES, *BYTES, *SHAPE, *HEADERS, *ROWS]
