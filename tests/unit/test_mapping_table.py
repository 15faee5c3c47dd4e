"""What the mapping table gives a person."""

from __future__ import annotations

import json
import time

import pytest

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
from rollcall.segments.model import Catalogue, Option, Role, Segment

CATALOGUE = Catalogue(
    (Role("mentor", "Mentor"), Role("mentee", "Mentee"), Role("old", "Old hand", archived=True)),
    (
        Segment("location", "Location", options=(Option("london", "London"), Option("rome", "Rome"))),
        Segment("languages", "Languages", multi=True, options=(Option("en", "English"), Option("yo", "Yoruba"))),
    ),
)
RULES = (
    Rule("Office", "London", OptionTarget("location", "london"), 2),
    Rule("Site", ANY, OptionTarget("location", ANY), 3),
    Rule("Languages", ANY, OptionTarget("languages", ANY), 4),
    Rule("Grade", "Senior", RoleTarget("mentor"), 5),
    Rule("Grade", ANY, RoleTarget("mentee"), 6),
    Rule("Grade", ANY, ProfileTarget("Grade"), 7),
    Rule("group", "Alumni", RoleTarget("mentee"), 8),
    Rule("Title", "CEO", ProfileTarget("Job title", "Chief"), 9),
    Rule("Title", ANY, ProfileTarget("Job title"), 10),
    Rule("Rank", "Veteran", RoleTarget("old"), 11),
    Rule("Rank", "Ghost", RoleTarget("gone"), 12),
)
TABLE = MappingTable(1, RULES)


@pytest.mark.parametrize("value", ["London", " LONDON ", "lon\u200bdon", "\uff2condon"])
def test_value_matches_however_it_is_spelled(value: str) -> None:
    """Case, spaces and Unicode form of field and value do not matter."""
    found = project({" OFFICE": value}, TABLE, CATALOGUE)
    assert found.segments == {"location": ("london",)}
    assert {name: hit.rule.row for name, hit in found.why.items()} == {"segments.location.london": 2}


def test_exact_rule_beats_the_general_one_for_the_same_thing_only() -> None:
    """``Senior`` is a mentor and no mentee as well, and still fills the profile field that any grade fills."""
    found = project({"Grade": "senior"}, TABLE, CATALOGUE)
    assert found.roles == ("mentor",)
    assert found.profile == {"Grade": "senior"}
    assert project({"Grade": "Junior"}, TABLE, CATALOGUE).roles == ("mentee",)
    assert project({"Title": "CEO"}, TABLE, CATALOGUE).profile == {"Job title": "Chief"}
    assert project({"Title": "Cook"}, TABLE, CATALOGUE).profile == {"Job title": "Cook"}


def test_first_rule_of_the_table_wins_in_a_single_valued_segment() -> None:
    """Two offices are one location: that of the rule that stands first."""
    found = project({"Site": "Rome", "Office": "London"}, TABLE, CATALOGUE)
    assert found.segments == {"location": ("london",)}


def test_several_values_fill_a_multi_valued_segment() -> None:
    """Each value is taken over as the option of its label; one that is no option is unmapped."""
    found = project({"Languages": ("Yoruba", "english", "Klingon")}, TABLE, CATALOGUE)
    assert set(found.segments["languages"]) == {"en", "yo"}
    assert found.unmapped == (("Languages", "Klingon"),)


def test_group_gives_a_role() -> None:
    """Groups are the attribute ``group``."""
    assert project({"group": ("Alumni", "Others")}, TABLE, CATALOGUE).roles == ("mentee",)


def test_archived_and_missing_targets_give_nothing_and_are_unmapped() -> None:
    """A rule whose role is no longer in use is as good as none."""
    for value in ("Veteran", "Ghost"):
        found = project({"Rank": value}, TABLE, CATALOGUE)
        assert found.roles == ()
        assert found.unmapped == (("Rank", value),)


def test_blank_value_is_no_value() -> None:
    """Blanks neither meet ``*`` nor are unmapped."""
    found = project({"Grade": "  ", "Shoe size": ""}, TABLE, CATALOGUE)
    assert (found.roles, found.profile, found.unmapped) == ((), {}, ())


def test_table_written_as_json_reads_back_the_same() -> None:
    """Nothing of a rule is lost in the bucket."""
    assert table_from_json(json.loads(json.dumps(table_to_json(TABLE)))) == TABLE


def test_twenty_thousand_rules_are_looked_up_not_searched() -> None:
    """Projecting a person does not cost more with a large table than some lookups."""
    rules = tuple(Rule(f"Field {n % 20}", f"Value {n}", RoleTarget("mentor"), n) for n in range(20_000))
    table = MappingTable(1, rules)
    person: dict[str, str | tuple[str, ...]] = {f"field {n}": f"value {n + 20}" for n in range(20)}
    start = time.perf_counter()
    for _ in range(100):
        assert project(person, table, CATALOGUE).roles == ("mentor",)
    assert time.perf_counter() - start < 0.5
