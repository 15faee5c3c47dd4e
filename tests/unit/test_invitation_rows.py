"""Rows of the bulk-invite file: what they ask for, and everything that is wrong with them."""

from __future__ import annotations

import pytest

from rollcall.invitations.rows import InviteRow, keys_of, parse_row, unknown_columns
from rollcall.segments.model import Catalogue, Option, Role, Segment

CATALOGUE = Catalogue(
    (Role("mentor", "Mentor"), Role("mentee", "Mentee"), Role("old", "Old hand", archived=True)),
    (
        Segment("location", "Location", options=(Option("london", "London"), Option("bonn", "Bonn", archived=True))),
        Segment("languages", "Languages", multi=True, options=(Option("en", "English"), Option("rd", "R&D; Ops"))),
        Segment("cohort", "Cohort", required=True, options=(Option("c1", "2026"),)),
    ),
)
GOOD = {
    "email": "Maya.Okafor+hub@EXAMPLE.com ",
    "first_name": " Maya ",
    "last_name": "O'Brien-Ñúñez",
    "role": "mentor; MENTEE",
    "Location": "LONDON",
    "Languages": "English; R&D; Ops",
    "Cohort": "2026",
    "language": "pt-BR",
    "ref": "a" * 32,
    "HRIS: Department": "=1+1",
}


def _codes(**changed: str) -> list[tuple[str, str]]:
    found = parse_row({**GOOD, "Languages": "English", **changed}, CATALOGUE)
    assert isinstance(found, list)
    return [(fault.place, fault.code) for fault in found]


def test_good_row_gives_ids_and_the_address_as_it_was_written() -> None:
    """Labels in any case become ids; the address keeps case and plus part; raw HRIS cells are not read."""
    assert parse_row({**GOOD, "Languages": "English"}, CATALOGUE) == InviteRow(
        email="Maya.Okafor+hub@example.com",
        first_name="Maya",
        last_name="O'Brien-Ñúñez",
        roles=("mentor", "mentee"),
        segments={"location": ("london",), "languages": ("en",), "cohort": ("c1",)},
        language="pt-BR",
        ref="a" * 32,
    )


def test_headers_may_be_spelled_as_people_do() -> None:
    """Case, spaces, hyphens and underscores of headers do not matter, those of segments included."""
    row = parse_row({"E-Mail": "a@example.com", "FIRST NAME": "Ana", "Role": "Mentor", "COHORT": "2026"}, CATALOGUE)
    assert isinstance(row, InviteRow)
    assert (row.email, row.first_name, row.segments) == ("a@example.com", "Ana", {"cohort": ("c1",)})


def test_option_that_holds_a_semicolon_is_found_as_a_whole_and_in_quotation_marks() -> None:
    """The separator may be part of an option's label."""
    for cell, expected in (("R&D; Ops", ("rd",)), ('"R&D; Ops"; English', ("rd", "en"))):
        row = parse_row({**GOOD, "Languages": cell}, CATALOGUE)
        assert isinstance(row, InviteRow)
        assert row.segments["languages"] == expected


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"email": ""}, ("email", "missing_value")),
        ({"email": "priya.raman@@example.com"}, ("email", "bad_email")),
        ({"email": "a@example.com, b@example.com"}, ("email", "bad_email")),
        ({"email": "a@example.com\r\nBcc: b@example.com"}, ("email", "bad_email")),
        ({"role": ""}, ("role", "missing_value")),
        ({"role": "Menter"}, ("role", "unknown_role")),
        ({"role": "Old hand"}, ("role", "unknown_role")),
        ({"Location": "Lodnon"}, ("Location", "unknown_option")),
        ({"Location": "Bonn"}, ("Location", "unknown_option")),
        ({"Cohort": " "}, ("Cohort", "missing_value")),
        ({"first_name": "x" * 201}, ("first_name", "too_long")),
        ({"language": "German language"}, ("language", "bad_language")),
        ({"ref": "E-1042"}, ("ref", "unknown_ref")),
        ({"ref": "a" * 4096}, ("ref", "unknown_ref")),
    ],
)
def test_faulty_cell_is_told_with_its_column_and_code(changed: dict[str, str], expected: tuple[str, str]) -> None:
    """Each kind of fault has its code, at the column where it is."""
    assert _codes(**changed) == [expected]


def test_two_options_in_a_single_valued_segment_are_too_many() -> None:
    """A segment that takes one option cannot be given two; the same one twice is one."""
    catalogue = Catalogue(
        (Role("m", "Mentor"),),
        (Segment("s", "Location", options=(Option("london", "London"), Option("rome", "Rome"))),),
    )
    found = parse_row({"email": "a@example.com", "Location": "London; Rome"}, catalogue)
    assert isinstance(found, list)
    assert [fault.code for fault in found] == ["too_many_values"]
    row = parse_row({"email": "a@example.com", "Location": "London; LONDON"}, catalogue)
    assert isinstance(row, InviteRow)
    assert row.segments == {"s": ("london",)}


def test_required_segment_that_the_directory_fills_may_be_empty() -> None:
    """What the member gets from the directory anyway need not stand in the file."""
    row = parse_row({**GOOD, "Languages": "English", "Cohort": ""}, CATALOGUE, {"cohort"})
    assert isinstance(row, InviteRow)
    assert "cohort" not in row.segments


def test_row_is_about_an_address_without_case_and_a_person() -> None:
    """Whom a row is about is told before it is judged; what is no address and no reference is nobody."""
    assert keys_of({"E-Mail": " Maya@EXAMPLE.com", "Ref": "b" * 32}) == ("maya@example.com", "b" * 32)
    assert keys_of({"email": "maya", "ref": "B" * 32}) == ("", "")


def test_all_faults_of_a_row_come_at_once() -> None:
    """Nobody has to upload a file five times to learn of five faults."""
    assert _codes(email="x", role="Boss", Location="Lodnon", Languages="Klingon; Elvish", Cohort="") == [
        ("email", "bad_email"),
        ("role", "unknown_role"),
        ("Location", "unknown_option"),
        ("Languages", "unknown_option"),
        ("Languages", "unknown_option"),
        ("Cohort", "missing_value"),
    ]


def test_misspelled_option_is_answered_with_the_one_meant() -> None:
    """The sentence offers the nearest option in use."""
    found = parse_row({**GOOD, "Languages": "", "Location": "Lodnon"}, CATALOGUE)
    assert isinstance(found, list)
    assert found[0].detail == "There is no option “Lodnon”. Did you mean “London”?"


def test_role_may_be_empty_where_there_is_one_only() -> None:
    """A hub with one role in use needs no role column."""
    one = Catalogue((Role("member", "Member"), Role("old", "Old", archived=True)))
    row = parse_row({"email": "a@example.com"}, one)
    assert isinstance(row, InviteRow)
    assert row.roles == ("member",)


def test_repr_of_a_row_shows_no_personal_data() -> None:
    """A row that slips into a log or an exception tells nothing of the person."""
    text = repr(parse_row({**GOOD, "Languages": "English"}, CATALOGUE))
    assert "example.com" not in text.lower()
    assert "Maya" not in text


def test_headers_may_be_in_another_language() -> None:
    """French and Arabic header words are read as our own, whatever their case; nothing of them is left unread."""
    french = {"Adresse e-mail": "a@example.com", "PRÉNOM": "Ana", "Nom de famille": "Ek", "Rôle": "Mentor"}
    arabic = {"البريد الإلكتروني": "a@example.com", "الاسم الأول": "Ana", "اسم العائلة": "Ek", "الدور": "Mentor"}
    expected = InviteRow("a@example.com", "Ana", "Ek", ("mentor",), {"cohort": ("c1",)})
    for cells in (french, arabic):
        assert parse_row({**cells, "Cohort": "2026"}, CATALOGUE) == expected
        assert keys_of(cells)[0] == "a@example.com"
        assert unknown_columns(cells, CATALOGUE) == []


def test_segment_called_like_a_column_in_another_language_is_the_segment() -> None:
    """A French hub may well have a segment “Langue”: its column holds options, not the language of the mail."""
    segment = Segment("langue", "Langue", options=(Option("fr", "Français"),))
    cells = {"email": "a@example.com", "role": "Mentor", "Langue": "Français", "language": "fr"}
    row = parse_row(cells, Catalogue(CATALOGUE.roles, (segment,)))
    assert isinstance(row, InviteRow)
    assert (row.segments, row.language) == ({"langue": ("fr",)}, "fr")


def test_columns_that_nobody_reads_are_named() -> None:
    """Neither ours, nor a segment, nor raw HRIS values: those, as the file spells them."""
    headers = ["E-Mail", "LOCATION", "HRIS: Grade", "result", "T-shirt size", "Lieblingsfarbe", ""]
    assert unknown_columns(headers, CATALOGUE) == ["T-shirt size", "Lieblingsfarbe"]
