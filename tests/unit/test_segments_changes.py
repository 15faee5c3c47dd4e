"""Renaming, archiving and merging: ids stay, and former labels go on meaning the same thing."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollcall.runtime.errors import NotFoundError, RefusedError
from rollcall.segments import changes
from rollcall.segments.model import Catalogue, Option, Role, Segment, Visibility

if TYPE_CHECKING:
    from collections.abc import Callable

PLACES = Segment(
    "loc", "Location", options=(Option("ldn", "London"), Option("lon", "Greater London"), Option("x", "X"))
)


def _code(change: Callable[[], object]) -> str:
    with pytest.raises(RefusedError) as caught:
        change()
    return caught.value.code


def test_a_renamed_option_is_found_by_both_labels() -> None:
    """Files and rules of before do not break."""
    renamed = changes.rename_option(PLACES, "ldn", "London HQ")
    found = [renamed.option(label) for label in ("London HQ", "london")]
    assert [option.option_id for option in found if option] == ["ldn", "ldn"]
    back = changes.rename_option(renamed, "ldn", "London")
    assert back.options_by_id["ldn"].also == ("London HQ",)


def test_a_new_option_may_take_a_former_label() -> None:
    """What is there now counts before what was there once."""
    renamed = changes.rename_option(PLACES, "ldn", "London HQ")
    with_new = replace(renamed, options=(*renamed.options, Option("new", "London")))
    found = with_new.option("London")
    assert found is not None
    assert found.option_id == "new"


def test_a_label_of_another_option_is_refused() -> None:
    """Two of one name could not be told apart; merging is offered."""
    assert _code(lambda: changes.rename_option(PLACES, "ldn", "greater  LONDON")) == "name_taken"


def test_a_merged_option_means_the_other_one() -> None:
    """By its id, by its label, and those that were merged into it before."""
    once = changes.merge_option(PLACES, "x", "lon")
    twice = changes.merge_option(once, "lon", "ldn")
    for option_id in ("x", "lon", "ldn"):
        current = twice.current(option_id)
        assert current is not None
        assert current.option_id == "ldn"
    assert {twice.option_ids[label] for label in ("x", "greater london", "london")} == {"ldn"}
    assert changes.merge_option(twice, "lon", "ldn") == twice


@pytest.mark.parametrize(
    ("option_id", "into", "code"),
    [("ldn", "ldn", "same_option"), ("ldn", "old", "archived_option"), ("gone", "x", "merged")],
)
def test_a_merge_that_makes_no_sense_is_refused(option_id: str, into: str, code: str) -> None:
    """With a reason each."""
    options = (
        *PLACES.options,
        Option("old", "Old", archived=True),
        Option("gone", "Gone", archived=True, merged_into="ldn"),
    )
    assert _code(lambda: changes.merge_option(replace(PLACES, options=options), option_id, into)) == code


def test_an_option_that_is_not_there_is_not_found() -> None:
    """Whatever is to be done with it."""
    with pytest.raises(NotFoundError):
        changes.merge_option(PLACES, "ldn", "nowhere")
    with pytest.raises(NotFoundError):
        changes.archive_option(PLACES, "nowhere", archived=True)


def test_the_last_role_and_the_default_one_stay() -> None:
    """Every member needs a role."""
    mentor, mentee = Role("mentor", "Mentor"), Role("mentee", "Mentee")
    both = Catalogue(roles=(mentor, mentee))
    assert _code(lambda: changes.archive_role(Catalogue(roles=(mentor,)), mentor, "")) == "last_role"
    assert _code(lambda: changes.archive_role(both, mentor, "mentor")) == "default_role"
    assert changes.archive_role(both, mentor, "mentee").archived
    assert _code(lambda: changes.rename_role(both, mentor, "MENTEE")) == "name_taken"


def test_several_options_stay_several() -> None:
    """Nobody loses one of theirs by a setting."""
    several = replace(PLACES, multi=True)
    assert _code(lambda: changes.set_multi(several, multi=False)) == "several_options"
    assert changes.set_multi(PLACES, multi=True).multi


def test_more_people_see_what_was_hidden_or_private() -> None:
    """Archived, hidden, private, public: in this order."""
    by_openness = [
        replace(PLACES, archived=True),
        replace(PLACES, visibility=Visibility.HIDDEN),
        replace(PLACES, visibility=Visibility.PRIVATE),
        replace(PLACES, visibility=Visibility.PUBLIC),
    ]
    for (i, old), (j, new) in product(enumerate(by_openness), repeat=2):
        assert changes.is_more_visible(old, new) == (j > i)
    archived = replace(PLACES, archived=True, visibility=Visibility.PUBLIC)
    assert not changes.is_more_visible(replace(PLACES, archived=True), archived), "nobody sees either"


@given(st.lists(st.tuples(st.sampled_from("abcde"), st.sampled_from("abcde")), max_size=12))
def test_any_merges_leave_each_option_meaning_one_in_use(merges: list[tuple[str, str]]) -> None:
    """However they follow on each other, no chain is left and no label is lost."""
    segment = Segment("s", "S", options=tuple(Option(name, name.upper()) for name in "abcde"))
    for option_id, into in merges:
        try:
            segment = changes.merge_option(segment, option_id, into)
        except RefusedError:
            continue
    for name in "abcde":
        current = segment.current(name)
        assert current is not None
        assert not current.archived
        assert segment.option_ids[name] == current.option_id
