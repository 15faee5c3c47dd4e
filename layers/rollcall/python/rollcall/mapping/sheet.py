"""The data mapping table as the sheet that admins know: read, resolve against the catalogue, write. Pure on streams.

A workbook (XLSX) or CSV. Header in row 1. Columns by position: B HRIS field, C HRIS attribute (value), E hub type
(``Role``, ``Segment``, ``Profile field``), F hub field, G hub attribute, H visibility; A and D are free and kept. An
empty B is the field above. ``*`` in C is any value, ``* split at comma`` cuts the field's values first; ``*`` in G
takes the value over, ``Mentor; Mentee`` gives both. A row with nothing in E to H is not decided yet and makes no rule.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING, BinaryIO

from rollcall.files.cells import csv_lines, join_values, restore, split_values
from rollcall.files.dialect import refusal
from rollcall.files.peek import peek
from rollcall.files.rows import Limits, read_records
from rollcall.files.workbook import OLD_EXCEL, XLSX, Sheet, WorkbookLimits, read_workbook
from rollcall.mapping.table import ANY, IN_WORDS, MappingTable, OptionTarget, ProfileTarget, RoleTarget, Rule, Target
from rollcall.runtime.errors import Fault, MalformedError
from rollcall.segments.model import RESERVED_SENTENCE, Option, Role, Segment, Visibility, is_reserved, normalise
from rollcall.segments.options import clean_label

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from rollcall.segments.model import Catalogue

LIMITS = Limits(rows=20_000)
WORKBOOK_LIMITS = WorkbookLimits(rows=LIMITS.rows)
HEADER = ("Note", "HRIS field", "HRIS attribute", "", "Hub type", "Hub field", "Hub attribute", "Visibility")
ROLE, SEGMENT, PROFILE = "Role", "Segment", "Profile field"
MAX_TEXT = 200
_COLUMNS = "ABCDEFGH"
_TYPES = {normalise(word): kind for kind in (ROLE, SEGMENT, PROFILE) for word in (kind, f"{kind}s")}
_VISIBILITIES = {str(visibility): visibility for visibility in Visibility}
_OUT = "→"  # an arrow of plain characters would begin like a formula
_FREE = "AD"
_OPEN_NOTE = re.compile(r"\d+ (?:people|person), no rule yet")
_SPLIT = re.compile(r"\* ?split at (.+)", re.IGNORECASE)
_SEPARATORS = {word: character for character, word in IN_WORDS.items()}
_LONGEST_SEPARATOR = 5


@dataclass(frozen=True, slots=True)
class SheetRow:
    """One rule as written.

    Attributes
    ----------
    kind
        ``ROLE``, ``SEGMENT`` or ``PROFILE``.
    name
        Segment or profile field; empty for a role.
    label
        Role, option, text of the profile field, or ``*``.
    visibility
        Of the segment, where the row says so.
    separator
        The field's values are cut there.
    note, remark
        Columns A and D.
    """

    row: int
    field: str
    value: str
    kind: str
    name: str
    label: str
    visibility: Visibility | None = None
    separator: str = ""
    note: str = ""
    remark: str = ""


@dataclass(frozen=True, slots=True)
class SheetCells:
    """One row as it is written: columns A to H; ``is_open`` if no rule covers it yet."""

    cells: tuple[str, ...]
    is_open: bool = False


@dataclass(frozen=True, slots=True)
class SheetRows:
    """What a sheet says.

    Attributes
    ----------
    rows
        Rules in the order of the sheet, each once.
    undecided
        How many rows name a field or value and no rule for it.
    """

    rows: tuple[SheetRow, ...]
    undecided: int = 0


@dataclass(frozen=True, slots=True)
class Resolution:
    """The rules with ids, and what must be created for them.

    Attributes
    ----------
    new_segments
        With their options.
    new_options
        Segment id and option, for segments that exist.
    visibility
        Segment id → what the sheet says, where it differs from what is.
    """

    rules: tuple[Rule, ...]
    new_roles: tuple[Role, ...] = ()
    new_segments: tuple[Segment, ...] = ()
    new_options: tuple[tuple[str, Option], ...] = ()
    visibility: tuple[tuple[str, Visibility], ...] = ()


@dataclass(frozen=True, slots=True)
class Unmapped:
    """A field and value that no rule covers, and how many people have it."""

    field: str
    value: str
    people: int


def read_sheet(stream: BinaryIO) -> SheetRows:
    """Read a table from a workbook or from CSV, whichever the first bytes say.

    Raises
    ------
    MalformedError
        With every fault and its cell (``C14``); nothing is read by half.
    """
    head, whole = peek(stream, len(XLSX))
    if head in (XLSX, OLD_EXCEL):
        sheet = _table_among(read_workbook(whole, WORKBOOK_LIMITS))
        return _read_table(sheet.rows, [fault for fault in sheet.faults if fault.place[0] not in _FREE])
    _, records = read_records(whole, LIMITS)
    return _read_table(((number, [restore(cell) for cell in record]) for number, record in records), [])


def read_rules(given: Iterable[Sequence[str]]) -> SheetRows:
    """Read rules that come one by one, numbered from 1: each has what the columns B, C, E, F, G and H would say.

    Raises
    ------
    MalformedError
        With every fault; its place is column and number (``C1``).
    """
    faults: list[Fault] = []
    found: list[SheetRow] = []
    for number, texts in enumerate(given, start=1):
        cells = dict.fromkeys(_FREE, "") | dict(zip("BCEFGH", map(clean_label, texts), strict=True))
        found += _read_row(number, cells["B"], cells, faults)
    return _agreed(found, faults)


def _table_among(sheets: Sequence[Sheet]) -> Sheet:
    """Return the sheet whose header is that of a table, else the first one."""
    if not sheets:
        raise refusal(code="not_a_mapping_table", detail=_NO_TABLE)
    wanted = normalise(HEADER[1])
    return next(
        (sheet for sheet in sheets if sheet.rows and normalise(_cell(sheet.rows[0][1], "B")) == wanted), sheets[0]
    )


def _read_table(rows: Iterable[tuple[int, Sequence[str]]], faults: list[Fault]) -> SheetRows:
    records = iter(rows)
    _check_header(*next(records, (0, [])))
    bad_cells = {fault.place for fault in faults}
    found: list[SheetRow] = []
    undecided = 0
    above = ""
    for number, record in records:
        cells = {column: _cell(record, column) for column in _COLUMNS}
        above = cells["B"] or above
        if not any(cells[column] or f"{column}{number}" in bad_cells for column in "EFGH"):
            undecided += bool(cells["B"] or cells["C"])
            continue
        told: list[Fault] = []
        found += _read_row(number, above, cells, told)
        faults += [fault for fault in told if fault.place not in bad_cells]
    return _agreed(found, faults, undecided)


def _agreed(rows: Sequence[SheetRow], faults: Sequence[Fault], undecided: int = 0) -> SheetRows:
    """Return the rows, if nothing is wrong with any of them nor with all together."""
    all_faults = [*faults, *_repetitions(rows), *_disagreements(rows)]
    if all_faults:
        raise MalformedError(sorted(all_faults, key=_by_cell))
    return SheetRows(tuple(rows), undecided)


def _by_cell(fault: Fault) -> tuple[int, str]:
    digits = fault.place[1:]
    return (int(digits) if digits.isdigit() else 0, fault.place)


def _check_header(number: int, header: Sequence[str]) -> None:
    """Refuse what is no table: the wording of its header is free, its columns are not."""
    cells = {column: normalise(_cell(header, column)) for column in _COLUMNS}
    if cells["E"] in _TYPES and cells["B"] != normalise(HEADER[1]):
        raise refusal(code="no_header", detail="The first row must name the columns, not be a rule.")
    belongs = {normalise(title): column for title, column in zip(HEADER, _COLUMNS, strict=True) if title}
    wrong = [
        Fault(f"{column}1", "wrong_column", f"“{_cell(header, column)}” belongs into column {belongs[text]}.")
        for column, text in cells.items()
        if text in belongs and belongs[text] != column
    ]
    if wrong and number == 1:
        raise MalformedError(wrong)
    if number != 1 or not all(cells[column] for column in "BCEFG"):
        raise refusal(code="not_a_mapping_table", detail=_NO_TABLE)


_NO_TABLE = (
    "This is not a data mapping table: it needs the HRIS field in column B, its value in C, and in E to H hub type, "
    "hub field, hub attribute and visibility. Please start from the table that you can download here."
)


_MISSING = {
    "B": ("missing_field", "Write the HRIS field here."),
    "C": ("missing_value", "Write the value here, or * for any value."),
    "E": ("missing_hub_type", "Write Role, Segment or Profile field here."),
    "F": ("missing_hub_field", "Write the name of the segment or profile field here."),
    "G": ("missing_hub_attribute", "Write the role or option here, or * to take the value over."),
}


def _cell(record: Sequence[str], column: str) -> str:
    place = _COLUMNS.index(column)
    return clean_label(record[place]) if place < len(record) else ""


def _read_row(number: int, name: str, cells: dict[str, str], faults: list[Fault]) -> list[SheetRow]:
    """Return the rules of a row, one for each role or option; none after adding what is wrong with it."""
    kind = _TYPES.get(normalise(cells["E"]))
    visibility = _VISIBILITIES.get(normalise(cells["H"]))
    missing = {"B": not name, "C": not cells["C"], "E": not cells["E"]}
    missing |= {"F": kind in {SEGMENT, PROFILE} and not cells["F"], "G": kind in {SEGMENT, ROLE} and not cells["G"]}
    wrong = [Fault(f"{column}{number}", *_MISSING[column]) for column, is_missing in missing.items() if is_missing]
    if cells["E"] and kind is None:
        wrong.append(Fault(f"E{number}", "unknown_hub_type", "This can be Role, Segment or Profile field."))
    if cells["H"] and visibility is None:
        wrong.append(Fault(f"H{number}", "unknown_visibility", "This can be Public, Private or Hidden."))
    if kind == SEGMENT and is_reserved(cells["F"]):
        wrong.append(Fault(f"F{number}", "reserved_name", RESERVED_SENTENCE))
    labels = [cells["G"] or ANY] if kind == PROFILE else split_values(cells["G"])
    wrong += [
        Fault(f"{column}{number}", "too_long", f"This can have at most {MAX_TEXT} characters.")
        for column, texts in {"B": [name], "C": [cells["C"]], "F": [cells["F"]], "G": labels}.items()
        if any(len(text) > MAX_TEXT for text in texts)
    ]
    value, separator = _value_of(cells["C"])
    if len(separator) > _LONGEST_SEPARATOR:
        detail = f"Name what stands between the values, such as “comma”: at most {_LONGEST_SEPARATOR} characters."
        wrong.append(Fault(f"C{number}", "bad_separator", detail))
    faults += wrong
    if wrong or kind is None:
        return []
    row = SheetRow(
        row=number,
        field=name,
        value=value,
        kind=kind,
        name="" if kind == ROLE else cells["F"],
        label="",
        visibility=visibility if kind == SEGMENT else None,
        separator=separator,
        note="" if _OPEN_NOTE.fullmatch(cells["A"]) else cells["A"],
        remark="" if cells["D"] == _OUT else cells["D"],
    )
    return [replace(row, label=label) for label in labels]


def _value_of(text: str) -> tuple[str, str]:
    """Return the value of a rule, and where the values of its field are to be cut: ``* split at comma``."""
    found = _SPLIT.fullmatch(text)
    if not found:
        return text, ""
    return ANY, _SEPARATORS.get(normalise(found[1]), found[1])


def _repetitions(rows: Iterable[SheetRow]) -> Iterator[Fault]:
    """Yield a fault for each rule that is there already, or fills a profile field otherwise than a rule before it."""
    said: dict[tuple[str, ...], SheetRow] = {}
    texts: dict[tuple[str, ...], SheetRow] = {}
    for row in rows:
        place = (row.kind, *map(normalise, (row.field, row.value, row.name)))
        first = said.setdefault((*place, normalise(row.label)), row)
        if first is not row:
            detail = f"Row {first.row} says the same already. Please delete one of the two."
            yield Fault(f"G{row.row}", "duplicate_rule", detail)
            continue
        other = texts.setdefault(place, row) if row.kind == PROFILE else row
        if other is not row:
            detail = (
                f"Row {other.row} fills this field with another text for the same value. Please keep one of the two."
            )
            yield Fault(f"G{row.row}", "contradicting_rule", detail)


def _disagreements(rows: Iterable[SheetRow]) -> Iterator[Fault]:
    """Yield a fault for each row that says otherwise of a whole segment or HRIS field than a row before it."""
    visibilities: dict[str, SheetRow] = {}
    separators: dict[str, SheetRow] = {}
    for row in rows:
        if row.visibility is not None:
            first = visibilities.setdefault(normalise(row.name), row)
            if first.visibility is not row.visibility:
                detail = f"Row {first.row} gives this segment another visibility. Use the same in all its rows."
                yield Fault(f"H{row.row}", "different_visibility", detail)
        if row.separator:
            first = separators.setdefault(normalise(row.field), row)
            if first.separator != row.separator:
                detail = f"Row {first.row} splits this HRIS field elsewhere. Use the same in all its rows."
                yield Fault(f"C{row.row}", "different_separator", detail)


def resolve(rows: SheetRows, catalogue: Catalogue, make_id: Callable[[], str]) -> Resolution:
    """Return the rules with the ids of the catalogue; what the sheet names and the catalogue lacks gets a new id.

    New segments take one option and are public, unless the sheet says otherwise of their visibility.

    Raises
    ------
    MalformedError
        If the sheet names an archived role or option, or gives one value two options of a segment that takes one, with
        the cell of each.
    """
    work = _Resolving(catalogue, make_id)
    rules = [
        Rule(row.field, row.value, work.target(row), row.row, row.separator, row.note, row.remark) for row in rows.rows
    ]
    if work.faults:
        raise MalformedError(work.faults)
    return Resolution(
        rules=tuple(rules),
        new_roles=tuple(work.roles.values()),
        new_segments=tuple(
            replace(
                segment,
                visibility=work.visibility.get(segment.segment_id, segment.visibility),
                options=tuple(work.options.get(segment.segment_id, {}).values()),
            )
            for segment in work.segments.values()
        ),
        new_options=tuple(
            (segment_id, option)
            for segment_id, options in work.options.items()
            if segment_id in catalogue.segments_by_id
            for option in options.values()
        ),
        visibility=tuple(
            (segment_id, visibility)
            for segment_id, visibility in work.visibility.items()
            if (held := catalogue.segments_by_id.get(segment_id)) and held.visibility is not visibility
        ),
    )


def check_seen(rows: SheetRows, catalogue: Catalogue, visible: Collection[str]) -> None:
    """Refuse rules for segments that whoever wrote the sheet may not see; ``visible`` holds ids of segments.

    Raises
    ------
    MalformedError
        With the cell of each.
    """
    detail = "A segment of this name cannot be changed by you. Please choose another name, or ask an admin of the hub."
    faults: list[Fault] = []
    for row in rows.rows:
        segment = catalogue.segment(row.name) if row.kind == SEGMENT else None
        if segment is not None and segment.segment_id not in visible:
            faults.append(Fault(f"F{row.row}", "segment_not_yours", detail))
    if faults:
        raise MalformedError(faults)


def without_unseen(table: MappingTable, visible: Collection[str]) -> MappingTable:
    """Return the table without the rules of segments that are not in ``visible``."""
    return MappingTable(table.version, tuple(rule for rule in table.rules if _is_seen(rule, visible)))


def keep_unseen(
    rules: Iterable[Rule], table: MappingTable, catalogue: Catalogue, visible: Collection[str]
) -> tuple[Rule, ...]:
    """Return the rules of a sheet, and after them those of the table that whoever wrote the sheet could not see.

    Rules of segments that are gone are not kept: they give nothing.
    """
    unseen = catalogue.segments_by_id.keys() - set(visible)
    kept = (rule for rule in table.rules if isinstance(rule.target, OptionTarget) and rule.target.segment_id in unseen)
    return (*rules, *kept)


def _is_seen(rule: Rule, visible: Collection[str]) -> bool:
    return not isinstance(rule.target, OptionTarget) or rule.target.segment_id in visible


class _Resolving:
    """What resolving has found to be new so far, by normalised label."""

    def __init__(self, catalogue: Catalogue, make_id: Callable[[], str]) -> None:
        self.catalogue = catalogue
        self.make_id = make_id
        self.roles: dict[str, Role] = {}
        self.segments: dict[str, Segment] = {}
        self.options: dict[str, dict[str, Option]] = {}
        self.profile: dict[str, str] = {}
        self.visibility: dict[str, Visibility] = {}
        self.faults: list[Fault] = []
        self._taken: dict[tuple[str, str, str], SheetRow] = {}
        self._role_order = count(1 + max((role.order for role in catalogue.roles), default=0))
        self._segment_order = count(1 + max((segment.order for segment in catalogue.segments), default=0))

    def target(self, row: SheetRow) -> Target:
        """Return what a row gives."""
        if row.kind == ROLE:
            return RoleTarget(ANY if row.label == ANY else self._role(row).role_id)
        if row.kind == PROFILE:
            return ProfileTarget(self.profile.setdefault(normalise(row.name), row.name), row.label)
        segment = self._segment(row.name)
        if segment.archived:
            detail = f"The segment “{segment.name}” is archived. Bring it back first, or name another one."
            self.faults.append(Fault(f"F{row.row}", "archived_segment", detail))
        if row.visibility is not None:
            self.visibility[segment.segment_id] = row.visibility
        self._check_one(row, segment)
        return OptionTarget(segment.segment_id, ANY if row.label == ANY else self._option(row, segment).option_id)

    def _check_one(self, row: SheetRow, segment: Segment) -> None:
        first = self._taken.setdefault((normalise(row.field), normalise(row.value), segment.segment_id), row)
        if first is row or segment.multi:
            return
        where = "This cell" if first.row == row.row else f"Row {first.row}"
        detail = f"{where} gives the same value another option already, and “{segment.name}” takes only one."
        self.faults.append(Fault(f"G{row.row}", "contradicting_rule", detail))

    def _role(self, row: SheetRow) -> Role:
        form = normalise(row.label)
        role = self.catalogue.role(row.label) or self.roles.get(form)
        if role is None:
            role = self.roles[form] = Role(self.make_id(), row.label, order=next(self._role_order))
        if role.archived:
            detail = f"The role “{role.label}” is archived. Bring it back first, or name another one."
            self.faults.append(Fault(f"G{row.row}", "archived_role", detail))
        return role

    def _segment(self, name: str) -> Segment:
        form = normalise(name)
        segment = self.catalogue.segment(name) or self.segments.get(form)
        if segment is None:
            segment = self.segments[form] = Segment(self.make_id(), name, order=next(self._segment_order))
        return segment

    def _option(self, row: SheetRow, segment: Segment) -> Option:
        form = normalise(row.label)
        new = self.options.setdefault(segment.segment_id, {})
        option = segment.option(row.label) or new.get(form)
        if option is None:
            option = new[form] = Option(self.make_id(), row.label)
        if option.archived:
            detail = f"The option “{option.label}” is archived. Bring it back first, or name another one."
            self.faults.append(Fault(f"G{row.row}", "archived_option", detail))
        return option


def write_sheet(rows: Iterable[SheetCells]) -> Iterator[bytes]:
    """Yield the lines of the table as a CSV file."""
    return csv_lines(HEADER, (row.cells for row in rows))


def table_rows(table: MappingTable, catalogue: Catalogue, unmapped: Iterable[Unmapped] = ()) -> Iterator[SheetCells]:
    """Yield the rows of the table: its rules, then what no rule covers, to be filled in.

    Rules whose role, segment or option is gone are left out: they give nothing.
    """
    for rule in table.rules:
        cells = _rule_cells(rule, catalogue)
        if cells:
            yield SheetCells(cells)
    for item in unmapped:
        who = "1 person" if item.people == 1 else f"{item.people} people"
        yield SheetCells((f"{who}, no rule yet", item.field, item.value, "", "", "", "", ""), is_open=True)


def _rule_cells(rule: Rule, catalogue: Catalogue) -> tuple[str, ...] | None:
    value = f"* split at {IN_WORDS.get(rule.separator, rule.separator)}" if rule.separator else rule.value
    start = (rule.note, rule.field, value, rule.remark or _OUT)
    match rule.target:
        case RoleTarget(role_id):
            role = catalogue.roles_by_id.get(role_id)
            label = ANY if role_id == ANY else role.label if role else ""
            return (*start, ROLE, "", join_values([label]), "") if label else None
        case OptionTarget(segment_id, option_id):
            segment = catalogue.segments_by_id.get(segment_id)
            if segment is None or segment.archived:
                return None
            option = segment.current(option_id)
            label = ANY if option_id == ANY else option.label if option else ""
            if not label:
                return None
            return (*start, SEGMENT, segment.name, join_values([label]), segment.visibility.capitalize())
        case ProfileTarget(name, text):
            return (*start, PROFILE, name, text, "")
