"""Labels: how they are compared, found, added in bulk, and told when they look alike."""

from __future__ import annotations

import random
import time
from itertools import count

import pytest

from rollcall.runtime.errors import MalformedError
from rollcall.segments.model import Catalogue, Option, Role, Segment, normalise
from rollcall.segments.nearest import Near, NearIndex
from rollcall.segments.options import MAX_OPTIONS, add_options, read_pasted


def _add(existing: list[str], given: list[str]) -> tuple[list[str], list[tuple[str, str]], list[tuple[str, str]]]:
    numbers = count(len(existing))
    before = [Option(f"o{number}", label) for number, label in enumerate(existing)]
    done = add_options(before, given, lambda: f"o{next(numbers)}")
    assert done.options == (*before, *done.added)
    assert len({option.option_id for option in done.options}) == len(done.options)
    return (
        [option.label for option in done.added],
        [(found.given, found.same_as) for found in done.duplicates],
        [(found.given, found.near) for found in done.similar],
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("London", " LONDON  "),
        ("New\u00a0York", "new   york"),
        ("Caf\u00e9", "CAFE\u0301"),
        ("Straße", "STRASSE"),
        ("\uff2c\uff4f\uff4e\uff44\uff4f\uff4e", "London"),
        ("Lon\u200bdon\ufeff", "London"),
    ],
)
def test_spellings_of_one_label_compare_equal(one: str, other: str) -> None:
    """Case, spaces, Unicode form and invisible characters do not tell labels apart."""
    assert normalise(one) == normalise(other)


@pytest.mark.parametrize(("one", "other"), [("Lodz", "Łódź"), ("Level 1", "Level 2"), ("R&D", "RD")])
def test_different_labels_stay_different(one: str, other: str) -> None:
    """Accents, digits and signs mean something."""
    assert normalise(one) != normalise(other)


def test_label_is_found_in_use_before_archived() -> None:
    """Where an archived thing and one in use bear the same label, the one in use is meant."""
    segment = Segment("s", "Location", options=(Option("old", "London", archived=True), Option("new", "london")))
    catalogue = Catalogue((Role("r1", "Mentor", archived=True), Role("r2", "MENTOR")), (segment,))
    found = segment.option(" LONDON ")
    assert found is not None
    assert found.option_id == "new"
    role = catalogue.role("mentor")
    assert role is not None
    assert role.role_id == "r2"
    assert catalogue.segment("LOCATION") is segment
    assert catalogue.segment("Office") is None


def test_pasted_column_is_added_without_blanks_and_duplicates() -> None:
    """The answer says what was added, what was a duplicate of what, and what looks alike."""
    pasted = "London\r\n\r\n  toronto \r\nTORONTO\r\nLodnon\r\nŁódź\r\nLodz\r\n"
    added, duplicates, similar = _add(["London"], read_pasted(pasted))
    assert added == ["toronto", "Lodnon", "Łódź", "Lodz"]
    assert duplicates == [("London", "London"), ("TORONTO", "toronto")]
    assert similar == [("Lodnon", "London"), ("Lodz", "Łódź")]


def test_entry_like_an_archived_option_is_its_duplicate() -> None:
    """Adding an archived label again does not make a second option of that name."""
    done = add_options([Option("o1", "Berlin", archived=True)], ["berlin"], lambda: "o2")
    assert done.added == ()
    assert done.duplicates[0].same_as == "Berlin"


def test_pasted_cell_with_a_line_break_is_one_entry() -> None:
    """A spreadsheet quotes such a cell when it is copied; the break becomes a space."""
    added, _, _ = _add([], read_pasted('"Research\nand Development"\nOps\n'))
    assert added == ["Research and Development", "Ops"]


def test_two_pasted_columns_are_refused() -> None:
    """Taking the cells of a second column for options would be a guess."""
    with pytest.raises(MalformedError) as caught:
        read_pasted("London\tUK\nToronto\tCanada\n")
    assert [(fault.place, fault.code) for fault in caught.value.faults] == [("line 1", "several_columns")]


def test_too_long_and_too_many_entries_are_refused_whole() -> None:
    """Nothing is added by half; each entry that is too long is named."""
    with pytest.raises(MalformedError) as caught:
        add_options([], ["x" * 201, "fine", "y" * 300], lambda: "o")
    assert [fault.place for fault in caught.value.faults] == ["entry 1", "entry 3"]
    with pytest.raises(MalformedError) as caught:
        add_options([], [f"option {number}" for number in range(MAX_OPTIONS + 1)], lambda: "o")
    assert [fault.code for fault in caught.value.faults] == ["too_many_options"]


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("Lodnon", "London"),
        ("Brelin", "Berlin"),
        ("Londo", "London"),
        ("Londoon", "London"),
        ("Lomdon", "London"),
        ("New-York", "New York"),
        ("Level 3", None),
        ("Tokyo", None),
        ("London", None),
    ],
)
def test_misspelling_is_near_and_another_word_is_not(text: str, near: str | None) -> None:
    """One letter, an accent or a hyphen is near; another number, another word or the same label is not."""
    assert NearIndex(["London", "Berlin", "New York", "Level 2"]).find(text) == near


def test_worse_misspelling_is_still_suggested() -> None:
    """A suggestion looks further than one letter, and says nothing where nothing is close."""
    index = NearIndex(["Communications", "Partnerships"])
    assert index.suggest("Comunicatons") == Near("Communications", 0.86)
    assert index.suggest("Gardening") is None


def test_two_thousand_options_are_added_in_a_second() -> None:
    """Telling what looks alike does not compare each with each."""
    letters = random.Random(1)
    labels = ["".join(letters.choices("abcdefghijklmnopqrstuvwxyz", k=14)) for _ in range(2_000)]
    start = time.perf_counter()
    added, _, _ = _add([], labels)
    assert len(added) == 2_000
    assert time.perf_counter() - start < 2
