"""An event's id: its place, which is the person it is about, and the end of its name."""

from __future__ import annotations

from itertools import product

from rollcall.people import event_log
from rollcall.people.events import Ignored, placed
from rollcall.runtime.ids import event_id, event_name, is_event_id, person_of

SOURCES = ("01JA0000000000000000000SRC", "01JA0000000000000000000ZWE")
PERSONS = ("a" * 32, "b" * 32)
NAMES = [event_name(source_id, f"msg_{number}") for source_id, number in product(SOURCES, range(50))]


def test_id_holds_the_person_and_differs_by_source_name_and_person() -> None:
    """Two persons under one name are two events, and so are two names or sources of one person."""
    ids = [event_id(name, person_id) for name, person_id in product(NAMES, PERSONS)]
    assert len(set(ids)) == len(NAMES) * len(PERSONS)
    assert all(is_event_id(one) for one in ids)
    assert [person_of(one) for one in ids] == [person_id for _, person_id in product(NAMES, PERSONS)]


def test_event_about_nobody_has_nobody_for_ever() -> None:
    """Its id says so, that of other contents under it as well."""
    for name in NAMES:
        event = placed(Ignored(name, SOURCES[0], "test", ""), None)
        later = placed(Ignored(event_log._later_name(event.event_id, "hash"), SOURCES[0], "test", ""), None)
        assert is_event_id(event.event_id)
        assert (person_of(event.event_id), person_of(later.event_id)) == (None, None)
        assert later.event_id > event.event_id


def test_placing_an_event_again_changes_nothing() -> None:
    """The id of an event gives the same id as its name."""
    for name, person_id in product(NAMES, (*PERSONS, None)):
        assert event_id(event_id(name, person_id), person_id) == event_id(name, person_id)


def test_later_name_is_greater_within_the_person() -> None:
    """So that the second of two contents under one id counts, and stays that person's."""
    for name, person_id in product(NAMES, PERSONS):
        first = event_id(name, person_id)
        later = event_id(event_log._later_name(first, "hash"), person_id)
        assert later > first
        assert (person_of(later), event_log.key("hub", later)[0]) == (person_id, event_log.key("hub", first)[0])
