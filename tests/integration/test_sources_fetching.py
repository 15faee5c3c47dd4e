"""Events that say only who: looked up at a vendor-like server, on the real stores in memory."""

from __future__ import annotations

import itertools
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from rollcall.hubs import store as hubs
from rollcall.people import event_log, store
from rollcall.people.events import Kind
from rollcall.people.merge import tombstone
from rollcall.people.model import EventState, Looking
from rollcall.people.sync import apply_event
from rollcall.runtime import dynamo
from rollcall.runtime.times import to_text
from rollcall.sources import finch, health
from rollcall.sources.policy import Away, EmailChoice, Policy
from rollcall.sources.store import change_pace
from rollcall.sweeping.run import sweep
from tests.support.thin import (
    CREDENTIALS,
    RECEIVED,
    SOURCES,
    apply,
    connect,
    delayed,
    person,
    rest,
    tell,
    thin,
    thin_world,
)
from tests.support.vendor_server import BAMBOOHR_CREDENTIALS, FINCH_CREDENTIALS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.vendor_server import VendorServer
    from tests.support.world import World


@pytest.fixture
def both(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[World, VendorServer]]:
    """Run with a hub and the server that its sources are asked at."""
    with thin_world(monkeypatch) as found:
        yield found


@pytest.fixture
def world(both: tuple[World, VendorServer]) -> World:
    """Return the hub."""
    return both[0]


@pytest.fixture
def vendor(both: tuple[World, VendorServer]) -> VendorServer:
    """Return the vendor-like server."""
    return both[1]


def test_finch_event_is_looked_up_and_merged_whole(world: World) -> None:
    """The answer is the person's whole record, without what is never stored, as of the moment it was asked."""
    before = datetime.now(UTC)
    logged = tell(world, thin(world, "finch", "1", "E-1", Kind.ADDED))
    assert (logged.state, logged.reason) == (EventState.APPLIED, "person_created")
    found = person(world, "finch", "E-1")
    assert (found.text("email"), found.text("first_name"), found.text("last_name")) == (
        "priya.raman@example.com",
        "Priya",
        "Raman",
    )
    assert found.text("start_date") == "2024-02-01"
    assert found.values() == {
        "title": "Field Organiser",
        "department.name": "Field",
        "is_active": "true",
        "employment_status": "active",
        "custom_fields.Chapter": "East Bay",
        "custom_fields.Volunteer": "true",
    }
    assert logged.event is not None
    assert to_text(before) <= logged.event.occurred_at <= to_text(datetime.now(UTC))
    assert found.floor == logged.event.stamp


def test_bamboohr_event_is_looked_up_and_merged_whole(world: World) -> None:
    """The answer is the person's whole record under the names of BambooHR's fields."""
    assert tell(world, thin(world, "bamboohr", "1", "100")).state is EventState.APPLIED
    found = person(world, "bamboohr", "100")
    assert (found.text("email"), found.text("first_name")) == ("aiko.tanaka@example.com", "Aiko")
    assert found.values() == {"status": "Active", "department": "Field", "jobTitle": "Field Organiser"}


def test_bamboohr_fields_of_the_source_are_asked_for_too(world: World, vendor: VendorServer) -> None:
    """A client's own fields become attributes when the source names them."""
    connect(world, "bamboohr", BAMBOOHR_CREDENTIALS, settings={"fields": "customChapter, 4321"})
    vendor.add_bamboohr("101", "lena.fischer@example.com", customChapter="East Bay", **{"4321": "Gold"})
    tell(world, thin(world, "bamboohr", "1", "101"))
    values = person(world, "bamboohr", "101").values()
    assert (values["customChapter"], values["4321"]) == ("East Bay", "Gold")


@pytest.mark.parametrize(
    ("employment", "policy", "status"),
    [
        ({"employment_status": "terminated", "is_active": False}, Policy(), "inactive"),
        ({"employment_status": "deceased"}, Policy(), "inactive"),
        ({"employment_status": None, "is_active": False}, Policy(), "inactive"),
        ({"employment_status": "leave", "is_active": False}, Policy(), "active"),
        ({"employment_status": "leave"}, Policy(leave=Away.DEACTIVATE), "inactive"),
        ({"employment_status": "prehire", "is_active": False}, Policy(), "active"),
        ({"employment_status": "a word we do not know", "is_active": None}, Policy(), "active"),
    ],
)
def test_finch_status_says_who_is_active(
    world: World, vendor: VendorServer, employment: dict[str, Any], policy: Policy, status: str
) -> None:
    """Those who left are inactive, those on leave where the source says so, and what we do not know removes nobody."""
    connect(world, "finch", FINCH_CREDENTIALS, policy=policy)
    vendor.add_finch("E-2", "jonas.weber@example.com", **employment)
    tell(world, thin(world, "finch", "1", "E-2"))
    assert person(world, "finch", "E-2").status == status


@pytest.mark.parametrize(
    ("provider", "fields", "reason"),
    [
        ("finch", {"employment_status": "leave"}, "leave"),
        ("finch", {"employment_status": "terminated"}, "directory"),
        ("bamboohr", {"employmentHistoryStatus": "Leave of Absence"}, "leave"),
        ("bamboohr", {"status": "Inactive", "employmentHistoryStatus": "Leave of Absence"}, "directory"),
    ],
)
def test_member_on_leave_is_shown_so(
    world: World, vendor: VendorServer, provider: str, fields: dict[str, Any], reason: str
) -> None:
    """Who is deactivated by a leave is told from who left the company."""
    connect(world, provider, CREDENTIALS[provider], policy=Policy(leave=Away.DEACTIVATE))
    add = vendor.add_finch if provider == "finch" else vendor.add_bamboohr
    add("77", "jonas.weber@example.com")
    tell(world, thin(world, provider, "1", "77"))
    member_id = replace(world, source_id=SOURCES[provider]).enrol("77", ("mentor",))
    add("77", "jonas.weber@example.com", **fields)
    tell(world, thin(world, provider, "2", "77"))
    shown = world.shown(member_id)
    assert (shown["status"], shown["status_reason"]) == ("inactive", reason)


def test_personal_address_is_taken_where_the_source_says_so(world: World) -> None:
    """Each system's private address is used instead of the one at work."""
    for provider, name in (("finch", "E-1"), ("bamboohr", "100")):
        connect(world, provider, CREDENTIALS[provider], policy=Policy(email=EmailChoice.PERSONAL))
        tell(world, thin(world, provider, "1", name))
        assert person(world, provider, name).text("email").startswith("home.")


def test_replay_after_the_record_changed_gives_the_same(world: World, vendor: VendorServer) -> None:
    """What was looked up is frozen into the event: applying it again asks nobody and says the same."""
    event = thin(world, "finch", "1", "E-1")
    first = tell(world, event)
    vendor.employments["E-1"]["title"] = "Director"
    asked = len(vendor.asked)
    event_log.reopen_event(world.hub.hub_id, event.event_id, datetime.now(UTC))
    again = apply(world, event)
    assert again.event == first.event
    assert (again.state, len(vendor.asked)) == (EventState.APPLIED, asked)
    assert person(world, "finch", "E-1").values()["title"] == "Field Organiser"


def test_later_event_brings_the_newer_record(world: World, vendor: VendorServer) -> None:
    """Whoever asked later knows better, in whatever order the two are applied; what is gone is gone."""
    tell(world, thin(world, "finch", "1", "E-1"))
    del vendor.employments["E-1"]["title"]
    time.sleep(0.01)
    tell(world, thin(world, "finch", "2", "E-1"))
    assert "title" not in person(world, "finch", "E-1").values()


def test_source_without_credentials_says_so_and_is_made_good_when_they_come(world: World) -> None:
    """Deletions act all the same, the rest is recorded; once credentials are there the sweep applies it."""
    connect(world, "finch", {})
    event = thin(world, "finch", "1", "E-1")
    logged = tell(world, event)
    assert (logged.state, logged.reason) == (EventState.IGNORED, "needs_credentials")
    deleted = replace(thin(world, "finch", "2", "E-9", Kind.DELETED), look=False)
    assert tell(world, deleted).state is EventState.APPLIED
    at = datetime.now(UTC)
    assert health.get_health(world.hub.hub_id, SOURCES["finch"], at).failure == "needs_credentials"
    connect(world, "finch", FINCH_CREDENTIALS)
    event_log.credentials_came(world.hub.hub_id, SOURCES["finch"], at)
    assert sweep()["credentials"] == 1
    assert apply(world, event).state is EventState.APPLIED
    assert sweep()["credentials"] == 0
    assert event_log.sources_with_new_credentials(10)  # a worker may still go by what it read before


def test_refused_credentials_are_recorded_and_not_tried_over_and_over(world: World, vendor: VendorServer) -> None:
    """A vendor that answers 401 is left alone with these credentials; the source says why, other ones are tried."""
    connect(world, "bamboohr", {**BAMBOOHR_CREDENTIALS, "api_key": "another-key-than-theirs"})
    for name in ("1", "2", "3"):
        logged = tell(world, thin(world, "bamboohr", name, "100"))
        assert (logged.state, logged.reason) == (EventState.IGNORED, "needs_credentials")
    assert vendor.refused == 1
    failure = health.get_health(world.hub.hub_id, SOURCES["bamboohr"], datetime.now(UTC))
    assert (failure.failure, failure.needs_credentials_at is None) == ("needs_credentials", False)
    connect(world, "bamboohr", BAMBOOHR_CREDENTIALS)
    assert tell(world, thin(world, "bamboohr", "4", "100")).state is EventState.APPLIED


@pytest.mark.parametrize(("provider", "name"), [("finch", "E-404"), ("bamboohr", "404")])
def test_person_the_vendor_does_not_know_is_recorded(world: World, provider: str, name: str) -> None:
    """There is nothing to look up, which the log says; nobody is made or removed."""
    logged = tell(world, thin(world, provider, "1", name))
    assert (logged.state, logged.reason) == (EventState.IGNORED, "not_found")
    assert person(world, provider, name) is None


@pytest.mark.parametrize("provider", ["finch", "bamboohr"])
@pytest.mark.parametrize("fault", ["too_many", "failed", "not_json", "other_shape", "closed"])
def test_failing_vendor_is_asked_again_later(world: World, vendor: VendorServer, provider: str, fault: str) -> None:
    """The event waits, visibly, with a message on its way; when the vendor is well again it is applied."""
    vendor.rate, vendor.faults = 1.0, (fault,)
    event = thin(world, provider, "1", "E-1" if provider == "finch" else "100")
    logged = tell(world, event)
    assert (logged.state, logged.reason, logged.looking.tries) == (EventState.NEW, "waiting", 1)
    later = datetime.now(UTC) + timedelta(days=1)  # should its message get lost
    due = [one.event_id for shard in range(event_log.DUE_SHARDS) for one in event_log.due_events(shard, later, 10)]
    assert due == [logged.event_id]
    assert logged.detail.endswith(".")
    assert delayed() == 1
    vendor.rate = 0.0
    rest(world, provider)
    assert apply(world, event).state is EventState.APPLIED


def test_slow_vendor_is_given_up_in_time(world: World, vendor: VendorServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A question is cut off when its time is over, and the event waits."""
    monkeypatch.setattr("rollcall.sources.fetching.SECONDS_A_PERSON", 0.3)
    vendor.rate, vendor.faults, vendor.slow_seconds = 1.0, ("slow",), 2.0
    started = time.monotonic()
    assert tell(world, thin(world, "finch", "1", "E-1")).reason == "waiting"
    assert time.monotonic() - started < 1.5


@pytest.mark.parametrize("after", ["120", "http-date"])
def test_retry_after_is_obeyed_for_the_whole_source_and_no_other(
    world: World, vendor: VendorServer, after: str
) -> None:
    """Until the time the vendor named nobody is looked up from this source; another source is not held up."""
    until = datetime.now(UTC) + timedelta(seconds=120)
    vendor.retry_after = after if after.isdigit() else until.strftime("%a, %d %b %Y %H:%M:%S GMT")
    vendor.rate, vendor.faults = 1.0, ("too_many",)
    tell(world, thin(world, "finch", "1", "E-1"))
    vendor.rate = 0.0
    asked = len(vendor.asked)
    logged = tell(world, thin(world, "finch", "2", "E-1"))
    assert (logged.reason, len(vendor.asked)) == ("waiting", asked)
    assert logged.looking.turn_at is not None
    assert abs(logged.looking.turn_at - until.timestamp()) < 5
    assert tell(world, thin(world, "bamboohr", "1", "100")).state is EventState.APPLIED


def test_flood_of_one_source_waits_in_line_and_delays_no_other(
    world: World, vendor: VendorServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond the vendor's pace each event gets a turn of its own, evenly spaced; another source goes at once."""
    monkeypatch.setattr(finch, "MANNERS", replace(finch.MANNERS, per_second=0.1, burst=2))
    for number in range(12):
        vendor.add_finch(f"F-{number}", f"person.{number}@example.com")
        tell(world, thin(world, "finch", str(number), f"F-{number}"))
    logged = [event_log.get_event(world.hub.hub_id, thin(world, "finch", str(n), f"F-{n}").event_id) for n in range(12)]
    turns = [event.looking.turn_at for event in logged if event and event.looking.turn_at is not None]
    asked = {name for _, _, name in vendor.asked}
    assert len(turns) + len(asked) == 12
    assert 2 <= len(asked) <= 5
    assert turns == sorted(turns)
    assert all(later - earlier > 9.9 for earlier, later in itertools.pairwise(turns))
    assert tell(world, thin(world, "bamboohr", "1", "100")).state is EventState.APPLIED


def test_event_with_its_turn_goes_when_it_has_come(world: World, vendor: VendorServer) -> None:
    """An event that waited for its turn is not put to the end of the line again."""
    event = thin(world, "finch", "1", "E-1")
    hub_id = world.hub.hub_id
    event_log.record_event(hub_id, event, "hash", RECEIVED)
    logged = event_log.get_event(hub_id, event.event_id)
    assert logged is not None
    at = datetime.now(UTC)
    looking = Looking(0, at.timestamp())
    event_log.wait(hub_id, logged, until=at, detail="Waits.", looking=looking, at=at)
    change_pace(hub_id, SOURCES["finch"], lambda pace: replace(pace, line_until=at.timestamp() + 1000))
    assert apply(world, event).state is EventState.APPLIED
    assert vendor.asked


@pytest.mark.parametrize(
    ("fault", "tries", "reason"), [("not_json", 5, "bad_answer"), ("failed", 34, "hr_system_failed")]
)
def test_event_that_never_gets_an_answer_fails_with_a_cause(
    world: World, vendor: VendorServer, fault: str, tries: int, reason: str
) -> None:
    """After its last try the event is failed, with its cause; a replay begins anew."""
    vendor.rate, vendor.faults = 1.0, (fault,)
    event = thin(world, "finch", "1", "E-1")
    event_log.record_event(world.hub.hub_id, event, "hash", RECEIVED)
    key = event_log.key(world.hub.hub_id, event.event_id)
    dynamo.write([dynamo.update_action("EVENTS_TABLE", *key, "SET #look_tries = :n", values={"n": tries - 1})])
    logged = apply(world, event)
    assert (logged.state, logged.reason) == (EventState.FAILED, reason)
    vendor.rate = 0.0
    rest(world, "finch")
    event_log.reopen_event(world.hub.hub_id, event.event_id, datetime.now(UTC))
    assert apply(world, event).state is EventState.APPLIED


def test_batch_that_ran_out_of_time_asks_no_more(world: World, vendor: VendorServer) -> None:
    """After the deadline an event waits instead of keeping others of its batch from their turn."""
    event = thin(world, "finch", "1", "E-1")
    event_log.record_event(world.hub.hub_id, event, "hash", RECEIVED)
    apply_event(world.hub.hub_id, event.event_id, time.monotonic() - 1)
    logged = event_log.get_event(world.hub.hub_id, event.event_id)
    assert logged is not None
    assert (logged.reason, vendor.asked) == ("waiting", [])


def test_event_of_a_source_that_is_gone_is_recorded(world: World) -> None:
    """Nothing is looked up for a source that was disconnected."""
    hubs.delete_source(world.hub.hub_id, SOURCES["finch"])
    logged = tell(world, thin(world, "finch", "1", "E-1"))
    assert (logged.state, logged.reason) == (EventState.IGNORED, "source_gone")


def test_erased_person_is_not_asked_about_any_more(world: World, vendor: VendorServer) -> None:
    """A late event about somebody who was erased looks nothing up, and keeps nothing of what it said."""
    tell(world, thin(world, "finch", "1", "E-1"))
    key = hubs.hub_key(world.hub.hub_id, world.hub.salt)
    record = store.get_person(world.hub.hub_id, key.person_id(SOURCES["finch"], "E-1"))
    assert record is not None
    gone = replace(record, person=tombstone(record.person), address_id=None)
    dynamo.write([store.put_person(world.hub.hub_id, gone, "test", to_text(RECEIVED))])
    asked = len(vendor.asked)
    event = thin(world, "finch", "2", "E-1")
    event_log.record_event(world.hub.hub_id, event, "hash", RECEIVED)
    logged = apply(world, event)
    assert (logged.reason, logged.event, len(vendor.asked)) == ("erased", None, asked)
