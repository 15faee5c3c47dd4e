"""Whether a member is active: events and admins in every order end in what the product says."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from rollcall.people.events import Kind
from tests.support.admin import call, claims_of
from tests.support.world import World

LEFT, LATER = 10, 20
STEPS = ("left", "later", "suspend", "reactivate")


def _expected(order: tuple[str, ...], kind: Kind, *, by_event: bool) -> str:
    """Say what product.md says, from what happened before each decision of the admin.

    Inactive while suspended; else if the newest deactivation is newer than the one that an admin took back, and, where
    the hub says so, than the newest activation.
    """
    left: list[int] = []
    came: list[int] = [1]
    undone, suspended = 0, False

    def is_active() -> bool:
        newest = max(left, default=0)
        return not suspended and (newest <= undone or (by_event and max(came) > newest))

    for step in order:
        match step:
            case "left":
                left.append(LEFT)
            case "later":
                (left if kind is Kind.DEACTIVATED else came).append(LATER)
            case "suspend":
                suspended = True
            case _ if not is_active():
                undone, suspended = max(left, default=undone), False
    return "active" if is_active() else "inactive"


def _state(order: tuple[str, ...], kind: Kind, *, by_event: bool) -> str:
    world = World(hub=replace(World().hub, reactivate_on_event=by_event)).build()
    world.tell(world.event("added", 1, Kind.ADDED, fields={"email": "maya@example.com"}))
    member_id = world.enrol(roles=("mentor",))
    events = {
        "left": world.event("left", LEFT, Kind.DEACTIVATED),
        "later": world.event("later", LATER, kind),
    }
    for step in order:
        if step in events:
            world.tell(events[step])
        else:
            path = f"/hubs/{world.hub.hub_id}/members/{member_id}/{step}"
            assert call("POST", path, claims_of(f"{world.hub.hub_id}:admin"), {}).status == 200
    world.tell(*events.values())
    return str(world.shown(member_id)["status"])


@pytest.mark.parametrize("by_event", [pytest.param(False, marks=pytest.mark.long), True])
@pytest.mark.parametrize("kind", [Kind.REACTIVATED, pytest.param(Kind.DEACTIVATED, marks=pytest.mark.long)])
def test_events_and_admin_in_every_order_end_as_the_product_says(aws: None, kind: Kind, *, by_event: bool) -> None:
    """A deactivation, a later event, a suspension and a reactivation by an admin, in all 24 orders."""
    for order in itertools.permutations(STEPS):
        assert _state(order, kind, by_event=by_event) == _expected(order, kind, by_event=by_event), order


def test_only_admins_suspend_and_reactivate_and_the_activity_says_who(aws: None) -> None:
    """Twice is the same as once; an approver may not; the change names the admin."""
    world = World().build()
    world.tell(world.event("added", 1, Kind.ADDED, fields={"email": "maya@example.com"}))
    member_id = world.enrol(roles=("mentor",))
    path = f"/hubs/{world.hub.hub_id}/members/{member_id}"
    admin = claims_of(f"{world.hub.hub_id}:admin")
    assert call("POST", f"{path}/suspend", claims_of(f"{world.hub.hub_id}:approver"), {}).status == 403
    for _ in range(2):
        shown = call("POST", f"{path}/suspend", admin, {}).json
        assert (shown["status"], shown["status_reason"]) == ("inactive", "suspended")
    for _ in range(2):
        shown = call("POST", f"{path}/reactivate", admin, {}).json
        assert (shown["status"], shown["status_reason"]) == ("active", "")
    assert call("POST", f"/hubs/{world.hub.hub_id}/members/{'0' * 32}/suspend", admin, {}).status == 404
