"""What the filter of a source does: members who leave it, persons outside it, rows for them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rollcall.hubs import store as hubs
from rollcall.hubs.model import Source
from rollcall.people import event_log
from rollcall.people.events import DirectoryEvent, Kind
from rollcall.people.sync import apply_event
from rollcall.sources.model import as_the_source_wants
from rollcall.sources.policy import Leaving, Policy, PreHire
from rollcall.uploads.model import UploadKind
from tests.support.admin import Answer, call, claims_of
from tests.support.plans import approve, changes_of, plan_file
from tests.support.world import SOURCE, World

pytestmark = pytest.mark.usefixtures("aws")

INVITES = "email,first_name,last_name,role,Location,ref"


@pytest.fixture
def world() -> World:
    return World().build()


def _tell(world: World, policy: Policy, *events: DirectoryEvent) -> None:
    held = hubs.get_source(world.hub.hub_id, SOURCE)
    assert held is not None
    for event in events:
        wanted = as_the_source_wants(event, replace(held, policy=policy))
        assert event_log.get_event(world.hub.hub_id, event.event_id) is None
        apply_event(world.hub.hub_id, world.record(wanted))


@pytest.mark.parametrize(
    ("leaving", "statuses"), [(Leaving.DEACTIVATE, ["inactive", "inactive"]), (Leaving.IGNORE, ["active", "active"])]
)
@pytest.mark.parametrize("late", [False, True])
def test_member_who_leaves_the_filter_is_deactivated_where_the_source_says_so(
    leaving: Leaving,
    statuses: list[str],
    late: bool,  # noqa: FBT001 - a column of the table
    world: World,
) -> None:
    """Who moves out is deactivated and stays so when they come back, as after any deactivation, in either order."""
    policy = Policy(eligible={"Office": ("London",)}, leaving=leaving)
    fields: dict[str, str | None] = {"email": "maya@example.com", "first_name": "Maya", "last_name": "Okafor"}
    _tell(world, policy, world.event("1", 1, Kind.ADDED, fields=fields, attributes={"Office": "London"}))
    member = world.enrol(roles=("mentor",))
    out = world.event("2", 2, attributes={"Office": "Toronto"})
    back = world.event("3", 3, attributes={"Office": "London"})
    found = []
    for event in (back, out) if late else (out, back):
        _tell(world, policy, event)
        found.append(world.shown(member)["status"])
    assert found == (["active", statuses[1]] if late else statuses)


def _connect(world: World, policy: Policy) -> None:
    held = hubs.get_source(world.hub.hub_id, SOURCE)
    assert held is not None
    hubs.update_source(replace(held, policy=policy), seen=held.version)


def _arrive(world: World, person: str, attributes: dict[str, Any], **fields: str | None) -> None:
    given: dict[str, str | None] = {"email": f"{person.lower()}@example.com", "first_name": person, **fields}
    world.tell(world.event(person, 1, Kind.ADDED, person=person, fields=given, attributes=attributes))


def _ask(world: World, path: str, **query: str) -> Answer:
    return call("GET", f"/hubs/{world.hub.hub_id}{path}", claims_of(f"{world.hub.hub_id}:viewer"), query=query)


def test_person_outside_the_filter_is_no_potential_member(world: World) -> None:
    """Each person is listed as what they are today: meant, not meant, not yet, or a member whatever the filter says."""
    _connect(world, Policy(eligible={"Office": ("London",)}, pre_hire=PreHire.FROM_START))
    _arrive(world, "E-1", {"Office": "Toronto"})
    world.enrol(roles=("mentor",))
    _arrive(world, "E-2", {"Office": "London"})
    _arrive(world, "E-3", {"Office": "Toronto"})
    _arrive(world, "E-4", {"Office": "London"}, start_date="2999-01-01")

    def listed(**query: str) -> dict[str, str]:
        people = _ask(world, "/people", **query).json["items"]
        return {person["external_id"]: person["state"] for person in people}

    assert listed() == {"E-1": "member", "E-2": "potential", "E-3": "not_meant", "E-4": "not_meant"}
    assert listed(state="potential") == {"E-2": "potential"}
    assert listed(state="not_meant") == {"E-3": "not_meant", "E-4": "not_meant"}
    assert listed(q="e-3@example.com") == {"E-3": "not_meant"}
    assert _ask(world, f"/people/{world.person_id('E-3')}").json["state"] == "not_meant"


def test_row_for_somebody_outside_the_filter_is_invited_and_the_plan_says_so(world: World) -> None:
    """An admin who adds a row by hand has decided; before they approve, the plan tells what they may not know."""
    _connect(world, Policy(eligible={"Office": ("London",)}))
    _arrive(world, "E-2", {"Office": "London"})
    _arrive(world, "E-3", {"Office": "Toronto"})
    hubs.update_hub(replace(world.hub, invite_review=True), seen=1)
    rows = [f"{name}@example.com,,,Mentee,," for name in ("e-2", "e-3", "new")]
    plan = plan_file(world, UploadKind.INVITES, INVITES, *rows)
    assert plan.warnings == {"not_meant": 1}
    assert {change.row: change.warnings for change in changes_of(plan) if change.warnings} == {3: ("not_meant",)}
    assert approve(world, plan).counts == {"invited": 3}


def test_person_meant_by_one_of_two_sources_is_invited_without_a_word(world: World) -> None:
    """Who shares an address is one person to the admin: it is enough that one source means them."""
    _connect(world, Policy(eligible={"Office": ("London",)}))
    _arrive(world, "E-3", {"Office": "Toronto"})
    other = "01J8Z3QK5V7X9WB2C4D6E8FG77"
    hubs.create_source(Source(world.hub.hub_id, other, "standard", "Other", world.hub.salt), "whsec_" + "A" * 40)
    fields: dict[str, str | None] = {"email": "e-3@example.com"}
    world.tell(World(world.hub, other).event("other", 9, Kind.ADDED, person="O-3", fields=fields))
    hubs.update_hub(replace(world.hub, invite_review=True), seen=1)
    assert plan_file(world, UploadKind.INVITES, INVITES, "e-3@example.com,,,Mentee,,").warnings == {}
