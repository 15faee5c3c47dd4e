"""Why a member shows what they show: the rule, the HRIS value and the event, or who did it."""

from __future__ import annotations

from typing import Any

import pytest

from rollcall.people.events import Kind
from tests.support.admin import call, claims_of
from tests.support.streams import recording
from tests.support.world import SOURCE, World

MAYA = {"email": "maya@example.com", "first_name": "Maya", "last_name": "Okafor"}
SAID: dict[str, Any] = {"Office": "London", "Grade": "Senior", "Languages": ("English", "French"), "Job title": "Lead"}


@pytest.fixture
def world(aws: None) -> World:
    return World().build()


def _why(world: World, member_id: str, role: str = "admin") -> dict[tuple[str, str], dict[str, Any]]:
    path = f"/hubs/{world.hub.hub_id}/members/{member_id}/why"
    answer = call("GET", path, claims_of(f"{world.hub.hub_id}:{role}"))
    assert answer.status == 200, answer.text
    return {(item["field"], item["value"]): item for item in answer.json["items"]}


def _member(world: World) -> str:
    added = world.event("one", 0, Kind.ADDED, fields=MAYA, attributes=SAID, groups={"Leads": True})
    world.tell(added)
    return world.enrol(roles=("mentee",))


def test_value_of_the_directory_names_event_hris_value_and_rule(world: World) -> None:
    """A segment that came by the mapping table tells which event said what, and which row made it that."""
    member_id = _member(world)
    moved = world.event("two", 60, attributes={"Office": "Toronto"})
    world.tell(moved)
    found = _why(world, member_id)[("segment:Location", "Toronto")]
    rule = found.pop("rule")
    assert found == {
        "field": "segment:Location",
        "value": "Toronto",
        "part": "directory",
        "source_id": SOURCE,
        "event_id": moved.event_id,
        "at": moved.occurred_at,
        "hris_field": "Office",
        "hris_value": "Toronto",
        "table_version": 1,
        "cause": None,
        "actor": None,
    }
    assert (rule["row"], rule["field"], rule["value"], rule["hub_field"]) == (3, "Office", "Toronto", "Location")


def test_every_value_shown_has_a_reason(world: World) -> None:
    """No role, option, profile field, name or status is left unexplained."""
    member_id = _member(world)
    shown = call("GET", f"/hubs/{world.hub.hub_id}/members/{member_id}", claims_of(f"{world.hub.hub_id}:admin")).json
    wanted = {("roles", label) for label in shown["roles"]}
    wanted |= {(f"segment:{name}", label) for name, labels in shown["segments"].items() for label in labels}
    wanted |= {(f"profile:{name}", text) for name, text in shown["profile"].items()}
    wanted |= {(name, shown[name]) for name in ("status", "email", "first_name", "last_name")}
    assert len(wanted) >= 10
    assert set(_why(world, member_id)) == wanted


def test_value_set_by_hand_names_who_and_when(world: World) -> None:
    """What an admin granted, and whom they suspended, is told with their subject and the time."""
    with recording():
        member_id = _member(world)
        admin = claims_of(f"{world.hub.hub_id}:admin")
        body = {"profile": {"Hobby": "Sailing"}, "segments": {"Languages": ["English", "French"]}}
        assert call("PATCH", f"/hubs/{world.hub.hub_id}/members/{member_id}", admin, body).status == 200
    found = _why(world, member_id)
    assert (found["profile:Hobby", "Sailing"]["part"], found["profile:Hobby", "Sailing"]["actor"]) == (
        "manual",
        "subject-of-ada",
    )
    assert found["roles", "Mentee"]["cause"] == "accept:test"
    assert found["roles", "Mentor"]["part"] == "directory"


def test_last_role_that_was_kept_says_since_when(world: World) -> None:
    """A role that the directory would have taken is told as kept, with the event that would have."""
    with recording():
        world.tell(world.event("one", 0, Kind.ADDED, fields=MAYA, attributes={"Grade": "Senior"}))
        member_id = world.enrol()
        cleared = world.event("two", 60, attributes={"Grade": None})
        world.tell(cleared)
    found = _why(world, member_id)["roles", "Mentor"]
    assert (found["part"], found["cause"]) == ("kept", f"event:{cleared.event_id}")


def test_viewer_is_told_of_no_hris_value_and_no_private_segment(world: World) -> None:
    """Who may not see HRIS values sees where a public value comes from, and not by what."""
    member_id = _member(world)
    found = _why(world, member_id, "viewer")
    assert found["segment:Location", "London"]["event_id"]
    assert (found["segment:Location", "London"]["hris_value"], found["segment:Location", "London"]["rule"]) == (
        None,
        None,
    )
    assert not [field for field, _ in found if field in ("segment:Languages", "profile:Job title")]


def test_deleted_member_has_no_reasons(world: World) -> None:
    """Somebody who was deleted is gone here too."""
    member_id = _member(world)
    world.tell(world.event("gone", 60, Kind.DELETED))
    path = f"/hubs/{world.hub.hub_id}/members/{member_id}/why"
    assert call("GET", path, claims_of(f"{world.hub.hub_id}:admin")).status == 404
