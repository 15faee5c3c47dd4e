"""How many members have a role or an option, through the API on moto."""

from __future__ import annotations

import pytest

from rollcall.mapping.table import OptionTarget, Rule
from rollcall.people.events import Kind
from tests.support.admin import Answer, call, claims_of
from tests.support.world import RULES, World


@pytest.fixture
def world(aws: None) -> World:
    return World().build()


def ask(world: World, path: str, role: str = "viewer") -> Answer:
    return call("GET", f"/hubs/{world.hub.hub_id}{path}", claims_of(f"{world.hub.hub_id}:{role}"))


def test_usage_counts_members_and_rules_and_tells_what_nobody_has(world: World) -> None:
    """Deleted members do not count; a rule that names an option which is gone is listed by its row."""
    for name, office in (("maya", "London"), ("ana", "London"), ("li", "Paris")):
        said = {"email": f"{name}@example.com", "first_name": name, "last_name": "Okafor"}
        world.tell(world.event(name, 0, Kind.ADDED, name, fields=said, attributes={"Office": office}))
        world.enrol(name, roles=("mentee",))
    world.tell(world.event("gone", 9, Kind.DELETED, "ana"))
    rules = tuple(rule for rule in RULES if rule.value != "Toronto")
    world.publish(2, (*rules, Rule("Office", "Oslo", OptionTarget("location", "oslo"), 9)))
    found = ask(world, "/segments/location/usage").json
    assert (found["members"], found["several"], found["missing"]) == (1, 0, 1)
    assert found["rules_without_effect"] == [9]
    assert [(one["label"], one["members"], one["rules"], one["state"]) for one in found["options"]] == [
        ("London", 1, 1, "in_use"),
        ("Toronto", 0, 0, "unused"),
    ]
    assert ask(world, "/roles/mentee/usage").json == {"role_id": "mentee", "members": 2, "rules": 1}


def test_usage_of_what_is_out_of_sight_is_not_there(world: World) -> None:
    """Neither a private segment for a viewer, nor what does not exist."""
    assert ask(world, "/segments/languages/usage").status == 404
    assert ask(world, "/segments/languages/usage", "mapper").status == 200
    assert ask(world, "/segments/nothing/usage", "admin").status == 404
    assert ask(world, "/roles/nothing/usage", "admin").status == 404
