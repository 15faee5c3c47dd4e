"""End dates through stores, sync and sweep."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from rollcall.people import event_log, store
from rollcall.people.events import Kind
from rollcall.people.merge import DirectoryStatus
from rollcall.people.model import EventState
from rollcall.people.sync import apply_event
from rollcall.runtime import clients
from rollcall.runtime.settings import env
from rollcall.runtime.times import now, to_text
from rollcall.sweeping import run
from tests.support.world import T0, World

if TYPE_CHECKING:
    from datetime import datetime

    import pytest

MAYA = {"email": "maya@example.com", "first_name": "Maya", "last_name": "Okafor"}


def _apply_new(world: World) -> int:
    """Apply every event that is still new, as the worker does."""
    events, _ = event_log.list_events(world.hub.hub_id, limit=50)
    waiting = [logged for logged in events if logged.state is EventState.NEW]
    for logged in waiting:
        apply_event(world.hub.hub_id, logged.event_id)
    return len(waiting)


def _sweep_at(moment: datetime, monkeypatch: pytest.MonkeyPatch) -> int:
    with monkeypatch.context() as patch:
        patch.setattr(run, "now", lambda: moment)
        return run.sweep()["people"]


def test_end_date_makes_the_member_inactive_when_its_day_is_over(aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not a minute earlier; the event says why, and the second sweep finds nothing to say."""
    world = World().build()
    day = now() + timedelta(days=3)
    fields = {**MAYA, "end_date": day.date().isoformat(), "time_zone": "Asia/Tokyo"}
    world.tell(world.event("one", 0, Kind.ADDED, fields=fields))
    member_id = world.enrol()
    over = day.replace(hour=15, minute=0, second=0, microsecond=0)
    assert _sweep_at(over - timedelta(minutes=1), monkeypatch) == 0
    assert world.shown(member_id)["status"] == "active"
    assert _sweep_at(over, monkeypatch) == 1
    assert _sweep_at(over, monkeypatch) == 0
    monkeypatch.setattr("rollcall.people.sync.now", lambda: over)
    assert _apply_new(world) == 1
    assert world.shown(member_id)["status"] == "inactive"
    events, _ = event_log.list_events(world.hub.hub_id, limit=50)
    (ended,) = [logged for logged in events if logged.reason == "end_date_reached"]
    assert ended.event is not None
    assert (ended.event.kind, ended.event.occurred_at) == (Kind.DEACTIVATED, to_text(over))
    assert ended.person_id == world.person_id()
    assert _sweep_at(over + timedelta(days=1), monkeypatch) == 0


def test_end_date_that_is_over_already_acts_at_once(aws: None) -> None:
    """No sweep is needed: the sync records the end and wakes itself."""
    world = World().build()
    world.tell(world.event("one", 0, Kind.ADDED, fields={**MAYA, "end_date": "2020-01-31"}))
    waiting = clients.sqs().receive_message(QueueUrl=env("DIRECTORY_EVENTS_QUEUE_URL"))
    assert len(waiting["Messages"]) == 1
    assert _apply_new(world) == 1
    person = store.get_person(world.hub.hub_id, world.person_id())
    assert person is not None
    assert person.person.status is DirectoryStatus.INACTIVE


def test_end_date_taken_back_before_its_day_ends_nobody(aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sweep after the former date finds nothing due."""
    world = World().build()
    day = (now() + timedelta(days=3)).date().isoformat()
    world.tell(
        world.event("one", 0, Kind.ADDED, fields={**MAYA, "end_date": day}),
        world.event("two", 5, fields={"end_date": None}),
    )
    assert _sweep_at(T0 + timedelta(days=4000), monkeypatch) == 0


def test_hub_that_is_gone_does_not_stop_the_sweep(aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """People of a hub that was off-boarded are left alone."""
    from rollcall.runtime import dynamo

    world = World().build()
    day = (now() + timedelta(days=3)).date().isoformat()
    world.tell(world.event("one", 0, Kind.ADDED, fields={**MAYA, "end_date": day}))
    dynamo.write([dynamo.delete_action("HUBS_TABLE", world.hub.hub_id, "HUB")])
    assert _sweep_at(now() + timedelta(days=5), monkeypatch) == 0
