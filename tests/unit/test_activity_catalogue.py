"""What the activity says of a change of roles, segments and options."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from rollcall.activity.catalogue import record_catalogue
from rollcall.segments import changes
from rollcall.segments.model import Catalogue, Option, Role, Segment, Visibility

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MENTOR = Role("mentor", "Mentor")
OPTIONS = (Option("london", "London"), Option("toronto", "Toronto"))
LOCATION = Segment("location", "Location", options=OPTIONS)
BEFORE = Catalogue((MENTOR, Role("mentee", "Mentee")), (LOCATION,))
MANY = tuple(Option(f"o{number}", f"Office {number}") for number in range(25))


def told(*, roles: Sequence[Role] = (), segments: Sequence[Segment] = ()) -> list[dict[str, Any]]:
    entry = record_catalogue(
        "0" * 26, 7, BEFORE, roles, segments, actor="ada", cause="catalogue:7", at="2026-10-05T08:00:00.000Z"
    )
    assert isinstance(entry.new, list)
    return [one for one in entry.new if isinstance(one, dict)]


@pytest.mark.parametrize(
    ("role", "sentences"),
    [
        (Role("buddy", "Buddy"), ["Made the role “Buddy”."]),
        (changes.rename_role(BEFORE, MENTOR, "Guide"), ["Renamed the role “Mentor” to “Guide”."]),
        (replace(MENTOR, description="Helps."), ["Changed the description of the role “Mentor”."]),
        (replace(MENTOR, archived=True), ["Archived the role “Mentor”."]),
        (replace(MENTOR, order=4), ["Moved the role “Mentor” to another place in the list."]),
    ],
)
def test_change_of_a_role_is_a_plain_sentence(role: Role, sentences: list[str]) -> None:
    """Made, renamed, described, archived, moved; everybody may read it."""
    assert told(roles=[role]) == [{"text": text} for text in sentences]


@pytest.mark.parametrize(
    ("change", "sentences"),
    [
        (lambda one: replace(one, name="Office"), ["Renamed the segment “Location” to “Office”."]),
        (lambda one: replace(one, description="Where."), ["Changed the description of the segment “Location”."]),
        (lambda one: replace(one, archived=True), ["Archived the segment “Location”."]),
        (lambda one: replace(one, multi=True), ["“Location” takes several options."]),
        (lambda one: replace(one, required=True), ["“Location” must be filled in."]),
        (
            lambda one: replace(one, visibility=Visibility.HIDDEN),
            ["“Location” is seen by admins only; before, by everybody."],
        ),
        (
            lambda one: replace(one, options=(*one.options, Option("oslo", "Oslo"))),
            ["Added an option to “Location”: “Oslo”."],
        ),
        (
            lambda one: changes.rename_option(one, "london", "London HQ"),
            ["Renamed the option “London” of “Location” to “London HQ”."],
        ),
        (
            lambda one: changes.archive_option(one, "london", archived=True),
            ["Archived the option “London” of “Location”."],
        ),
        (
            lambda one: changes.merge_option(one, "toronto", "london"),
            ["Merged the option “Toronto” of “Location” into “London”."],
        ),
        (
            lambda one: replace(one, name="Office", order=3),
            [
                "Renamed the segment “Location” to “Office”.",
                "Moved the segment “Office” to another place in the list.",
            ],
        ),
    ],
)
def test_change_of_a_segment_is_a_plain_sentence(change: Callable[[Segment], Segment], sentences: list[str]) -> None:
    """Whatever can be changed of it and of its options."""
    assert [one["text"] for one in told(segments=[change(LOCATION)])] == sentences


def test_what_was_merged_before_is_not_told_again() -> None:
    """Toronto goes into London, and London into Oslo: Toronto goes along, and only London is told of."""
    grown = replace(LOCATION, options=(*OPTIONS, Option("oslo", "Oslo")))
    held = changes.merge_option(grown, "toronto", "london")
    entry = record_catalogue(
        "0" * 26,
        8,
        Catalogue((), (held,)),
        [],
        [changes.merge_option(held, "london", "oslo")],
        actor="ada",
        cause="catalogue:8",
        at="2026-10-05T08:00:00.000Z",
    )
    assert isinstance(entry.new, list)
    assert [one["text"] for one in entry.new if isinstance(one, dict)] == [
        "Merged the option “London” of “Location” into “Oslo”."
    ]


def test_new_segment_tells_who_sees_it_and_its_options() -> None:
    """In one entry, though it is two sentences."""
    team = Segment("team", "Team", visibility=Visibility.PRIVATE, options=OPTIONS)
    assert [one["text"] for one in told(segments=[team])] == [
        "Made the segment “Team”, seen by admins and the member.",
        "Added 2 options to “Team”: “London”, “Toronto”.",
    ]


def test_many_options_at_once_are_counted_and_some_are_named() -> None:
    """A pasted column of thousands is one short sentence; where many segments change, each names one."""
    grown = replace(LOCATION, options=OPTIONS + MANY)
    (one,) = told(segments=[grown])
    assert one["text"].startswith("Added 25 options to “Location”: “Office 0”, ")
    assert one["text"].endswith("“Office 19” and 5 more.")
    several = told(segments=[grown, Segment("team", "Team", options=MANY)])
    assert several[0]["text"] == "Added 25 options to “Location”: “Office 0” and 24 more."


def test_sentence_takes_the_narrower_visibility_of_before_and_after() -> None:
    """Whoever could not see the segment before does not read later what it was called then."""
    wider = replace(LOCATION, name="At risk", visibility=Visibility.HIDDEN)
    assert {one["visibility"] for one in told(segments=[wider])} == {"hidden"}
    assert {one["segment"] for one in told(segments=[wider])} == {"location"}
