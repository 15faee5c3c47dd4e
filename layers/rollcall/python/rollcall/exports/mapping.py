"""The data mapping table to be filled in: its rules, and every HRIS field and value that no rule covers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollcall.exports.model import visible_segments
from rollcall.hubs.model import Permission
from rollcall.mapping.counting import count
from rollcall.mapping.sheet import Unmapped, table_rows, without_unseen
from rollcall.mapping.table import ANY

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from rollcall.hubs.context import HubContext
    from rollcall.mapping.sheet import SheetCells

MAX_ROWS = 10_000


def rows_of_table(ctx: HubContext, permissions: Collection[Permission]) -> Iterator[SheetCells]:
    """Yield the rows of the file without its header; HRIS values only for those who may see them.

    Rules of segments that they may not see are left out; uploading the file keeps those.
    """
    open_ones = unmapped(ctx) if Permission.VIEW_PRIVATE in permissions else []
    visible = {segment.segment_id for segment in visible_segments(ctx.catalogue, permissions)}
    return table_rows(without_unseen(ctx.table, visible), ctx.catalogue, open_ones)


def as_workbook(ctx: HubContext, permissions: Collection[Permission], rows: Iterable[SheetCells]) -> Iterator[bytes]:
    """Yield the file as a workbook, with what these permissions may see to choose from."""
    from rollcall.mapping.workbook import write_workbook

    visible = {segment.segment_id for segment in visible_segments(ctx.catalogue, permissions)}
    yield write_workbook(rows, ctx.catalogue, visible)


def unmapped(ctx: HubContext) -> list[Unmapped]:
    """Return what no rule covers, by field, the values that most people have first; any value where there are many."""
    entries = count(ctx).entries()[:MAX_ROWS]
    return [Unmapped(entry.field, ANY if entry.value is None else entry.value, entry.people) for entry in entries]
