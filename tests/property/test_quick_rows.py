"""Rows judged at little cost: whenever the quick judge says something, the careful one says the same."""

from __future__ import annotations

import csv
import io

from hypothesis import example, given, settings
from hypothesis import strategies as st

from rollcall.files.rows import read_rows
from rollcall.invitations.quick import quick_judge
from rollcall.invitations.rows import InviteRow, parse_row
from rollcall.segments.model import Catalogue, Option, Role, Segment
from tests.support.examples import examples

CATALOGUE = Catalogue(
    (Role("mentor", "Mentor"), Role("mentee", "Mentee"), Role("old", "Old", archived=True)),
    (
        Segment("location", "Location", options=(Option("london", "London"), Option("rd", "R&D; Ops"))),
        Segment("languages", "Languages", multi=True, options=(Option("en", "English"), Option("fr", "French"))),
        Segment("cohort", "Cohort", required=True, options=(Option("one", "1"),)),
    ),
)
HEADERS = (
    ("email", "first_name", "last_name", "role", "Location", "Languages", "Cohort", "language", "ref", "export"),
    ("Cohort", "E-Mail", "Role", "Shoe size", "email (2)", "locale", "Location"),
    ("mail", "Cohort"),
)
LOCAL = st.text("aZ9_.+-'é\u0307 ", min_size=1, max_size=70)
DOMAIN = st.one_of(
    st.sampled_from(["example.com", "Example.com", "example.test", "a.local", "localhost", "xn--bcher-kva.example"]),
    st.text("ab9.-_é", max_size=12).map(lambda text: f"{text}.com"),
    st.text("ab9.-", max_size=200),
)
EMAIL = st.one_of(
    st.tuples(LOCAL, DOMAIN).map("@".join), st.sampled_from(["maya@example.com", "maya.okafor+x@example.com", "", "@"])
)
NAME = st.one_of(
    st.sampled_from(
        ["Maya", "'t Hart", "'=1", "  two  words ", "Z" * 150, "Z" * 201, "O\u0308zil", "a\x0bb", "\u200b"]
    ),
    st.text(max_size=12),
)
REF = st.sampled_from(["", "b" * 32, "B" * 32, "b" * 31, "b b" * 10 + "bb", "٠" * 32, " " + "b" * 32])
OTHER = st.sampled_from(
    [
        "",
        "Mentor",
        "mentee; Mentor",
        "Old",
        "Boss",
        "London",
        "R&D; Ops",
        "English; French",
        "1",
        "en",
        "pt-BR",
        "'=1",
        " ",
    ]
)
CELL = {"email": EMAIL, "E-Mail": EMAIL, "mail": EMAIL, "first_name": NAME, "last_name": NAME, "ref": REF}
PLAIN = ["maya.okafor@example.com", "Maya", "Müller", "Mentor", "London", "English; French", "1", "en", "a" * 32, "x"]


def _rows(headers: tuple[str, ...]) -> st.SearchStrategy[list[list[str]]]:
    whole = st.tuples(*(CELL.get(name, OTHER) for name in headers)).map(list)
    ragged = st.lists(OTHER, max_size=12)
    return st.lists(st.one_of(whole, whole, ragged), max_size=8)


FILES = st.sampled_from(HEADERS).flatmap(lambda headers: st.tuples(st.just(headers), _rows(headers)))


@settings(max_examples=examples(300), deadline=None)
@given(FILES)
@example((HEADERS[0], [PLAIN, PLAIN]))
def test_what_the_quick_judge_says_is_what_the_careful_one_says(file: tuple[tuple[str, ...], list[list[str]]]) -> None:
    """A row that is judged quickly has no fault, and asks for the same roles, options, names and address."""
    headers, records = file
    out = io.StringIO(newline="")
    csv.writer(out).writerows([headers, *(record for record in records if record)])
    body = out.getvalue().encode("utf-8", "replace").replace(b"\0", b"")
    reader = read_rows(io.BytesIO(body))
    careful = list(read_rows(io.BytesIO(body)))
    judged = list(reader.judged(quick_judge(reader.headers, CATALOGUE)))
    assert [reader.row(number, record) for number, record, _ in judged] == careful
    for (_, _, quick), row in zip(judged, careful, strict=True):
        if quick is not None:
            assert not row.faults
            assert quick == parse_row(row.cells, CATALOGUE)


@settings(max_examples=examples(1000), deadline=None)
@given(EMAIL)
def test_an_address_that_is_taken_quickly_is_one_for_the_library_too(email: str) -> None:
    """What the short pattern admits, email-validator admits and leaves as it is."""
    row = quick_judge(("email", "Cohort", "role"), CATALOGUE)([email, "1", "Mentor"])
    assert row is None or row == parse_row({"email": email, "Cohort": "1", "role": "Mentor"}, CATALOGUE)


def test_a_row_as_it_is_exported_is_judged_quickly() -> None:
    """The short way is taken by the rows that most files consist of, in whatever order their columns are."""
    for headers, record in ((HEADERS[0], PLAIN), (HEADERS[0][::-1], PLAIN[::-1]), (HEADERS[2], [PLAIN[0], "1"])):
        catalogue = CATALOGUE if len(record) > 2 else Catalogue(CATALOGUE.roles[:1], CATALOGUE.segments)
        assert isinstance(quick_judge(headers, catalogue)(record), InviteRow)
