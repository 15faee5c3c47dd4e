"""The report of a plan: the uploaded rows with what became of each. Pure.

The file can be corrected and uploaded again as it is: its own two columns are ignored then.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING

from rollcall.files.cells import csv_lines
from rollcall.plans.model import LEFT_OUT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from rollcall.plans.model import Change, Result

RESULT, REASON = "result", "reason"
_OWN = ("what", "id", "changes")


def with_result(change: Change, result: Result | None) -> Change:
    """Return the change with what became of it; itself if nothing did yet.

    Of a conflict the old values are those that are there, so that both values are seen.
    """
    if result is None:
        return change
    there = result.data.get("now", {})
    edits = tuple(replace(edit, old=tuple(there.get(edit.column, edit.old))) for edit in change.edits)
    detail = result.detail or change.detail
    return replace(change, outcome=result.outcome, reason=result.reason, detail=detail, edits=edits)


def lines(changes: Iterable[Change], header: Sequence[str] = ()) -> Iterator[bytes]:
    """Return the lines of the report: UTF-8 with BOM, CRLF, cells that no spreadsheet runs as a formula.

    Changes that came from no row are told in words. Who was left out of the file is not in its report either: uploaded
    again, it would invite them.

    Parameters
    ----------
    header
        The columns of the uploaded file; without them, those of the first change.
    """
    coming = (change for change in changes if change.kind != LEFT_OUT)
    first = next(coming, None)
    names = header or (_cells(first) if first else ())
    columns = tuple(name for name in names if name not in (RESULT, REASON))
    rows = (_row(change, columns) for change in chain([first] if first else [], coming))
    return csv_lines([*columns, RESULT, REASON], rows)


def _row(change: Change, columns: Sequence[str]) -> list[str]:
    cells = _cells(change)
    return [*(cells.get(name, "") for name in columns), change.outcome, change.detail or change.reason]


def _cells(change: Change) -> Mapping[str, str]:
    return change.cells or _in_words(change)


def _in_words(change: Change) -> dict[str, str]:
    said = [f"{edit.field}: {', '.join(edit.old) or '-'} → {', '.join(edit.new) or '-'}" for edit in change.edits]
    return dict(zip(_OWN, (change.kind, change.subject, "; ".join(said)), strict=True))
