"""Data mapping tables with something wrong, each with the faults that are to be told: cell and code."""

from __future__ import annotations

import gzip
import io
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

import openpyxl

from rollcall.mapping.sheet import HEADER, MAX_TEXT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

MAIN, STRINGS, TYPES = "xl/worksheets/sheet1.xml", "xl/sharedStrings.xml", "[Content_Types].xml"
OFFICE = ("", "Office", "London", "→", "Segment", "Location", "Office 1", "")


@dataclass(frozen=True)
class Broken:
    """A sheet that is to be refused."""

    name: str
    make: Callable[[], bytes]
    faults: list[tuple[str, str]]


def workbook(*rows: Sequence[object]) -> bytes:
    """Return a workbook with these rows."""
    book = openpyxl.Workbook()
    assert book.active is not None
    for row in rows:
        book.active.append(list(row))
    body = io.BytesIO()
    book.save(body)
    return body.getvalue()


def _table(*rows: Sequence[object]) -> Callable[[], bytes]:
    return lambda: workbook(HEADER, *rows)


def _csv(*lines: str) -> Callable[[], bytes]:
    return lambda: "\r\n".join([",".join(HEADER), *lines]).encode()


def _with(changes: Mapping[str, bytes | None], *rows: Sequence[object]) -> Callable[[], bytes]:
    """Return a workbook some of whose parts are others, or are missing."""

    def make() -> bytes:
        body = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(workbook(HEADER, *rows))) as old, zipfile.ZipFile(body, "w", 8) as new:
            parts: dict[str, bytes | None] = {name: old.read(name) for name in old.namelist()}
            for name, part in (parts | dict(changes)).items():
                if part is not None:
                    new.writestr(name, part)
        return body.getvalue()

    return make


def _sheet_xml(rows: str, before: str = "") -> bytes:
    space = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    return f'<?xml version="1.0"?>{before}<worksheet xmlns="{space}"><sheetData>{rows}</sheetData></worksheet>'.encode()


def _strings_xml(text: str, before: str = "") -> bytes:
    space = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    return f'<?xml version="1.0"?>{before}<sst xmlns="{space}"><si><t>{text}</t></si></sst>'.encode()


def _strings_bomb() -> bytes:
    """Return a workbook whose shared strings hold an entity that grows to 200 MB."""
    with zipfile.ZipFile(io.BytesIO(workbook(HEADER, OFFICE))) as parts:
        types = parts.read(TYPES)
    kind = b"application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
    named = b'<Override PartName="/%b" ContentType="%b"/></Types>' % (STRINGS.encode(), kind)
    changes = {STRINGS: _strings_xml("&l8;", _BILLION), TYPES: types.replace(b"</Types>", named)}
    return _with(changes, OFFICE)()


def _encrypted() -> bytes:
    """Return a zip whose directory says that its parts are encrypted."""
    body = bytearray(workbook(HEADER, OFFICE))
    place = -1
    while (place := body.find(b"PK\x01\x02", place + 1)) >= 0:
        body[place + 8] |= 1
    return bytes(body)


def _million_rows() -> bytes:
    rows = "".join(f'<row r="{n}"><c r="C{n}"><v>1</v></c></row>' for n in range(1, 250_000))
    return _with({MAIN: _sheet_xml(rows)})()


def _zip(parts: Mapping[str, bytes]) -> bytes:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as new:
        for name, part in parts.items():
            new.writestr(name, part)
    return body.getvalue()


def _swapped(header: Sequence[str]) -> list[str]:
    return [header[0], header[2], header[1], *header[3:]]


_ENTITY = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/hostname">]>'
_LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 9))
_BILLION = f'<!DOCTYPE x [<!ENTITY l0 "ha">{_LAUGHS}]>'
_LONG = "x" * (MAX_TEXT + 1)
_NO = [("file", "bad_workbook")]
_NONE = [("file", "not_a_mapping_table")]
_LARGE = [("file", "workbook_too_large")]

BROKEN = [
    Broken("empty_zip", lambda: b"PK\x03\x04", _NO),
    Broken("half_a_workbook", lambda: workbook(HEADER, OFFICE)[:2_000], _NO),
    Broken("noise_behind_the_magic", lambda: b"PK\x03\x04" + bytes(range(256)) * 40, _NO),
    Broken("zip_of_something_else", lambda: _zip({"a.txt": b"hello"}), _NO),
    Broken("no_sheet_in_it", _with({MAIN: None}, OFFICE), _NONE),
    Broken("sheet_is_no_xml", _with({MAIN: b"not xml"}, OFFICE), _NO),
    Broken("external_entity", _with({MAIN: _sheet_xml("&a;", _ENTITY)}), _NO),
    Broken("entity_bomb", _with({MAIN: _sheet_xml("&l8;", _BILLION)}), _NO),
    Broken("shared_strings_bomb", _strings_bomb, _NO),
    Broken("bomb", _with({"xl/media/image.bin": b"\0" * 30_000_000}, OFFICE), _LARGE),
    Broken("many_parts", _with({f"xl/part{n}.xml": b"" for n in range(1_200)}, OFFICE), _LARGE),
    Broken("million_rows", _million_rows, _LARGE),
    Broken("two_megabytes", lambda: workbook(HEADER, OFFICE) + bytes(2_000_000), _LARGE),
    Broken("password", _encrypted, [("file", "old_workbook")]),
    Broken("old_excel", lambda: b"\xd0\xcf\x11\xe0" + bytes(2_000), [("file", "old_workbook")]),
    Broken("macros", _with({"xl/vbaProject.bin": b"x"}, OFFICE), [("file", "macros")]),
    Broken("pdf", lambda: b"%PDF-1.7 " + bytes(200), [("file", "pdf_not_csv")]),
    Broken("web_page", lambda: b"<html><table></table></html>", [("file", "markup_not_csv")]),
    Broken("gzip", lambda: gzip.compress(b"x" * 5_000, mtime=0), [("file", "binary")]),
    Broken("nothing", lambda: b"", [("file", "empty")]),
    Broken("empty_sheet", workbook, _NONE),
    Broken("members_file", lambda: workbook(["email", "first_name", "last_name"], ["a@example.com", "A", "B"]), _NONE),
    Broken("title_above_the_header", lambda: workbook(["Our rules"], HEADER, OFFICE), _NONE),
    Broken("rule_in_the_first_row", lambda: workbook(OFFICE, OFFICE), [("file", "no_header")]),
    Broken(
        "columns_moved_left",
        lambda: workbook(HEADER[1:], OFFICE[1:]),
        [(f"{column}1", "wrong_column") for column in "ABDEFG"],
    ),
    Broken(
        "columns_swapped", lambda: workbook(_swapped(HEADER), OFFICE), [("B1", "wrong_column"), ("C1", "wrong_column")]
    ),
    Broken("formula", _table((*OFFICE[:2], "=A1", *OFFICE[3:])), [("C2", "formula")]),
    Broken(
        "formulas_in_a_row",
        _table(("", "Office", "=A1", "", "=B1", "Location", "=C1", "")),
        [("C2", "formula"), ("E2", "formula"), ("G2", "formula")],
    ),
    Broken("error_value", _table((*OFFICE[:6], "#N/A", "")), [("G2", "error_value")]),
    Broken("no_field", _table(("", "", "London", "", *OFFICE[4:])), [("B2", "missing_field")]),
    Broken("no_value", _table(("", "Office", "", "", *OFFICE[4:])), [("C2", "missing_value")]),
    Broken("no_hub_type", _table(("", "Office", "London", "", "", "Location", "A", "")), [("E2", "missing_hub_type")]),
    Broken("number_as_hub_type", _table(("", "Office", "London", "", 7, "", "A", "")), [("E2", "unknown_hub_type")]),
    Broken("date_as_visibility", _table((*OFFICE[:7], "2026-01-01")), [("H2", "unknown_visibility")]),
    Broken("no_segment", _table(("", "Office", "London", "", "Segment", "", "A", "")), [("F2", "missing_hub_field")]),
    Broken("no_role", _table(("", "Office", "London", "", "Role", "", "", "")), [("G2", "missing_hub_attribute")]),
    Broken("long_value", _table(("", "Office", _LONG, "", "Role", "", "Mentor", "")), [("C2", "too_long")]),
    Broken("reserved_segment", _table(("", "A", "B", "", "Segment", "Status", "C", "")), [("F2", "reserved_name")]),
    Broken("duplicate_rule", _table(OFFICE, ("", "office ", "LONDON", "", *OFFICE[4:])), [("G3", "duplicate_rule")]),
    Broken(
        "same_role_twice_in_a_cell",
        _table(("", "A", "B", "", "Role", "", "Mentor; mentor", "")),
        [("G2", "duplicate_rule")],
    ),
    Broken(
        "contradicting_texts",
        _table(
            ("", "A", "B", "", "Profile field", "Desk", "1", ""), ("", "A", "b", "", "Profile field", "desk", "2", "")
        ),
        [("G3", "contradicting_rule")],
    ),
    Broken(
        "contradicting_options",
        _table(("", "A", "B", "", "Segment", "New", "x", ""), ("", "A", "B", "", "Segment", "New", "y", "")),
        [("G3", "contradicting_rule")],
    ),
    Broken(
        "two_visibilities",
        _table((*OFFICE[:7], "Public"), ("", "A", "B", "", "Segment", "Location", "C", "Hidden")),
        [("H3", "different_visibility")],
    ),
    Broken(
        "two_separators",
        _table(
            ("", "A", "* split at ,", "", "Role", "", "*", ""),
            ("", "A", "* split at /", "", "Segment", "Location", "*", ""),
        ),
        [("C3", "different_separator")],
    ),
    Broken(
        "long_separator", _table(("", "A", "* split at whatever", "", "Role", "", "*", "")), [("C2", "bad_separator")]
    ),
    Broken("csv_quote_not_closed", _csv(',Office,"London,,Role,,Mentor,'), [("row 2", "open_quote")]),
    Broken(
        "csv_every_row",
        _csv(",,A,,Role,,Mentor,", ",X,,,Role,,,"),
        [("B2", "missing_field"), ("C3", "missing_value"), ("G3", "missing_hub_attribute")],
    ),
    Broken(
        "all_in_one_row",
        _table(("", "", "", "", "Team", "", "", "Secret")),
        [("B2", "missing_field"), ("C2", "missing_value"), ("E2", "unknown_hub_type"), ("H2", "unknown_visibility")],
    ),
    Broken(
        "one_row_too_many",
        _csv(*(f",A,{n},,Role,,Mentor," for n in range(20_001))),
        [("file", "too_many_rows")],
    ),
]
