"""Projecting: the same person and table give the same, whatever order things come in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from rollcall.mapping.table import (
    ANY,
    MappingTable,
    OptionTarget,
    ProfileTarget,
    RoleTarget,
    Rule,
    project,
    table_from_json,
    table_to_json,
)
from rollcall.segments.model import Catalogue, Option, Role, Segment, normalise
from tests.support.examples import examples

if TYPE_CHECKING:
    import random

FIELDS = ["Office", "office ", "Grade", "Languages"]
VALUES = ["London", "LONDON", "Rome", "b", "*", "é"]
CATALOGUE = Catalogue(
    (Role("a", "London"), Role("b", "b")),
    (
        Segment("one", "One", options=(Option("l", "London"), Option("r", "Rome"))),
        Segment("many", "Many", multi=True, options=(Option("l2", "London"), Option("r2", "Rome"))),
    ),
)
TARGETS = st.one_of(
    st.sampled_from(["a", "b", ANY, "gone"]).map(RoleTarget),
    st.builds(OptionTarget, st.sampled_from(["one", "many", "gone"]), st.sampled_from(["l", "r", "l2", "r2", ANY])),
    st.builds(ProfileTarget, st.sampled_from(["P", "Q"]), st.sampled_from([ANY, "fixed"])),
)
PAIRS = st.lists(st.tuples(st.sampled_from(FIELDS), st.sampled_from(VALUES), TARGETS), max_size=8)
TABLES = PAIRS.map(lambda pairs: MappingTable(1, tuple(Rule(*pair, row) for row, pair in enumerate(pairs, start=2))))
PEOPLE = st.dictionaries(
    st.sampled_from(FIELDS),
    st.one_of(st.sampled_from(VALUES), st.lists(st.sampled_from(VALUES), max_size=4).map(tuple)),
)


@settings(max_examples=examples(500), deadline=None)
@given(PEOPLE, TABLES, st.randoms(use_true_random=False))
def test_order_of_attributes_and_values_does_not_matter(
    person: dict[str, str | tuple[str, ...]], table: MappingTable, chance: random.Random
) -> None:
    """Derived state is a function of what the person is, not of how it was told (architecture §3, idea 2)."""
    names = list(person)
    chance.shuffle(names)
    shuffled: dict[str, str | tuple[str, ...]] = {}
    for name in names:
        value = person[name]
        shuffled[name] = value if isinstance(value, str) else tuple(chance.sample(value, len(value)))
    assert project(shuffled, table, CATALOGUE) == project(person, table, CATALOGUE)


@settings(max_examples=examples(500), deadline=None)
@given(PEOPLE, TABLES)
def test_projection_keeps_to_the_catalogue(person: dict[str, str | tuple[str, ...]], table: MappingTable) -> None:
    """Only roles and options that exist are given, one at most where the segment takes one, each with its rule."""
    found = project(person, table, CATALOGUE)
    assert set(found.roles) <= set(CATALOGUE.roles_by_id)
    for segment_id, options in found.segments.items():
        segment = CATALOGUE.segments_by_id[segment_id]
        assert options
        assert set(options) <= set(segment.options_by_id)
        assert len(options) == len(set(options))
        assert segment.multi or len(options) == 1
    given_things = {f"roles.{role}" for role in found.roles} | {f"profile.{name}" for name in found.profile}
    given_things |= {f"segments.{name}.{option}" for name, options in found.segments.items() for option in options}
    assert set(found.why) == given_things


@settings(max_examples=examples(200), deadline=None)
@given(TABLES)
def test_table_survives_json(table: MappingTable) -> None:
    """A table read back from the bucket is the one that was written."""
    assert table_from_json(table_to_json(table)) == table


@settings(max_examples=examples(1_000), deadline=None)
@given(st.text())
def test_normalising_twice_is_normalising_once(text: str) -> None:
    """A normalised label is its own normal form, in every script, also after a change of case or Unicode form."""
    once = normalise(text)
    assert normalise(once) == once
    assert normalise(f"  {text} ") == once
