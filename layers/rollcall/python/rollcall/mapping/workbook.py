"""The data mapping table as a workbook that is good to fill in: widths, frozen header, lists to choose from, colours.

What no rule covers yet is coloured *and* says so in words, in column A. The lists to choose from lie on a second sheet;
they suggest and do not forbid, since a table may name roles and options that are still to be made.
"""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

from rollcall.mapping.sheet import HEADER, PROFILE, ROLE, SEGMENT
from rollcall.segments.model import Visibility
from rollcall.segments.options import clean_label

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from openpyxl.worksheet.worksheet import Worksheet

    from rollcall.mapping.sheet import SheetCells
    from rollcall.segments.model import Catalogue

SHEET, CHOICES = "Data mapping", "Choices"
_WIDTHS = (30, 26, 30, 4, 15, 24, 28, 12)
_MOST_ROWS = 20_001
_LAST = "ZZ"
_NOT_XML = re.compile("[\ud800-\udfff\ufffe\uffff]")


def write_workbook(rows: Iterable[SheetCells], catalogue: Catalogue, visible: Collection[str]) -> bytes:
    """Return the table as XLSX.

    Parameters
    ----------
    rows
        As ``mapping.sheet.table_rows`` gives them.
    visible
        Ids of the segments whose names and options may stand in the lists to choose from.
    """
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.styles import Alignment, Font, PatternFill

    book = Workbook(write_only=True)
    sheet = book.create_sheet(SHEET)
    _lay_out(sheet)
    head, open_one = PatternFill("solid", fgColor="1F3A5F"), PatternFill("solid", fgColor="FFF2CC")
    titles = []
    for title in HEADER:
        cell = WriteOnlyCell(sheet, title)
        cell.font, cell.fill, cell.alignment = (
            Font(name="Calibri", bold=True, color="FFFFFF"),
            head,
            Alignment(vertical="center"),
        )
        titles.append(cell)
    sheet.append(titles)
    for row in rows:
        cells = []
        for text in row.cells:
            cell = WriteOnlyCell(sheet, _writable(text) or None)
            cell.data_type = "s" if text else "n"  # a text that begins with = is no formula
            cell.number_format = "@"
            if row.is_open:
                cell.fill = open_one
            cells.append(cell)
        sheet.append(cells)
    _add_choices(sheet, book.create_sheet(CHOICES), catalogue, visible)
    body = io.BytesIO()
    book.save(body)
    return body.getvalue()


def _lay_out(sheet: Worksheet) -> None:
    from openpyxl.worksheet.properties import PageSetupProperties

    for column, width in zip("ABCDEFGH", _WIDTHS, strict=True):
        sheet.column_dimensions[column].width = width
    sheet.freeze_panes = "A2"
    sheet.page_setup.orientation, sheet.page_setup.fitToHeight = "landscape", 0
    sheet.sheet_properties.pageSetUpPr = PageSetupProperties(fitToPage=True)
    sheet.auto_filter.ref = f"A1:H{_MOST_ROWS}"


def _add_choices(sheet: Worksheet, lists: Worksheet, catalogue: Catalogue, visible: Collection[str]) -> None:
    segments = [segment for segment in catalogue.segments if segment.segment_id in visible]
    columns: list[Sequence[str]] = [
        ("Hub field", *(segment.name for segment in segments)),
        (ROLE, *(role.label for role in catalogue.roles if not role.archived)),
    ]
    columns += [
        (segment.name, *(option.label for option in segment.options if not option.archived)) for segment in segments
    ]
    for number in range(max(map(len, columns))):
        lists.append([_writable(column[number]) if number < len(column) else None for column in columns])
    heads = f"{CHOICES}!$A$1:${_LAST}$1"
    place = f'MATCH(IF($E2="{ROLE}","{ROLE}",$F2),{heads},0)'
    how_many = f"MAX(1,COUNTA(INDEX({CHOICES}!$A:${_LAST},0,{place}))-1)"
    _choose(sheet, "E", f'"{ROLE},{SEGMENT},{PROFILE}"')
    _choose(sheet, "F", f"{CHOICES}!$A$2:$A${max(2, len(columns[0]))}")
    _choose(sheet, "G", f"OFFSET({CHOICES}!$A$2,0,{place}-1,{how_many},1)")
    _choose(sheet, "H", '"{}"'.format(",".join(visibility.capitalize() for visibility in Visibility)))


def _writable(text: str) -> str:
    """Return the text without what no XML can hold."""
    return _NOT_XML.sub("", clean_label(text))


def _choose(sheet: Worksheet, column: str, formula: str) -> None:
    from openpyxl.worksheet.datavalidation import DataValidation

    choice = DataValidation(type="list", formula1=formula, allow_blank=True, showErrorMessage=False)
    choice.add(f"{column}2:{column}{_MOST_ROWS}")
    sheet.data_validations.append(choice)
