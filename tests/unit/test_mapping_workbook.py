"""The data mapping table as a workbook: written, read again, and refused where it is broken."""

from __future__ import annotations

import io
import subprocess
import sys
import time
import zipfile
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import openpyxl
import pytest

from rollcall.files.workbook import read_workbook
from rollcall.mapping.sheet import (
    HEADER,
    WORKBOOK_LIMITS,
    SheetRow,
    Unmapped,
    read_sheet,
    resolve,
    table_rows,
    write_sheet,
)
from rollcall.mapping.table import ANY, MappingTable, OptionTarget, ProfileTarget, RoleTarget, Rule
from rollcall.mapping.workbook import CHOICES, SHEET, write_workbook
from rollcall.runtime.errors import MalformedError
from rollcall.segments.model import Catalogue, Option, Role, Segment, Visibility
from tests.support.broken_workbooks import BROKEN, Broken, workbook
from tests.support.office import save_as

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

OFFICES = Segment(
    "loc", "Location", multi=True, options=tuple(Option(f"o{number}", f"Office {number}") for number in range(2_000))
)
LEVEL = Segment("lvl", "Level", visibility=Visibility.HIDDEN, options=(Option("sr", "Senior; lead"),))
CATALOGUE = Catalogue(roles=(Role("mentor", "Mentor"), Role("mentee", "Mentee")), segments=(OFFICES, LEVEL))
SEEN = frozenset({"loc", "lvl"})
ROOT = Path(__file__).parents[2]


def _rules(count: int) -> tuple[Rule, ...]:
    rules = [
        Rule("Grade", "=1+1", RoleTarget("mentor"), 2, note="ask Ann", remark="since 2024"),
        Rule("Grade", "*", RoleTarget(ANY), 3),
        Rule("Title", "İstanbul 🌍 “lead”", ProfileTarget("Job title", ANY), 4),
        Rule("Title", "'quoted", ProfileTarget("Job title", "-x"), 5),
        Rule("Level", "0042", OptionTarget("lvl", "sr"), 6),
        Rule("Offices", ANY, OptionTarget("loc", ANY), 7, separator=","),
        Rule("Lines", ANY, OptionTarget("loc", ANY), 8, separator="\n"),
    ]
    rules += [
        Rule(f"Field {row % 200}", f"value {row}", OptionTarget("loc", f"o{row % 2_000}"), row)
        for row in range(9, count + 2)
    ]
    return tuple(rules)


def _read(body: bytes) -> tuple[Rule, ...]:
    return resolve(read_sheet(io.BytesIO(body)), CATALOGUE, lambda: "never").rules


def _rows(*rows: Sequence[object]) -> tuple[SheetRow, ...]:
    return read_sheet(io.BytesIO(workbook(HEADER, *rows))).rows


@pytest.mark.parametrize("count", [500, pytest.param(5_000, marks=pytest.mark.long)])
def test_rules_come_back_from_workbook_and_csv_as_they_went(count: int, figure: Callable[[str], None]) -> None:
    """XLSX → rules → XLSX → rules, and CSV ↔ XLSX: nothing is lost or changed, the free columns neither."""
    rules = _rules(count)
    assert len(rules) == count
    rows = list(table_rows(MappingTable(1, rules), CATALOGUE))
    from_workbook = _read(write_workbook(rows, CATALOGUE, SEEN))
    assert from_workbook == rules
    again = list(table_rows(MappingTable(2, from_workbook), CATALOGUE))
    assert again == rows
    from_csv = _read(b"".join(write_sheet(again)))
    assert from_csv == rules
    assert _read(write_workbook(table_rows(MappingTable(3, from_csv), CATALOGUE), CATALOGUE, SEEN)) == rules
    figure(f"mapping table: {count:,} rules came back from XLSX and CSV, both ways")


@pytest.mark.long
@pytest.mark.parametrize("form", ["xlsx", "csv:Text - txt - csv (StarCalc):59,34,76"])
def test_table_saved_by_libreoffice_gives_the_same_rules(
    form: str, tmp_path: Path, figure: Callable[[str], None]
) -> None:
    """Opened and saved as a workbook, or as CSV with semicolons, nothing has changed."""
    rules = _rules(1_000)
    file = tmp_path / "mapping.xlsx"
    file.write_bytes(write_workbook(table_rows(MappingTable(1, rules), CATALOGUE), CATALOGUE, SEEN))
    folder = tmp_path / "saved"
    folder.mkdir()
    assert _read(save_as(file, form, folder)) == rules
    figure(f"mapping table: 1,000 rules saved by LibreOffice as {form[:4].strip(':')} are the same")


def test_what_no_rule_covers_is_coloured_and_says_so() -> None:
    """Not by colour alone; and what was said there is no note of the rule that is written in its row."""
    rows = table_rows(MappingTable(0, ()), CATALOGUE, [Unmapped("Office", "Cairo", 3), Unmapped("Office", "Oslo", 1)])
    book = openpyxl.load_workbook(io.BytesIO(write_workbook(rows, CATALOGUE, SEEN)))
    sheet = book[SHEET]
    assert [sheet["A2"].value, sheet["A3"].value] == ["3 people, no rule yet", "1 person, no rule yet"]
    assert sheet["C2"].fill.fgColor.rgb == "00FFF2CC"
    sheet["E2"], sheet["G2"] = "Role", "Mentor"
    body = io.BytesIO()
    book.save(body)
    (rule,) = _read(body.getvalue())
    assert (rule.field, rule.value, rule.target, rule.note) == ("Office", "Cairo", RoleTarget("mentor"), "")


def test_sheet_is_laid_out_to_be_filled_in() -> None:
    """The header stays in sight, and there are lists to choose from, of what the asker may see only."""
    body = write_workbook(table_rows(MappingTable(1, _rules(10)), CATALOGUE), CATALOGUE, {"loc"})
    book = openpyxl.load_workbook(io.BytesIO(body))
    sheet, choices = book[SHEET], book[CHOICES]
    assert [cell.value for cell in sheet[1]] == [title or None for title in HEADER]
    assert (sheet.freeze_panes, sheet.auto_filter.ref) == ("A2", "A1:H20001")
    assert [str(choice.sqref)[0] for choice in sheet.data_validations.dataValidation] == ["E", "F", "G", "H"]
    assert [cell.value for cell in choices[1]] == ["Hub field", "Role", "Location"]
    assert sheet["C2"].data_type == "s"
    assert all(sheet.column_dimensions[column].width > 3 for column in "ABCDEFGH")


def test_cells_are_read_as_they_are_seen() -> None:
    """Numbers, dates, truths and percentages in C; a hidden row counts, and so does a merged field."""
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(HEADER)
    values: list[tuple[object, str, str]] = [
        (1042, "General", "1042"),
        (1043.0, "General", "1043"),
        (10.5, "General", "10.5"),
        (42, "00000", "00042"),
        (0.25, "0%", "25%"),
        (date(2026, 11, 28), "yyyy-mm-dd", "2026-11-28"),
        (datetime(2026, 11, 28, 9, 30), "yyyy-mm-dd hh:mm", "2026-11-28 09:30:00"),  # noqa: DTZ001 - as Excel has it
        (True, "General", "TRUE"),
        ("  London  ", "@", "London"),
        ("007", "@", "007"),
    ]
    for row, (value, shown_as, _) in enumerate(values, start=2):
        sheet.append([None, "Field" if row == 2 else None, value, None, "Role", None, "Mentor", None])
        sheet.cell(row, 3).number_format = shown_as
    sheet.merge_cells("B2:B11")
    sheet.row_dimensions[4].hidden = True
    body = io.BytesIO()
    book.save(body)
    rows = read_sheet(io.BytesIO(body.getvalue())).rows
    assert [(row.row, row.field, row.value) for row in rows] == [
        (number, "Field", said) for number, (_, _, said) in enumerate(values, start=2)
    ]


def test_the_table_is_found_among_other_sheets() -> None:
    """People put a sheet of instructions before it, and hide others."""
    book = openpyxl.Workbook()
    assert book.active is not None
    book.active.title = "Read me"
    book.active.append(["Please fill in the next sheet"])
    hidden = book.create_sheet("Old")
    hidden.append(HEADER)
    hidden.append(["", "Office", "Old", "", "Role", "", "Mentor", ""])
    hidden.sheet_state = "hidden"
    table = book.create_sheet("Rules")
    table.append(HEADER)
    table.append(["", "Office", "New", "", "Role", "", "Mentor", ""])
    body = io.BytesIO()
    book.save(body)
    assert [row.value for row in read_sheet(io.BytesIO(body.getvalue())).rows] == ["New"]


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.name)
def test_broken_sheet_is_refused_with_every_fault_and_its_cell(broken: Broken) -> None:
    """Each fault has its place, a stable code and a sentence; none takes long."""
    body = broken.make()
    started = time.process_time()
    with pytest.raises(MalformedError) as caught:
        resolve(read_sheet(io.BytesIO(body)), CATALOGUE, lambda: "new")
    assert time.process_time() - started < 5
    found = [(fault.place, fault.code) for fault in caught.value.faults]
    assert found == broken.faults
    assert all(len(fault.detail) > 18 and fault.detail[-1] in ".?" for fault in caught.value.faults)


@pytest.mark.parametrize("name", ["bomb", "million_rows", "shared_strings_bomb", "external_entity"])
def test_memory_is_bounded_whatever_the_sheet_claims(name: str, tmp_path: Path) -> None:
    """What a broken sheet costs is measured in a process of its own: at most 64 MB above an empty table."""
    (broken,) = (one for one in BROKEN if one.name == name)
    (tmp_path / "broken.xlsx").write_bytes(broken.make())
    (tmp_path / "empty.xlsx").write_bytes(workbook(HEADER))
    peaks = [
        int(subprocess.check_output([sys.executable, "-c", _PEAK, str(tmp_path / file)], cwd=ROOT, env=_ENVIRONMENT))
        for file in ("empty.xlsx", "broken.xlsx")
    ]
    assert peaks[1] - peaks[0] < 64 * 1_024


_ENVIRONMENT = {"PYTHONPATH": str(ROOT / "layers/rollcall/python")}
_PEAK = """
import resource, sys
from rollcall.mapping.sheet import read_sheet
try:
    with open(sys.argv[1], "rb") as file:
        read_sheet(file)
except Exception:
    pass
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_no_more_is_read_of_a_large_file_than_the_limit() -> None:
    """A file of 200 MB that begins like a workbook is not taken into memory."""

    class Endless(io.RawIOBase):
        given = 0

        def readable(self) -> bool:
            return True

        def read(self, size: int = -1) -> bytes:
            self.given += size
            return b"PK\x03\x04"[:size] if self.given <= 4 else b"x" * size

    stream = Endless()
    with pytest.raises(MalformedError) as caught:
        read_workbook(stream, WORKBOOK_LIMITS)  # type: ignore[arg-type]
    assert [fault.code for fault in caught.value.faults] == ["workbook_too_large"]
    assert stream.given <= 2 * WORKBOOK_LIMITS.packed


@pytest.mark.long
def test_twenty_thousand_rules_are_read(figure: Callable[[str], None]) -> None:
    """The limit itself is taken."""
    header = ["", *HEADER[1:]]
    rows = [["", f"F{row}", str(row), "", "Role", "", "Mentor", ""] for row in range(20_000)]
    started = time.process_time()
    assert len(read_sheet(io.BytesIO(workbook(header, *rows))).rows) == 20_000
    figure(f"mapping table: 20,000 rules read from a workbook in {time.process_time() - started:.1f} s of CPU")


def test_samples_are_zip_files_where_they_say_so() -> None:
    """The broken workbooks are what they are meant to be, not all refused for one reason."""
    codes = {code for broken in BROKEN for _, code in broken.faults}
    assert len(BROKEN) >= 40
    assert len(codes) >= 20
    assert sum(zipfile.is_zipfile(io.BytesIO(broken.make())) for broken in BROKEN) >= 25
