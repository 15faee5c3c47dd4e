"""What is only looked at goes by itself after its time."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from rollcall.activity import store as activity
from rollcall.activity.record import record_change
from rollcall.exports import store as exports
from rollcall.exports.model import Export
from rollcall.exports.model import Kind as ExportKind
from rollcall.hubs.model import Admin
from rollcall.mail import store as mails
from rollcall.mail.model import Kind, Mail
from rollcall.people import event_log, upkeep
from rollcall.people.events import Kind as EventKind
from rollcall.people.sync import apply_event
from rollcall.runtime import dynamo
from rollcall.runtime.ids import new_id
from rollcall.runtime.times import KEPT, now, to_text
from rollcall.sweeping.run import sweep
from rollcall.uploads import store as uploads
from rollcall.uploads.model import UploadKind
from tests.support.world import World, everything

if TYPE_CHECKING:
    from datetime import datetime


def test_activity_mails_uploads_and_exports_expire_after_400_days_and_people_never(aws: None) -> None:
    """The attribute is what the tables' time to live looks at; persons, members and events have none."""
    world = World().build()
    hub_id = world.hub.hub_id
    world.tell(world.event("one", 0, EventKind.ADDED, fields={"email": "maya@example.com"}))
    world.enrol()
    admin = Admin("ada", "ada@example.com", frozenset())
    uploads.create_upload(hub_id, UploadKind.INVITES, "people.csv", admin, now())
    exports.create(Export(new_id(), hub_id, ExportKind.INVITES, "ada", "", created_at=to_text(now())))
    mail = Mail("0" * 32, hub_id, Kind.EXPORT, "ada@example.com", "en", now())
    dynamo.write([mails.put_action(mail)])
    for item in everything("PEOPLE_TABLE"):
        changed = {**item, "changed_at": to_text(now())} if "changed_at" in item else item
        activity.put_entries(record_change("change", None, changed))
    for table in ("ACTIVITY_TABLE", "MAIL_TABLE", "PLANS_TABLE"):
        items = everything(table)
        assert items
        for item in items:
            assert abs(item["expires"] - (now() + KEPT).timestamp()) < 60
    assert timedelta(days=400) == KEPT
    for table in ("PEOPLE_TABLE", "MEMBERS_TABLE", "EVENTS_TABLE", "INVITATIONS_TABLE"):
        assert not [item for item in everything(table) if "expires" in item]


def _told_long_ago(world: World) -> dict[str, str]:
    """Let events of every outcome come 401 days ago, and one of today; return what each said, by name."""
    hub_id = world.hub.hub_id
    maya = {"fields": {"email": "maya@example.com"}}
    told = {
        "applied": world.event("applied", 0, EventKind.ADDED, "E-1", **maya),
        "same": world.event("same", 1, EventKind.UPDATED, "E-1", **maya),
        "held": world.event("held", 2, EventKind.ADDED, "E-2", **maya),
        "future": world.event("future", 9 * 86_400 * 365, EventKind.UPDATED, "E-1"),
    }
    world.tell(*told.values())
    waiting = world.event("waiting", 3, EventKind.UPDATED, "E-1", attributes={"Office": "London"})
    world.record(waiting)
    for event in (*told.values(), waiting):
        _came(hub_id, event.event_id, now() - KEPT - timedelta(days=1))
    young = world.event("young", 4, EventKind.UPDATED, "E-1", attributes={"Office": "Toronto"})
    world.tell(young)
    _came(hub_id, young.event_id, now())
    return {event.event_id: name for name, event in (told | {"waiting": waiting, "young": young}).items()}


def _came(hub_id: str, event_id: str, at: datetime) -> None:
    values, update = {"order": f"{to_text(at)}#{event_id}"}, "SET #by_hub_sk = :order"
    dynamo.write([dynamo.update_action("EVENTS_TABLE", *event_log.key(hub_id, event_id), update, values=values)])


def _said(names: dict[str, str]) -> dict[str, bool]:
    items = [item for item in everything("EVENTS_TABLE") if "#E#" in item["pk"]]
    assert all(item["body_hash"] and item["by_hub_sk"] and item["reason"] for item in items)
    return {names[event_log.event_id_of(item)]: "event" in item for item in items}


def test_what_events_said_is_forgotten_after_400_days_and_that_they_came_never(aws: None) -> None:
    """Those that wait for something keep what they said; a month later the others are looked at once more."""
    world = World().build()
    hub_id = world.hub.hub_id
    upkeep.watch(hub_id, now() - timedelta(days=2))
    names = _told_long_ago(world)
    before = world.state()
    assert sweep()["event_logs"] == 3 + 1  # the one that waits is found to have no pointer
    kept = {"applied": False, "same": False, "held": True, "future": False, "waiting": True, "young": True}
    assert _said(names) == kept
    assert sweep()["event_logs"] == 0
    applied = next(event_id for event_id, name in names.items() if name == "applied")
    again = world.event("applied", 0, EventKind.ADDED, "E-1", fields={"email": "maya@example.com"})
    assert event_log.record_event(hub_id, again, "hash", now()) == "duplicate"
    with pytest.raises(dynamo.ConditionFailedError):
        event_log.reopen_event(hub_id, applied, now())
    assert world.state() == before
    waiting = next(event_id for event_id, name in names.items() if name == "waiting")
    apply_event(hub_id, waiting)
    assert upkeep.look_through(hub_id, now() + timedelta(days=2), 10) == 0
    assert upkeep.look_through(hub_id, now() + timedelta(days=31), 10) == 1
    assert _said(names) == kept | {"waiting": False}


def test_log_is_looked_through_page_by_page_and_goes_on_after_its_time(
    aws: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A turn that is over goes on a minute later where it ended, and nothing is left."""
    monkeypatch.setattr(upkeep, "PAGE", 1)
    world = World().build()
    upkeep.watch(world.hub.hub_id, now() - timedelta(days=2))
    _told_long_ago(world)
    later = now()
    assert upkeep.look_through(world.hub.hub_id, later, 0) == 0
    assert upkeep.look_through(world.hub.hub_id, later + timedelta(seconds=59), 10) == 0
    assert upkeep.look_through(world.hub.hub_id, later + timedelta(minutes=1), 10) == 3 + 1
