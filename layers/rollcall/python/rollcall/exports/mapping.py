"""The data mapping table to be filled in: its rules, and every HRIS field and value that no rule covers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollcall.exports.model import visible_segments
from rollcall.hubs.model import Permission
from rollcall.mapping.sheet import Unmapped, table_rows, without_unseen
from rollcall.mapping.table import ANY, project
from rollcall.people import store as people
from rollcall.segments.model import normalise

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from rollcall.hubs.context import HubContext
    from rollcall.mapping.sheet import SheetCells

# A field with more values than that (employee numbers, birthdays) is one row for any value.
MAX_VALUES = 200
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
    """Return what no rule covers, by field, the values that most people have first; memory holds values, not people.

    Values are counted as they are matched: case, spaces and Unicode form aside, shown as first seen.
    """
    spelling: dict[str, str] = {}
    people_with: dict[str, int] = {}
    values: dict[str, dict[str, tuple[str, int]]] = {}
    for record in people.all_persons(ctx.hub.hub_id):
        found = project(record.person.values(), ctx.table, ctx.catalogue).unmapped
        for field, name in {normalise(name): name for name, _ in found}.items():
            spelling.setdefault(field, name)
            people_with[field] = people_with.get(field, 0) + 1
        for (field, form), value in {(normalise(name), normalise(value)): value for name, value in found}.items():
            _count(values.setdefault(field, {}), form, value)
    rows: list[Unmapped] = []
    for field in sorted(spelling):
        if len(values[field]) > MAX_VALUES:
            rows.append(Unmapped(spelling[field], ANY, people_with[field]))
            continue
        by_count = sorted(values[field].items(), key=lambda item: (-item[1][1], item[0]))
        rows += [Unmapped(spelling[field], value, count) for _, (value, count) in by_count]
    return rows[:MAX_ROWS]


def _count(seen: dict[str, tuple[str, int]], form: str, value: str) -> None:
    """Count a value of a field; one more than are shown is enough to know that there are too many."""
    held = seen.get(form)
    if held:
        seen[form] = (held[0], held[1] + 1)
    elif len(seen) <= MAX_VALUES:
        seen[form] = (value, 1)
