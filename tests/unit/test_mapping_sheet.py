"""The data mapping table as a sheet: read, resolved against the catalogue, written."""

from __future__ import annotations

import io
import itertools

import pytest

from rollcall.mapping.sheet import HEADER, Resolution, SheetRows, Unmapped, read_sheet, resolve, table_rows, write_sheet
from rollcall.mapping.table import ANY, MappingTable, OptionTarget, ProfileTarget, RoleTarget, Target, project
from rollcall.runtime.errors import MalformedError
from rollcall.segments.model import Catalogue, Option, Role, Segment, Visibility

CATALOGUE = Catalogue(
    roles=(Role("mentor", "Mentor", order=1), Role("old", "Sponsor", archived=True, order=2)),
    segments=(
        Segment("loc", "Location", options=(Option("ldn", "London"), Option("nyc", "New York", archived=True))),
        Segment("lvl", "Level", visibility=Visibility.HIDDEN, options=(Option("sr", "Senior"),)),
    ),
)


def _read(*lines: str) -> SheetRows:
    text = "\r\n".join([",".join(HEADER), *lines])
    return read_sheet(io.BytesIO(text.encode()))


def _faults(*lines: str) -> list[tuple[str, str]]:
    with pytest.raises(MalformedError) as caught:
        _read(*lines)
    return [(fault.place, fault.code) for fault in caught.value.faults]


def _resolve(*lines: str) -> tuple[tuple[Target, ...], Resolution]:
    numbers = itertools.count(1)
    found = resolve(_read(*lines), CATALOGUE, lambda: f"new{next(numbers)}")
    return tuple(rule.target for rule in found.rules), found


def test_an_empty_field_is_that_of_the_row_above() -> None:
    """Admins write the field once and its values below."""
    rows = _read(",Office,Londres,→,Segment,Location,London,", ",,Toronto,→,Segment,Location,London,").rows
    assert [(row.row, row.field, row.value) for row in rows] == [(2, "Office", "Londres"), (3, "Office", "Toronto")]


def test_a_row_that_names_no_rule_yet_is_left_alone() -> None:
    """The pre-filled table comes back with what nobody has decided."""
    sheet = _read("12 people,Office,Cairo,→,,,,", ",,Tunis,→,Segment,Location,London,")
    assert [(row.field, row.value) for row in sheet.rows] == [("Office", "Tunis")]
    assert sheet.undecided == 1


def test_every_fault_is_told_with_its_cell() -> None:
    """An admin corrects a table once."""
    assert _faults(
        ",,London,,Segment,Location,London,Public",
        ",Office,,,Segment,Location,London,",
        ",Office,Toronto,,Team,Location,Toronto,",
        ",Office,Berlin,,Segment,,Berlin,Secret",
        ",Grade,Senior,,Role,,,",
        ",Office,Cairo,,Segment,Location,Cairo,Private",
    ) == [
        ("B2", "missing_field"),
        ("C3", "missing_value"),
        ("E4", "unknown_hub_type"),
        ("F5", "missing_hub_field"),
        ("H5", "unknown_visibility"),
        ("G6", "missing_hub_attribute"),
    ]


def test_two_visibilities_of_one_segment_are_a_fault() -> None:
    """A segment has one visibility, so the table cannot say two."""
    rows = (",Office,A,,Segment,Location,London,Private", ",Office,B,,Segment,location,London,Hidden")
    assert _faults(*rows) == [("H3", "different_visibility")]


def test_a_rule_written_twice_is_told() -> None:
    """The same rule in another spelling adds nothing: somebody meant another one, or may delete it."""
    assert _faults(",Office,A,,Role,,Mentor,", ", office ,a,,role,,MENTOR,") == [("G3", "duplicate_rule")]


def test_two_texts_for_one_profile_field_are_told() -> None:
    """Only one of them could ever be shown."""
    rows = (",Grade,1,,Profile field,Rank,first,", ",Grade,1,,Profile field,rank,top,")
    assert _faults(*rows) == [("G3", "contradicting_rule")]


def test_two_options_for_one_value_of_a_segment_that_takes_one_are_told() -> None:
    """Whether in two rows or in one cell."""
    for rows in (
        [",Office,A,,Segment,Location,London,", ",Office,a,,Segment,Location,Cairo,"],
        [",Office,A,,Segment,Location,London; Cairo,"],
    ):
        with pytest.raises(MalformedError) as caught:
            _resolve(*rows)
        assert [(fault.place, fault.code) for fault in caught.value.faults] == [
            (f"G{len(rows) + 1}", "contradicting_rule")
        ]


def test_a_cell_may_give_several_roles() -> None:
    """As people write it: with semicolons."""
    targets, found = _resolve(",Grade,7,,Role,,Mentor; Coach,")
    assert targets == (RoleTarget("mentor"), RoleTarget(found.new_roles[0].role_id))


def test_a_rule_may_name_where_values_are_split() -> None:
    """Every rule of the field then meets the pieces; the separator is a word or the character itself."""
    _, found = _resolve(
        ",Offices,* split at comma,,Segment,Location,*,",
        ",Offices,Londres,,Segment,Location,London,",
        ",Grades,* Split at /,,Role,,*,",
    )
    assert [rule.separator for rule in found.rules] == [",", "", "/"]
    table = MappingTable(1, found.rules)
    given = project({"offices": "Londres, Cairo,,", "Grades": "mentor / none"}, table, CATALOGUE)
    assert (given.roles, given.segments) == (("mentor",), {"loc": ("ldn",)})
    assert given.unmapped == (("Grades", "none"), ("offices", "Cairo"))
    assert given.why["segments.loc.ldn"].value == "Londres"


def test_two_separators_of_one_field_are_a_fault() -> None:
    """A value cannot be cut in two ways."""
    rows = (",Offices,* split at comma,,Role,,*,", ",offices,* split at bar,,Segment,Location,*,")
    assert _faults(*rows) == [("C3", "different_separator")]


def test_moved_columns_are_told_by_their_header() -> None:
    """The wording of the header is free; a known word in another column shows that the columns moved."""
    body = b"HRIS field,HRIS attribute,,Hub type,Hub field,Hub attribute,Visibility\r\nOffice,A,,Role,,Mentor,\r\n"
    with pytest.raises(MalformedError) as caught:
        read_sheet(io.BytesIO(body))
    assert [fault.place for fault in caught.value.faults] == ["A1", "B1", "D1", "E1", "F1", "G1"]
    assert {fault.code for fault in caught.value.faults} == {"wrong_column"}


@pytest.mark.parametrize(
    "body", [b"email,role\r\nana@example.com,Mentor\r\n", b"\r\n,B,C,,E,F,G,H\r\n", b",Office,A,,Role,,Mentor,\r\n"]
)
def test_another_file_is_refused_with_one_fault(body: bytes) -> None:
    """A members file, or a table without its header, is no mapping table."""
    with pytest.raises(MalformedError) as caught:
        read_sheet(io.BytesIO(body))
    assert [fault.code for fault in caught.value.faults] in (["not_a_mapping_table"], ["no_header"])


def test_a_german_sheet_is_read_like_any_other() -> None:
    """Semicolons and a byte-order mark, as spreadsheets in Germany save them."""
    text = "\ufeff" + ";".join(HEADER) + "\r\n;Standort;München;→;Segment;Location;London;Public\r\n"
    (row,) = read_sheet(io.BytesIO(text.encode())).rows
    assert (row.value, row.visibility) == ("München", Visibility.PUBLIC)


def test_names_are_found_in_the_catalogue_spelling_aside() -> None:
    """What is there already is used, not made again."""
    targets, found = _resolve(",Office,*,,Segment,LOCATION, london ,", ",Grade,7,,role,,mentor,")
    assert targets == (OptionTarget("loc", "ldn"), RoleTarget("mentor"))
    assert (found.new_roles, found.new_segments, found.new_options, found.visibility) == ((), (), (), ())


def test_what_the_catalogue_lacks_gets_one_id_each() -> None:
    """A new role, segment or option that several rows name is made once."""
    targets, found = _resolve(
        ",Office,A,,Segment,Location,Cairo,",
        ",Office,B,,Segment,Location,cairo,",
        ",Team,A,,Segment,Team,Alpha,Private",
        ",Team,B,,Segment,team,Beta,",
        ",Grade,7,,Role,,Coach,",
        ",Grade,8,,Role,,COACH,",
    )
    cairo, alpha, beta, coach = targets[0], targets[2], targets[3], targets[4]
    assert targets == (cairo, cairo, alpha, beta, coach, coach)
    assert [(segment_id, option.label) for segment_id, option in found.new_options] == [("loc", "Cairo")]
    (segment,) = found.new_segments
    assert (segment.name, segment.visibility, segment.multi) == ("Team", Visibility.PRIVATE, False)
    assert [OptionTarget(segment.segment_id, option.option_id) for option in segment.options] == [alpha, beta]
    assert [(RoleTarget(role.role_id), role.label) for role in found.new_roles] == [(coach, "Coach")]
    made = [segment.segment_id, *(o.option_id for o in segment.options), found.new_roles[0].role_id]
    assert len({*made, found.new_options[0][1].option_id}) == 5


def test_a_new_segment_is_public_where_the_table_says_nothing() -> None:
    """The default of product.md's table."""
    _, found = _resolve(",Team,A,,Segment,Team,Alpha,")
    assert [segment.visibility for segment in found.new_segments] == [Visibility.PUBLIC]


def test_another_visibility_of_a_segment_is_told_and_the_same_is_not() -> None:
    """Only what changes is shown to the approver."""
    _, found = _resolve(",A,x,,Segment,Location,London,Hidden", ",A,y,,Segment,Level,Senior,Hidden")
    assert found.visibility == (("loc", Visibility.HIDDEN),)


def test_stars_take_the_value_over() -> None:
    """``*`` in G stands for the value itself, in segments and profile fields."""
    targets, _ = _resolve(",Office,*,,Segment,Location,*,", ",Title,*,,Profile field,Job title,*,")
    assert targets == (OptionTarget("loc", ANY), ProfileTarget("Job title", ANY))


def test_archived_names_are_faults_with_their_cells() -> None:
    """A rule cannot give what nobody can be given."""
    with pytest.raises(MalformedError) as caught:
        _resolve(",A,x,,Segment,Location,New York,", ",A,y,,Role,,Sponsor,")
    assert [(f.place, f.code) for f in caught.value.faults] == [("G2", "archived_option"), ("G3", "archived_role")]


def test_a_written_table_read_again_gives_the_same_rules() -> None:
    """What is downloaded can be uploaded as it is and changes nothing; formulas in values do not run on the way."""
    targets, found = _resolve(
        ",Office,=London,,Segment,Location,London,",
        ",Office,*,,Segment,Location,*,",
        ',Grade,"7, 8",,Role,,Mentor,',
        ",Title,*,,Profile field,Job title,*,",
    )
    table = MappingTable(1, found.rules)
    body = b"".join(write_sheet(table_rows(table, CATALOGUE, [Unmapped("Office", "-Cairo", 3)])))

    assert b",=" not in body
    assert b",-" not in body
    again = resolve(read_sheet(io.BytesIO(body)), CATALOGUE, lambda: "never")
    assert tuple(rule.target for rule in again.rules) == targets
    assert [(rule.field, rule.value) for rule in again.rules] == [(rule.field, rule.value) for rule in found.rules]
    assert (again.new_roles, again.new_segments, again.new_options, again.visibility) == ((), (), (), ())


def test_a_sheet_read_and_resolved_maps_a_person() -> None:
    """From the file to what a person gets: exact before ``*``, unmapped values told."""
    _, found = _resolve(
        ",Office,Londres,,Segment,Location,London,", ",Grade,*,,Role,,Mentor,", ",Grade,1,,Profile field,Rank,first,"
    )
    table = MappingTable(1, found.rules)
    given = project({"office": " LONDRES ", "Grade": "2", "Shoe": "42"}, table, CATALOGUE)
    assert (given.roles, dict(given.segments), given.unmapped) == (("mentor",), {"loc": ("ldn",)}, (("Shoe", "42"),))
    assert dict(project({"Grade": "1"}, table, CATALOGUE).profile) == {"Rank": "first"}


@pytest.mark.parametrize("name", ["Status", "e_mail", "First_name", "profile: Desk", "HRIS: Office", "a@b"])
def test_segment_with_the_name_of_a_column_of_ours_is_refused_at_its_cell(name: str) -> None:
    """The files that admins edit could not tell such a segment's column from their own."""
    assert _faults(f",Office,London,,Segment,{name},London,Public") == [("F2", "reserved_name")]
