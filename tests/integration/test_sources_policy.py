"""A member who no longer meets the filter of their source."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rollcall.hubs import store as hubs
from rollcall.people import event_log
from rollcall.people.events import DirectoryEvent, Kind
from rollcall.people.sync import apply_event
from rollcall.sources.model import as_the_source_wants
from rollcall.sources.policy import Leaving, Policy
from tests.support.world import SOURCE, World

pytestmark = pytest.mark.usefixtures("aws")


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
) -> None:
    """Who moves out is deactivated and stays so when they come back, as after any deactivation, in either order."""
    world = World().build()
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
