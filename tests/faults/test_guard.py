"""A failure, a death or another worker at every AWS call of the guard: no more leave than may, nobody is lost."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from rollcall.guard import store as guard
from rollcall.guard import waiting
from rollcall.guard.showing import show
from rollcall.hubs import admins as admin_store
from rollcall.hubs.admins import ListedAdmin, Notice
from rollcall.hubs.model import Admin, RemovalGuard
from rollcall.people import event_log
from rollcall.people.events import Kind
from rollcall.people.model import EventState
from rollcall.people.sync import apply_event
from rollcall.plans import approval, store
from rollcall.plans.applying import handle_pointer
from rollcall.plans.model import Plan, PlanKind
from rollcall.runtime import clients
from tests.support.aws import stack
from tests.support.faults import MODES, injected, until_quiet
from tests.support.world import World, everything

if TYPE_CHECKING:
    from collections.abc import Callable

    from rollcall.people.events import DirectoryEvent

_HUB = replace(World().hub, removal_guard=RemovalGuard(1, 0))
SHORT = ("lost_response", "throttle", "kill_after")
APPROVER = Admin("sub-approver", "approver@example.com")


def _world(*, left: int = 0, count: int = 3) -> World:
    """Return a hub that lets one person go a day, with members E-0, E-1, ..., of whom the first so many left."""
    world = World(hub=_HUB).build()
    admin_store.put_admins(_HUB.hub_id, (ListedAdmin("ada@example.com", "admin", (Notice.HELD_REMOVALS,)),), seen=0)
    for number in range(count):
        fields = {"email": f"e{number}@example.com", "first_name": "Noor", "last_name": f"Ito{number}"}
        attributes: Any = {"Grade": "Senior"}
        world.tell(world.event(f"add-{number}", 0, Kind.ADDED, f"E-{number}", fields=fields, attributes=attributes))
        world.enrol(f"E-{number}")
    for number in range(left):
        world.tell(_leaving(world, number))
    return world


def _leaving(world: World, number: int) -> DirectoryEvent:
    return world.event(f"leave-{number}", 10, Kind.DEACTIVATED, f"E-{number}")


def _held_plan(world: World) -> Plan:
    (plan,) = [one for one in store.list_plans(world.hub.hub_id, limit=50)[0] if one.kind is PlanKind.HELD_REMOVALS]
    return plan


def _facts(world: World) -> dict[str, Any]:
    """Return what must be the same whatever failed: members, count, who waits, notices, who is remembered as gone."""
    hub_id = world.hub.hub_id
    state = guard.get_guard(hub_id)
    plans = [one for one in store.list_plans(hub_id, limit=50)[0] if one.kind is PlanKind.HELD_REMOVALS]
    members = {
        item["pk"]: (item["shown"]["status"], sorted(item.get("holds", {}))) for item in everything("MEMBERS_TABLE")
    }
    return {
        "members": members,
        "removals": (state.removals, dict(state.used)),
        "waiting": [[one.member_id for one in waiting.waiting(hub_id, plan.plan_id)] for plan in plans],
        "plans": [(plan.state, plan.is_growing, dict(plan.counts), plan.hash) for plan in plans],
        "points": bool(state.plan_id),
        "notices": sorted(item["to"] for item in everything("MAIL_TABLE")),
        "passed": len([item for item in everything("PLANS_TABLE") if item["pk"].endswith("#R")]),
    }


def _passing(world: World) -> Callable[[], object]:
    event = _leaving(world, 0)
    world.record(event)
    return lambda: apply_event(world.hub.hub_id, event.event_id)


def _first_held(world: World) -> Callable[[], object]:
    event = _leaving(world, 1)
    world.record(event)
    return lambda: apply_event(world.hub.hub_id, event.event_id)


def _next_held(world: World) -> Callable[[], object]:
    event = _leaving(world, 2)
    world.record(event)
    return lambda: apply_event(world.hub.hub_id, event.event_id)


def _frozen(world: World) -> Callable[[], object]:
    def look() -> None:
        plan = show(_held_plan(world))
        handle_pointer({"hub_id": plan.hub_id, "plan_id": plan.plan_id, "part": "plan"})

    return look


def _applied(world: World) -> Callable[[], object]:
    _frozen(world)()
    plan = _held_plan(world)

    def apply() -> None:
        approval.approve(plan.hub_id, plan.plan_id, plan.hash, APPROVER)
        for part in range(plan.parts + 1):
            handle_pointer({"hub_id": plan.hub_id, "plan_id": plan.plan_id, "part": part})

    return apply


SCENARIOS: dict[str, tuple[int, Callable[[World], Callable[[], object]]]] = {
    "passes": (0, _passing),
    "first_held": (1, _first_held),
    "next_held": (2, _next_held),
    "frozen": (3, _frozen),
    "applied": (3, _applied),
}


def _run(name: str, at: int, mode: str) -> tuple[dict[str, Any], list[str]]:
    left, prepare = SCENARIOS[name]
    with stack():
        world = _world(left=left)
        work = prepare(world)
        injector = until_quiet(lambda: _done(work), at=at, mode=mode)
        return _facts(world), injector.calls


def _done(work: Callable[[], object]) -> None:
    work()


def _strike_every_call(name: str, modes: tuple[str, ...]) -> None:
    expected, calls = _run(name, 0, "")
    for at in range(1, len(calls) + 1):
        for mode in modes:
            assert _run(name, at, mode)[0] == expected, f"{mode} at call {at} ({calls[at - 1]})"
    print(f"{name}: {len(calls)} AWS calls, {len(calls) * len(modes)} runs")


@pytest.mark.parametrize("name", ["passes", "first_held"])
def test_fault_at_every_call_of_a_removal_ends_as_without(name: str) -> None:
    """Whatever call fails or dies, one removal is counted once, or held once with one plan and one notice."""
    _strike_every_call(name, ("lost_response", "kill_after"))


@pytest.mark.long
@pytest.mark.parametrize("name", list(SCENARIOS))
def test_fault_of_every_mode_at_every_call_ends_as_without(name: str) -> None:
    """All seven modes at every call of a removal that passes, is held, is looked at, and is approved."""
    _strike_every_call(name, MODES)


def test_second_worker_at_every_call_never_passes_the_limit() -> None:
    """Of two removals with room for one, one takes place and one waits, wherever the second worker comes in between."""
    assert _race(0)[0] == [1, 1, "active", "active", "inactive"]
    calls = _race(0)[1]
    for at in range(1, calls + 1):
        assert _race(at)[0] == [1, 1, "active", "active", "inactive"], f"second worker before call {at}"


def _race(at: int) -> tuple[list[Any], int]:
    """Let a second worker remove somebody before the given call of the first; return the outcome and the calls."""
    with stack():
        world = _world()
        events = [_leaving(world, 0), _leaving(world, 1)]
        for event in events:
            world.record(event)
        with injected() as injector:
            plain = injector.before

            def before(model: Any, params: Any, **rest: Any) -> None:
                plain(model, params, **rest)
                if len(injector.calls) == at:
                    apply_event(world.hub.hub_id, events[1].event_id)

            for client in (clients.dynamodb(), clients.s3()):
                client.meta.events.unregister("before-call", unique_id="rollcall-before")
                client.meta.events.register("before-call", before, unique_id="rollcall-before")
            apply_event(world.hub.hub_id, events[0].event_id)
        calls = len(injector.calls)
        apply_event(world.hub.hub_id, events[1].event_id)
        states = [event_log.get_event(world.hub.hub_id, event.event_id) for event in events]
        assert sorted(str(one.state) for one in states if one) == [EventState.APPLIED, EventState.HELD]
        waits = len(list(waiting.waiting(world.hub.hub_id, _held_plan(world).plan_id)))
        shown = sorted(item["shown"]["status"] for item in everything("MEMBERS_TABLE"))
        return [guard.get_guard(world.hub.hub_id).removals, waits, *shown], calls
