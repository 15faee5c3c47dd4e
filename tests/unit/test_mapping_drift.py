"""What no rule covers: counted from people, with what was perhaps meant; rules added and taken out."""

from __future__ import annotations

import pytest

from rollcall.mapping.drift import MAX_EXAMPLES, MAX_VALUES, Entry, Suggestion, Suggestions, Tally
from rollcall.mapping.rules import Removal, with_added, without
from rollcall.mapping.table import ANY, MappingTable, OptionTarget, ProfileTarget, RoleTarget, Rule
from rollcall.people.events import DirectoryEvent, Kind
from rollcall.people.merge import Person, lift, merge, tombstone
from rollcall.runtime.errors import MalformedError
from rollcall.segments.model import Catalogue
from tests.support.world import ROLES, RULES, SEGMENTS

CATALOGUE = Catalogue(tuple(ROLES), tuple(SEGMENTS))
TABLE = MappingTable(1, RULES)


def person(name: str, day: int = 1, **attributes: str | tuple[str, ...]) -> Person:
    return lift(event(name, day, **attributes))


def event(name: str, day: int, **attributes: str | tuple[str, ...]) -> DirectoryEvent:
    at = f"2026-10-{day:02d}T08:00:00.000Z"
    return DirectoryEvent(f"{name}{day}", "source", name, Kind.UPDATED, at, attributes=dict(attributes))


def entries(*persons: Person) -> list[Entry]:
    tally = Tally(TABLE, CATALOGUE)
    for one in persons:
        tally.add(one)
    return tally.entries()


def test_people_are_counted_once_for_each_value_spelling_aside() -> None:
    """One entry for a value, however it is written, with when it was said first and last; covered ones are none."""
    told = [
        person("a", 3, Office="Berlin", Grade="Senior"),
        person("b", 1, Office=" BERLIN"),
        person("c", 2, Office=("berlin", "Berlin", "Oslo")),
    ]
    expected = [
        ("Office", 3, "2026-10-01T08:00:00.000Z", "2026-10-03T08:00:00.000Z", (" BERLIN", "Berlin", "berlin")),
        ("Office", 1, "2026-10-02T08:00:00.000Z", "2026-10-02T08:00:00.000Z", ("Oslo",)),
    ]
    for order in (told, told[::-1]):
        found = entries(*order)
        assert [(one.field, one.people, one.first_seen, one.last_seen, one.examples) for one in found] == expected
    assert len(expected[0][4]) == MAX_EXAMPLES


def test_entry_ends_with_the_last_person_who_has_it() -> None:
    """Whoever moved, or was erased, is counted no more."""
    berlin = person("a", 1, Office="Berlin")
    assert [one.value for one in entries(berlin)] == ["Berlin"]
    assert entries(merge(berlin, event("a", 2, Office="London"))) == []
    assert entries(tombstone(berlin)) == []


def test_field_with_many_values_is_one_entry_that_tells_none_of_them() -> None:
    """Employee numbers: how many people, no value, no example."""
    people = [person(str(n), 1, Number=f"E-{n}", Desk=f"D-{n % MAX_VALUES}") for n in range(MAX_VALUES + 5)]
    found = entries(*people)
    (many,) = [one for one in found if one.field == "Number"]
    assert (many.value, many.people, many.examples, many.has_many) == (None, MAX_VALUES + 5, (), True)
    assert len([one for one in found if one.field == "Desk"]) == MAX_VALUES


def test_fields_alone_tell_nothing_of_their_values() -> None:
    """Who may not see HRIS values sees how many people are waiting in a field."""
    tally = Tally(TABLE, CATALOGUE)
    for one in (person("a", 1, Office=("Berlin", "Oslo")), person("b", 2, Office="Oslo")):
        tally.add(one)
    (entry,) = tally.fields()
    assert (entry.field, entry.value, entry.people, entry.examples) == ("Office", None, 2, ())


def test_group_is_seen_when_it_was_said() -> None:
    """Groups are values of the field ``group``, each with the time of its own event."""
    joined = DirectoryEvent("e1", "source", "a", Kind.UPDATED, "2026-10-05T08:00:00.000Z", groups={"Chess": True})
    (entry,) = entries(lift(joined))
    assert (entry.field, entry.value, entry.first_seen) == ("group", "Chess", "2026-10-05T08:00:00.000Z")


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("Office", "LONDON ", Suggestion("Location", "London", 1.0)),
        ("Office", "Londn", Suggestion("Location", "London", 0.83)),
        ("Office", "Berlin", None),
        ("Grade", "mentee", Suggestion("", "Mentee", 1.0)),
        ("location", "Toronto", Suggestion("Location", "Toronto", 1.0)),
        ("Locations", "Torontoo", Suggestion("Location", "Toronto", 0.88)),
        ("City", "toronto", Suggestion("Location", "Toronto", 1.0)),
        ("City", "Torontoo", None),
        ("Job title", "London", Suggestion("Location", "London", 1.0)),
    ],
)
def test_suggestion_is_the_same_label_else_the_nearest_of_what_the_field_gives(
    field: str, value: str, expected: Suggestion | None
) -> None:
    """By the field's rules, else by its name; in a field of no such name only the very same label is suggested."""
    assert Suggestions(TABLE, CATALOGUE).find(field, value) == expected


def test_suggestion_names_nothing_that_is_not_in_the_catalogue_given() -> None:
    """A segment that the reader may not see is left out of the catalogue, and is no suggestion."""
    assert Suggestions(TABLE, Catalogue(tuple(ROLES), ())).find("Office", "london") is None


BERLIN = Rule("Office", "Berlin", OptionTarget("location", "london"), 1)


def test_rules_are_taken_out_by_field_and_value_and_added_at_the_end() -> None:
    """Spelling aside; the rows of those that stay are as they were."""
    kept = without(RULES, [Removal("office", " LONDON")])
    assert kept == RULES[1:]
    after = with_added(TABLE, kept, [BERLIN], CATALOGUE)
    assert (after[:-1], after[-1].value, after[-1].row) == (kept, "Berlin", 8)


def test_a_removal_that_fits_no_rule_is_told() -> None:
    """Nothing is taken out silently."""
    with pytest.raises(MalformedError) as caught:
        without(RULES, [Removal("Office", "London"), Removal("Office", "Berlin")])
    assert [(fault.place, fault.code) for fault in caught.value.faults] == [("remove.1", "no_such_rule")]


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        (Rule("office", "london", OptionTarget("location", "london"), 1), "duplicate_rule"),
        (Rule("Office", "London", OptionTarget("location", "toronto"), 1), "contradicting_rule"),
        (Rule("Job title", ANY, ProfileTarget("job TITLE", "Boss"), 1), "contradicting_rule"),
        (Rule("Skills", ANY, OptionTarget("languages", ANY), 1, ";"), "different_separator"),
        (Rule("Grade", "Senior", RoleTarget("mentee"), 1), ""),
        (Rule("Languages", ANY, OptionTarget("languages", "en"), 1), ""),
    ],
)
def test_a_rule_that_does_not_go_with_the_table_is_told(rule: Rule, code: str) -> None:
    """What is there already, or gives a value two things where one is taken; a second role may come."""
    kept = (*RULES, Rule("Skills", "Chess", OptionTarget("languages", "en"), 8, ","))
    if not code:
        assert len(with_added(TABLE, kept, [rule], CATALOGUE)) == len(kept) + 1
        return
    with pytest.raises(MalformedError) as caught:
        with_added(TABLE, kept, [rule], CATALOGUE)
    assert [(fault.place, fault.code) for fault in caught.value.faults] == [("rules.0", code)]
