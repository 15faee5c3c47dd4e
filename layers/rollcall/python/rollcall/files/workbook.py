"""Rows of an XLSX workbook, within limits that keep bombs and external entities out. Pure on the bytes it is given.

A workbook is small (1 MB packed) and is read whole. What it would unpack to is told by the directory of the zip, to
which the reader of zips holds each part; nothing is parsed before. With defusedxml installed openpyxl refuses entities.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from datetime import datetime, time
from typing import TYPE_CHECKING, BinaryIO

from rollcall.files.dialect import refusal
from rollcall.runtime.errors import Fault, MalformedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from openpyxl.cell import Cell, MergedCell

XLSX = b"PK\x03\x04"
OLD_EXCEL = b"\xd0\xcf\x11\xe0"
_PLAIN = "Please save it as an Excel workbook (.xlsx) or as “CSV UTF-8”, and upload that file."
_DAMAGED = f"This workbook cannot be read: it is damaged, or no Excel workbook at all. {_PLAIN}"


@dataclass(frozen=True, slots=True)
class WorkbookLimits:
    """How large a workbook may be (reliability §2.3).

    Attributes
    ----------
    packed, unpacked
        Bytes of the file, and of all its parts unpacked.
    parts
        Files in the zip.
    rows
        Rows with something in them, without the header.
    columns
        The first so many columns are read.
    """

    packed: int = 1_048_576
    unpacked: int = 10_485_760
    parts: int = 1_000
    rows: int = 20_000
    columns: int = 8


@dataclass(frozen=True, slots=True)
class Sheet:
    """One sheet of a workbook.

    Attributes
    ----------
    rows
        Number as the spreadsheet counts, and the text of each cell; rows with nothing in them are left out.
    faults
        Cells whose text cannot be told: formulas, errors.
    """

    title: str
    rows: tuple[tuple[int, tuple[str, ...]], ...]
    faults: tuple[Fault, ...] = ()


def read_workbook(stream: BinaryIO, limits: WorkbookLimits) -> list[Sheet]:
    """Read the sheets of a workbook that are not hidden.

    Parameters
    ----------
    stream
        Bytes; only ``read(n)`` is asked of it, and one byte more than ``limits.packed`` at most.

    Raises
    ------
    MalformedError
        If it is no workbook, is password-protected, or is beyond a limit: one sentence, at the place ``file``.
    """
    body = _read(stream, limits.packed)
    _check_parts(body, limits)
    import openpyxl

    try:
        # Reading by rows keeps to what is there: a sheet that claims a million rows has none.
        book = openpyxl.load_workbook(io.BytesIO(body), read_only=True, data_only=False, keep_links=False)
        shown = [sheet for sheet in book.worksheets if sheet.sheet_state == "visible"]
        return [Sheet(str(sheet.title), *_rows(sheet.iter_rows(max_col=limits.columns), limits)) for sheet in shown]
    except MalformedError:
        raise
    except Exception:  # noqa: BLE001 - zip, XML and openpyxl raise of every kind at a broken workbook
        raise refusal(code="bad_workbook", detail=_DAMAGED) from None


def _read(stream: BinaryIO, most: int) -> bytes:
    body = bytearray()
    while len(body) <= most and (chunk := stream.read(most + 1 - len(body))):
        body += chunk
    if len(body) > most:
        detail = (
            f"This workbook is larger than {most // 1_048_576} MB. Remove what is not the table, or save it as CSV."
        )
        raise refusal(code="workbook_too_large", detail=detail)
    if body.startswith(OLD_EXCEL):
        detail = f"This is an old or a password-protected Excel workbook. {_PLAIN}"
        raise refusal(code="old_workbook", detail=detail)
    return bytes(body)


def _check_parts(body: bytes, limits: WorkbookLimits) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as packed:
            parts = packed.infolist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
        raise refusal(code="bad_workbook", detail=_DAMAGED) from None
    names = {part.filename.lower() for part in parts}
    if len(parts) > limits.parts or sum(part.file_size for part in parts) > limits.unpacked:
        detail = (
            "This workbook unpacks to far more than a table of rules. Save its one sheet as a new workbook, or as CSV."
        )
        raise refusal(code="workbook_too_large", detail=detail)
    if any(part.flag_bits & 1 for part in parts):
        raise refusal(code="old_workbook", detail=f"This is a password-protected workbook. {_PLAIN}")
    if any(name.endswith("vbaproject.bin") for name in names):
        raise refusal(code="macros", detail=f"This workbook holds macros, which are not taken. {_PLAIN}")
    if "[content_types].xml" not in names:
        detail = f"This is a zip file, not an Excel workbook. {_PLAIN}"
        raise refusal(code="bad_workbook", detail=detail)


def _rows(
    found: Iterator[tuple[Cell | MergedCell, ...]], limits: WorkbookLimits
) -> tuple[tuple[tuple[int, tuple[str, ...]], ...], tuple[Fault, ...]]:
    rows: list[tuple[int, tuple[str, ...]]] = []
    faults: list[Fault] = []
    for number, cells in enumerate(found, start=1):
        texts = tuple(_text(cell, faults) for cell in cells)
        if not any(texts):
            continue
        rows.append((number, texts))
        if len(rows) > limits.rows + 1:
            raise refusal(code="too_many_rows", detail=f"This sheet has more than {limits.rows:,} rows.")
    return tuple(rows), tuple(faults)


def _text(cell: Cell | MergedCell, faults: list[Fault]) -> str:
    """Return what a cell says, as its reader sees it: numbers without a needless point, dates as ``2026-11-28``."""
    value = cell.value
    if value is None:
        return ""
    if cell.data_type in _UNREADABLE:
        faults.append(Fault(cell.coordinate, *_UNREADABLE[cell.data_type]))
        return ""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _number(value, cell.number_format or "")
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(" ", "seconds")
    return str(value).upper() if isinstance(value, bool) else str(value)


_UNREADABLE = {
    "f": ("formula", "This is a formula. Paste its value here instead."),
    "e": ("error_value", "This cell shows an error. Write the value here instead."),
}


def _number(value: float, shown_as: str) -> str:
    if shown_as.endswith("%"):
        return f"{round(value * 100, 10):g}%"
    text = str(int(value)) if float(value).is_integer() else repr(value)
    is_padded = len(shown_as) > 1 and not shown_as.strip("0")
    return text.zfill(len(shown_as)) if is_padded and text.isdigit() else text
