"""Somebody is erased whom others' records name as their manager: the address goes there too, all else stays."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from rollcall.activity import store as activity
from rollcall.hubs import context
from rollcall.mapping.table import ANY, ProfileTarget, Rule
from rollcall.members import store as members
from rollcall.people import event_log, store
from rollcall.people.events import Kind
from rollcall.people.sync import apply_event
from rollcall.privacy import mentions
from rollcall.privacy import store as erasures
from rollcall.privacy.erase import erase
from rollcall.privacy.model import Cause, Erasure, Subject, erasure_id_of
from rollcall.privacy.purge import run_erasure
from rollcall.runtime.times import now
from tests.support.admin import call, claims_of
from tests.support.faults import MODES, injected, until_quiet
from tests.support.streams import recording
from tests.support.world import RULES, World, everything

if TYPE_CHECKING:
    from rollcall.members.model import Member

BOSS = "zora.boss@example.com"
TABLES = ("EVENTS_TABLE", "PEOPLE_TABLE", "MEMBERS_TABLE", "INVITATIONS_TABLE", "ACTIVITY_TABLE", "PLANS_TABLE")

pytestmark = pytest.mark.usefixtures("aws")


@pytest.fixture
def world() -> World:
    world = World().build()
    world.publish(2, (*RULES, Rule("Manager", ANY, ProfileTarget("Manager"), 8)))
    return world


def _live(world: World) -> str:
    """Let Lio work for Zora, be a member and be told of by hand; Sam works for her too and was deleted."""
    world.tell(world.event("boss", 0, Kind.ADDED, "B-1", fields={"email": BOSS, "last_name": "Boss"}))
    said: dict[str, Any] = {"Manager": BOSS, "Office": "London", "Chain": ("ceo@example.com", f"Zora <{BOSS.upper()}>")}
    for name in ("lio", "sam"):
        fields = {"email": f"{name}@example.com", "last_name": name.title()}
        world.tell(world.event(name, 1, Kind.ADDED, name, fields=fields, attributes=said))
    member_id = world.enrol("lio", roles=("mentee",))
    world.enrol("sam", roles=("mentee",))
    world.tell(world.event("moved", 2, person="lio", attributes={"Office": "Toronto", "Note": f"ask {BOSS}."}))
    path = f"/hubs/{world.hub.hub_id}/members/{member_id}"
    edit = {"profile": {"Sponsor": BOSS, "Hobby": "Sailing @ sea"}}
    assert call("PATCH", path, claims_of(f"{world.hub.hub_id}:admin"), edit).status == 200
    world.tell(world.event("gone", 3, Kind.DELETED, "sam"))
    return member_id


def _erase(world: World) -> Erasure:
    key = context.load(world.hub.hub_id).key
    subject = Subject({world.person_id("B-1"): world.source_id})
    erasure_id = erasure_id_of(world.hub.hub_id, "test", "boss")
    return erase(world.hub.hub_id, key, erasure_id, subject, cause=Cause.REQUEST, by="subject-of-ada")


def _places() -> list[str]:
    items = [(table, item) for table in TABLES for item in everything(table)]
    return [f"{table} {item['pk']} {item['sk']}" for table, item in items if BOSS in json.dumps(item).lower()]


def _member(world: World, member_id: str) -> Member:
    member = members.get_member(world.hub.hub_id, member_id)
    assert member is not None
    return member


def test_address_of_a_manager_goes_from_what_is_said_of_others(world: World) -> None:
    """People, members, events and activity name her no more, deleted ones included; what else they say stays."""
    with recording():
        member_id = _live(world)
    assert {place.split()[0] for place in _places()} >= {
        "EVENTS_TABLE",
        "PEOPLE_TABLE",
        "MEMBERS_TABLE",
        "ACTIVITY_TABLE",
    }
    with recording():
        run_erasure(world.hub.hub_id, _erase(world).erasure_id)
    assert _places() == []
    person = store.get_person(world.hub.hub_id, world.person_id("lio"))
    assert person is not None
    assert person.person.values() == {"Office": "Toronto", "Chain": ("ceo@example.com",)}
    assert world.shown(member_id)["segments"] == {"location": ["toronto"]}
    assert _member(world, member_id).manual.profile == {"Hobby": "Sailing @ sea"}
    assert world.shown(member_id)["profile"] == {"Hobby": "Sailing @ sea"}
    found, _ = activity.list_for(world.hub.hub_id, member_id, limit=100)
    told = {(entry.field, entry.old, entry.new) for entry in found if entry.cause.startswith("erase:")}
    assert told == {("profile:Manager", None, None), ("profile:Sponsor", None, None)}
    receipt = erasures.get(world.hub.hub_id, erasure_id_of(world.hub.hub_id, "test", "boss"))
    assert receipt is not None
    assert receipt.counts()["mentions"] > 0


def test_replay_of_what_named_her_changes_nothing(world: World) -> None:
    """The events that said it say it no more; applied again, everything is as after the erasure."""
    _live(world)
    run_erasure(world.hub.hub_id, _erase(world).erasure_id)
    before = world.state()
    for name in ("lio", "moved"):
        event_id = world.event_id(name, "lio")
        event_log.reopen_event(world.hub.hub_id, event_id, now())
        apply_event(world.hub.hub_id, event_id)
    assert world.state() == before
    assert _places() == []


def test_page_by_page_and_after_a_death_anywhere_nothing_is_left_or_counted_twice(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With pages of one item and a failure at many calls, the end and the receipt are those of a run without."""
    monkeypatch.setattr(mentions, "PAGE", 1)
    _live(world)
    erasure = _erase(world)
    with injected() as counted:
        list(mentions.purge_mentions(context.load(world.hub.hub_id), erasure))
    total = _counted(world)
    assert _of_others(world) == []
    writes = [number for number, name in enumerate(counted.calls, start=1) if name not in ("Query", "GetItem")]
    for number, at in enumerate(writes[:: 1 if os.environ.get("ROLLCALL_LONG") else 9]):
        other = World().build()
        other.publish(2, (*RULES, Rule("Manager", ANY, ProfileTarget("Manager"), 8)))
        _live(other)
        begun, mode = _erase(other), MODES[number % len(MODES)]
        until_quiet(lambda: list(mentions.purge_mentions(context.load(other.hub.hub_id), begun)), at=at, mode=mode)  # noqa: B023 - called at once
        assert _of_others(other) == [], (at, mode)
        assert _counted(other) == total, (at, mode)


def _of_others(world: World) -> list[str]:
    """Return where she is named, but for her own event: that is another step's."""
    own = " ".join(event_log.key(world.hub.hub_id, world.event_id("boss", "B-1")))
    return [place for place in _places() if not place.endswith(own) and world.hub.hub_id in place]


def _counted(world: World) -> int:
    receipt = erasures.get(world.hub.hub_id, erasure_id_of(world.hub.hub_id, "test", "boss"))
    assert receipt is not None
    return receipt.counts()["mentions"]
