"""When an end date is over, and what is then due."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from rollcall.hubs.model import Hub
from rollcall.people.events import DirectoryEvent, Kind
from rollcall.people.merge import DirectoryStatus, Person, merge
from rollcall.people.model import PersonRecord
from rollcall.people.schedule import end_event, scheduled
from rollcall.runtime.zones import day_is_over, zone_named

HUB = Hub(hub_id="h", name="Harbour", salt="0", time_zone="Europe/Paris")
NOW = "2026-10-20T08:00:00.000Z"


def _event(number: int, at: str, kind: Kind = Kind.UPDATED, **fields: str | None) -> DirectoryEvent:
    return DirectoryEvent(f"{number:032d}", "S", "E-1", kind, at, fields=fields)


def _record(*events: DirectoryEvent) -> PersonRecord:
    person: Person | None = None
    for event in events:
        person = merge(person, event)
    assert person is not None
    return PersonRecord("p" * 32, person)


@pytest.mark.parametrize(
    ("day", "zone", "instant"),
    [
        ("2026-12-31", "UTC", "2027-01-01T00:00:00+00:00"),
        ("2026-06-30", "Europe/Paris", "2026-06-30T22:00:00+00:00"),
        ("2026-12-31", "Europe/Paris", "2026-12-31T23:00:00+00:00"),
        ("2026-12-31", "Pacific/Kiritimati", "2026-12-31T10:00:00+00:00"),
        ("2026-12-31", "Pacific/Pago_Pago", "2027-01-01T11:00:00+00:00"),
        ("2026-05-31", "Asia/Kathmandu", "2026-05-31T18:15:00+00:00"),
        # Clocks go from 24:00 to 01:00: there is no midnight, the day is over at the change.
        ("2017-10-14", "America/Sao_Paulo", "2017-10-15T03:00:00+00:00"),
        # Clocks go from 24:00 back to 23:00: the day has 25 hours.
        ("2018-02-17", "America/Sao_Paulo", "2018-02-18T03:00:00+00:00"),
        # Midnight came twice: 00:01 was followed by 23:01.
        ("1999-10-30", "America/St_Johns", "1999-10-31T03:30:00+00:00"),
        # Samoa left out the 30th of December 2011.
        ("2011-12-29", "Pacific/Apia", "2011-12-30T10:00:00+00:00"),
        ("2011-12-30", "Pacific/Apia", "2011-12-30T10:00:00+00:00"),
        ("2026-12-31T00:00:00Z", "UTC", "2027-01-01T00:00:00+00:00"),
    ],
)
def test_day_is_over_at_midnight_after_it_in_its_zone(day: str, zone: str, instant: str) -> None:
    """Also where clocks are moved at midnight, and across the date line."""
    over = day_is_over(day, ZoneInfo(zone))
    assert over is not None
    assert over.isoformat() == instant


@pytest.mark.parametrize("day", ["", "soon", "9999-12-31", "2026-02-30"])
def test_what_is_no_day_is_never_over(day: str) -> None:
    """A value that no calendar has ends nobody, and breaks nothing."""
    assert day_is_over(day, ZoneInfo("UTC")) is None


def test_end_date_is_judged_in_the_zone_of_person_then_hub() -> None:
    """The person's own zone counts; one that nobody knows does not, then it is the hub's."""
    own = _record(_event(1, NOW, end_date="2026-12-31", time_zone="Pacific/Auckland"))
    odd = _record(_event(1, NOW, end_date="2026-12-31", time_zone="Middle/Earth"))
    none = _record(_event(1, NOW, end_date="2026-12-31"))
    found = [scheduled(one, HUB, NOW).due_at for one in (own, odd, none)]
    assert found == ["2026-12-31T11:00:00.000Z", "2026-12-31T23:00:00.000Z", "2026-12-31T23:00:00.000Z"]


@pytest.mark.parametrize(("name", "known"), [("Europe/Paris", True), ("", False), ("Europe", False), ("../x", False)])
def test_only_names_of_the_database_are_zones(name: str, known: bool) -> None:  # noqa: FBT001 - an expectation
    """Folders of the database and paths are none."""
    assert (zone_named(name) is not None) is known


def test_end_event_ends_and_is_then_due_no_more() -> None:
    """Applied, in whatever order with what came before it, the person is inactive and nothing more is to come."""
    added = _event(1, "2026-10-01T08:00:00.000Z", Kind.ADDED, email="maya@example.com", end_date="2026-10-10")
    record = _record(added)
    ending = end_event(record, HUB)
    assert ending is not None
    assert ending == end_event(record, HUB)
    for ended in (_record(added, ending), _record(ending, added)):
        assert ended.person.status is DirectoryStatus.INACTIVE
        assert scheduled(ended, HUB, NOW).due_at == ""


def test_end_date_that_is_over_when_somebody_is_taken_on_ends_them_all_the_same() -> None:
    """A first load brings former employees as new ones: their end date wins over the event that brought it."""
    record = _record(_event(1, NOW, Kind.ADDED, email="maya@example.com", end_date="2020-01-31"))
    ending = end_event(record, HUB)
    assert ending is not None
    assert merge(record.person, ending).status is DirectoryStatus.INACTIVE
    assert scheduled(record, HUB, NOW).due_at == "2026-10-20T08:00:00.001Z"


def test_end_date_that_moves_or_goes_moves_or_takes_what_is_due() -> None:
    """The newest record counts, whatever order the records came in."""
    first = _event(1, "2026-10-01T08:00:00.000Z", end_date="2026-10-31")
    later = _event(2, "2026-10-02T08:00:00.000Z", end_date="2026-12-31")
    none = _event(3, "2026-10-03T08:00:00.000Z", end_date=None)
    assert scheduled(_record(later, first), HUB, NOW).due_at == "2026-12-31T23:00:00.000Z"
    assert scheduled(_record(none, first, later), HUB, NOW).due_at == ""


def test_rehire_after_the_end_is_not_ended_by_the_old_date_again() -> None:
    """Once the end has been said, a newer activation without a date of its own stands."""
    added = _event(1, "2026-10-01T08:00:00.000Z", Kind.ADDED, end_date="2026-10-10")
    ending = end_event(_record(added), HUB)
    assert ending is not None
    back = _event(2, "2026-11-01T08:00:00.000Z", Kind.REACTIVATED)
    record = _record(added, ending, back)
    assert record.person.status is DirectoryStatus.ACTIVE
    assert end_event(record, HUB) is None


@pytest.mark.parametrize("days", [0, 30])
def test_deleted_person_is_due_after_the_grace_time(days: int) -> None:
    """Counted from when we learned of it; looking again does not move it."""
    hub = replace(HUB, deletion_grace_days=days)
    record = scheduled(_record(_event(1, "2025-01-01T00:00:00.000Z", Kind.DELETED)), hub, NOW)
    assert record.deleted_at == NOW
    expected = {0: NOW, 30: "2026-11-19T08:00:00.000Z"}[days]
    assert record.due_at == expected
    assert scheduled(record, hub, "2026-10-25T08:00:00.000Z") == record
    assert datetime.fromisoformat(record.due_at).tzinfo == UTC
