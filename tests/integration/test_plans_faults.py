"""A plan is made and applied while AWS fails, or the process dies, at every call."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus

import pytest

from rollcall.hubs import context
from rollcall.hubs import store as hubs
from rollcall.hubs.model import Admin, RemovalGuard
from rollcall.members import store as members
from rollcall.members.projection import single_valued, view
from rollcall.members.version_token import column_values, make_token
from rollcall.people import store as people
from rollcall.people.events import Kind
from rollcall.plans import again, applying, approval, planning, store
from rollcall.plans.model import PlanState
from rollcall.runtime import clients
from rollcall.runtime.errors import ConflictError
from rollcall.runtime.settings import env
from rollcall.runtime.times import now
from rollcall.uploads import store as uploads
from rollcall.uploads.model import UploadKind
from tests.support.faults import MODES, injected, until_quiet
from tests.support.world import SOURCE, World, everything

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rollcall.plans.model import Plan

pytestmark = pytest.mark.usefixtures("aws")


def _world() -> World:
    """Return a hub whose guard lets everybody go that these tests need to have left."""
    return World(hub=replace(World().hub, removal_guard=RemovalGuard(1_000, 100))).build()


def _announce(world: World, kind: UploadKind, text: str, **announced: Any) -> dict[str, Any]:
    admin = Admin("admin-1", "admin-1@example.com", frozenset({f"{world.hub.hub_id}:admin"}))
    upload = uploads.create_upload(world.hub.hub_id, kind, "file.csv", admin, now(), **announced)
    put = clients.s3().put_object(Bucket=env("FILES_BUCKET"), Key=upload.key, Body=text.encode())
    return {"Records": [{"s3": {"object": {"key": quote_plus(upload.key, safe="/"), "versionId": put["VersionId"]}}}]}


def _work(world: World, event: dict[str, Any]) -> None:
    """Do what S3's event, the approval and the messages do, however often each comes."""
    hubs.forget_secrets()
    (plan,) = planning.handle_s3_event(event)
    if plan.state is PlanState.AWAITING_APPROVAL:
        admin = Admin("admin-2", "admin-2@example.com", frozenset({f"{world.hub.hub_id}:admin"}))
        approval.approve(plan.hub_id, plan.plan_id, plan.hash, admin)
    for part in (0, 1, 1):
        applying.handle_pointer({"hub_id": plan.hub_id, "plan_id": plan.plan_id, "part": part})


def _plan_of(world: World, event: dict[str, Any]) -> Plan:
    (plan,) = planning.handle_s3_event(event)
    found = store.get_plan(world.hub.hub_id, plan.plan_id)
    assert found is not None
    return found


def _invite_file(world: World, name: str) -> dict[str, Any]:
    text = f"email,role\n{name}@example.com,Mentee\n{name}@example.com,Mentor\n"
    return _announce(world, UploadKind.INVITES, text)


def test_an_invite_plan_invites_once_whatever_fails() -> None:
    """At every AWS call, each kind of failure in turn: one invitation, one mail, one report, exact counts."""
    world = _world()
    _work(world, _invite_file(world, "warm"))
    event = _invite_file(world, "counted")
    with injected() as counted:
        _work(world, event)
    for number in range(1, len(counted.calls) + 1):
        mode = MODES[number % len(MODES)]
        event = _invite_file(world, f"{mode}{number}".replace("_", "-"))
        before = len(everything("MAIL_TABLE"))
        injector = until_quiet(partial(_work, world, event), at=number, mode=mode)
        plan = _plan_of(world, event)
        where = f"{mode} at {number}: {injector.calls[number - 1 : number]}"
        assert len(injector.calls) >= number, where
        assert plan.state is PlanState.APPLIED, where
        assert (plan.counts, plan.done) == ({"invited": 1, "duplicate_of_row": 1}, 2), where
        assert len(everything("MAIL_TABLE")) == before + 2, where
        found = [item for item in everything("INVITATIONS_TABLE") if item["plan_id"] == plan.plan_id]
        assert [item["epoch"] for item in found] == [1], where


def _edited(world: World, name: str) -> tuple[str, dict[str, Any]]:
    said: dict[str, Any] = {"fields": {"email": f"{name}@example.com"}, "attributes": {"Grade": "Senior"}}
    world.tell(world.event(name, 0, Kind.ADDED, name, **said))
    member_id = world.enrol(name)
    world.tell(world.event(f"{name}-left", 60, Kind.DEACTIVATED, name, **said))
    ctx = context.load(world.hub.hub_id)
    member = members.get_member(world.hub.hub_id, member_id)
    assert member is not None
    token = make_token(ctx.key, member_id, column_values(view(member, ctx.hub, single_valued(ctx.catalogue)), [], []))
    text = f"ref;version;status;roles\n{member_id};{token};active;Mentor\n"
    return member_id, _announce(world, UploadKind.MEMBERS, text)


def _strike_members_plan(world: World, at: int, mode: str) -> None:
    """Fail once at a call of planning, approving and applying: the member is active, by one write, counts exact."""
    member_id, event = _edited(world, f"{mode}{at}".replace("_", "-"))
    before = members.get_member(world.hub.hub_id, member_id)
    injector = until_quiet(partial(_work, world, event), at=at, mode=mode)
    after = members.get_member(world.hub.hub_id, member_id)
    plan = _plan_of(world, event)
    where = f"{mode} at {at}: {injector.calls[at - 1 : at]}"
    assert len(injector.calls) >= at, where
    assert before is not None
    assert after is not None
    assert (plan.state, plan.counts, plan.done) == (PlanState.APPLIED, {"applied": 1}, 1), where
    assert after.rev == before.rev + 1, where
    assert world.shown(member_id)["status"] == "active", where


def _calls_of_members_plan(world: World) -> int:
    _work(world, _edited(world, "warm")[1])
    _, event = _edited(world, "counted")
    with injected() as counted:
        _work(world, event)
    return len(counted.calls)


def test_a_members_plan_is_applied_once_whatever_fails() -> None:
    """At every AWS call, each kind of failure in turn: the member is active, by one write, and the counts are exact."""
    world = _world()
    for number in range(1, _calls_of_members_plan(world) + 1):
        _strike_members_plan(world, number, MODES[number % len(MODES)])


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_members_plan_is_applied_once_whatever_fails_in_every_way() -> None:
    """At every AWS call, each of the seven kinds of failure."""
    world = _world()
    calls = _calls_of_members_plan(world)
    for number in range(1, calls + 1):
        for mode in MODES:
            _strike_members_plan(world, number, mode)
    print(f"{calls} calls, {len(MODES)} kinds of failure: {calls * len(MODES)} runs")


def _undo(world: World, plan: Plan) -> None:
    """Do what the request, the messages and the approval do to undo a plan, however often each comes."""
    hubs.forget_secrets()
    admin = Admin("admin-2", "admin-2@example.com", frozenset({f"{world.hub.hub_id}:admin"}))
    undo = again.undo(plan.hub_id, plan.plan_id, admin)
    pointer = {"hub_id": undo.hub_id, "plan_id": undo.plan_id}
    applying.handle_pointer({**pointer, "part": "plan"})
    undo = store.get_plan(undo.hub_id, undo.plan_id) or undo
    if undo.state is PlanState.AWAITING_APPROVAL:
        approval.approve(undo.hub_id, undo.plan_id, undo.hash, admin)
    for part in (0, 1, 1):
        applying.handle_pointer({**pointer, "part": part})


def _strike_undo(world: World, at: int, mode: str) -> bool:
    """Fail once while a plan is undone: the member is as before, by one write. Returns whether the call was reached."""
    member_id, event = _edited(world, f"undo{mode}{at}".replace("_", "-"))
    before = members.get_member(world.hub.hub_id, member_id)
    _work(world, event)
    plan = _plan_of(world, event)
    assert plan.counts == {"applied": 1}
    # What was undone and is done asks for a new undoing: the request is repeated only while the first is open.
    injector = until_quiet(partial(_undo, world, plan), at=at, mode=mode)
    after = members.get_member(world.hub.hub_id, member_id)
    undo = store.get_plan(plan.hub_id, _plan_of(world, event).undone_by)
    where = f"{mode} at {at}: {injector.calls[at - 1 : at]}"
    assert before is not None
    assert after is not None
    assert undo is not None
    assert undo.state is PlanState.APPLIED, where
    assert (after.manual, after.suspended, after.reactivated) == (before.manual, before.suspended, before.reactivated)
    assert after.rev == before.rev + 2, where
    return len(injector.calls) >= at


def test_a_plan_is_undone_once_whatever_fails() -> None:
    """At every ninth AWS call a failure: what was there before is back, by one write."""
    world = _world()
    number = 1
    while _strike_undo(world, number, MODES[number // 9 % len(MODES)]):
        number += 9
    assert number > 1


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_plan_is_undone_once_whatever_fails_in_every_way() -> None:
    """At every AWS call, each of the seven kinds of failure."""
    world = _world()
    number = 1
    while sum(_strike_undo(world, number, mode) for mode in MODES):
        number += 1
    print(f"{number - 1} calls, {len(MODES)} kinds of failure")


@contextmanager
def _rival(at: int, work: Callable[[], object]) -> Iterator[list[str]]:
    """Let somebody else do their work whole, just before the given AWS call of ours."""
    calls: list[str] = []

    def before(model: Any, **_: Any) -> None:
        calls.append(model.name)
        if len(calls) == at:
            work()

    made = [clients.dynamodb(), clients.sqs(), clients.s3(), clients.secretsmanager()]
    for client in made:
        client.meta.events.register("before-call", before, unique_id="rollcall-rival")
    try:
        yield calls
    finally:
        for client in made:
            client.meta.events.unregister("before-call", unique_id="rollcall-rival")


def _meet(world: World, at: int) -> int:
    """Let a second worker apply the same part just before a call of the first, and return the first's calls."""
    first_id, _ = _edited(world, f"one{at}")
    second_id, _ = _edited(world, f"two{at}")
    lines = ["ref,status", f"{first_id},active", f"{second_id},active"]
    plan = _plan_of(world, _announce(world, UploadKind.MEMBERS, "\n".join(lines) + "\n"))
    admin = Admin("admin-2", "admin-2@example.com", frozenset({f"{world.hub.hub_id}:admin"}))
    approval.approve(plan.hub_id, plan.plan_id, plan.hash, admin)
    before = [members.get_member(world.hub.hub_id, member_id) for member_id in (first_id, second_id)]
    apply = partial(applying.handle_pointer, {"hub_id": plan.hub_id, "plan_id": plan.plan_id, "part": 1})
    with _rival(at, apply) as calls:
        apply()
    after = [members.get_member(world.hub.hub_id, member_id) for member_id in (first_id, second_id)]
    held = store.get_plan(plan.hub_id, plan.plan_id)
    assert held is not None
    where = f"at {at}: {calls[at - 1 : at]}"
    assert (held.state, held.counts, held.done, held.parts_done) == (PlanState.APPLIED, {"applied": 2}, 2, 1), where
    for one, other in zip(before, after, strict=True):
        assert one is not None
        assert other is not None
        assert other.rev == one.rev + 1, where
    return len(calls)


def test_two_workers_on_one_part_make_every_change_once() -> None:
    """The second does the whole part before each fifth call of the first: one write of each member, exact counts."""
    world = _world()
    number, last = 1, 1
    while number <= last:
        last = _meet(world, number)
        number += 5
    assert last > 1


@pytest.mark.long
def test_two_workers_on_one_part_make_every_change_once_whenever_they_meet() -> None:
    """Before every call of the first."""
    world = _world()
    number, last = 1, 1
    while number <= last:
        last = _meet(world, number)
        number += 1
    print(f"met at {last} calls")


def test_two_approvals_at_once_are_one() -> None:
    """Whoever comes second is told so, or, being the same person, gets the same answer; it is applied once."""
    world = _world()
    for at in range(1, 5):
        member_id, event = _edited(world, f"approved{at}")
        plan = _plan_of(world, event)
        before = members.get_member(world.hub.hub_id, member_id)
        other = Admin("admin-3", "admin-3@example.com", frozenset({f"{world.hub.hub_id}:admin"}))
        admin = Admin("admin-2", "admin-2@example.com", frozenset({f"{world.hub.hub_id}:admin"}))
        rival = partial(approval.approve, plan.hub_id, plan.plan_id, plan.hash, other)
        with _rival(at, rival), suppress(ConflictError):
            approval.approve(plan.hub_id, plan.plan_id, plan.hash, admin)
        for part in (0, 1, 0, 1):
            applying.handle_pointer({"hub_id": plan.hub_id, "plan_id": plan.plan_id, "part": part})
        after = members.get_member(world.hub.hub_id, member_id)
        held = store.get_plan(plan.hub_id, plan.plan_id)
        assert before is not None
        assert after is not None
        assert held is not None
        assert (held.state, held.counts, after.rev) == (PlanState.APPLIED, {"applied": 1}, before.rev + 1)
        assert held.approved_by in {"admin-2", "admin-3"}


def _newcomer(world: World, name: str) -> dict[str, Any]:
    said: dict[str, Any] = {"fields": {"email": f"{name}@example.com"}, "attributes": {"Grade": "Senior"}}
    world.tell(world.event(name, 0, Kind.ADDED, name, **said))
    return _announce(world, UploadKind.MEMBERS, f"email,roles\n{name}@example.com,Mentee\n")


def test_a_new_member_is_made_once_whatever_fails() -> None:
    """At every AWS call, each kind of failure in turn: one member by one write, linked to person and address."""
    world = _world()
    _work(world, _newcomer(world, "warm"))
    event = _newcomer(world, "counted")
    with injected() as counted:
        _work(world, event)
    for number in range(1, len(counted.calls) + 1):
        mode = MODES[number % len(MODES)]
        name = f"{mode}{number}".replace("_", "-")
        event = _newcomer(world, name)
        before = len(everything("MEMBERS_TABLE"))
        injector = until_quiet(partial(_work, world, event), at=number, mode=mode)
        plan = _plan_of(world, event)
        where = f"{mode} at {number}: {injector.calls[number - 1 : number]}"
        assert len(injector.calls) >= number, where
        assert (plan.state, plan.counts) == (PlanState.APPLIED, {"created": 1}), where
        assert len(everything("MEMBERS_TABLE")) == before + 1, where
        address = people.get_address(plan.hub_id, world.address_id(f"{name}@example.com"))
        person = people.get_person(plan.hub_id, world.person_id(name))
        assert person is not None
        assert person.member_id == address.member_id, where
        member = members.get_member(plan.hub_id, address.member_id or "")
        assert member is not None
        assert (member.rev, sorted(world.shown(member.member_id)["roles"])) == (1, ["mentee", "mentor"]), where


def _approved_people(world: World, name: str) -> dict[str, Any]:
    """Return the pointer at the one part of an approved plan of one row."""
    text = f"external_id,email,Grade\n{name},{name}@example.com,Senior\n"
    (plan,) = planning.handle_s3_event(_announce(world, UploadKind.PEOPLE, text, source_id=SOURCE))
    admin = Admin("admin-2", "admin-2@example.com", frozenset({f"{world.hub.hub_id}:admin"}))
    approval.approve(plan.hub_id, plan.plan_id, plan.hash, admin)
    return {"hub_id": plan.hub_id, "plan_id": plan.plan_id, "part": 1}


def test_a_row_of_a_people_file_is_one_event_whatever_fails() -> None:
    """At every AWS call of applying it, each kind of failure in turn: one event in the log, and the person it says."""
    world = World().build()
    applying.handle_pointer(_approved_people(world, "warm"))
    pointer = _approved_people(world, "counted")
    with injected() as counted:
        applying.handle_pointer(pointer)
    for number in range(1, len(counted.calls) + 1):
        mode = MODES[number % len(MODES)]
        name = f"{mode}{number}".replace("_", "-")
        pointer = _approved_people(world, name)
        before = len(everything("EVENTS_TABLE"))
        injector = until_quiet(partial(applying.handle_pointer, pointer), at=number, mode=mode)
        applying.handle_pointer(pointer)
        plan = store.get_plan(world.hub.hub_id, pointer["plan_id"])
        where = f"{mode} at {number}: {injector.calls[number - 1 : number]}"
        assert len(injector.calls) >= number, where
        assert plan is not None
        assert (plan.state, plan.counts["created"]) == (PlanState.APPLIED, 1), where
        assert plan.counts.keys() <= {"created", "missing"}, where
        assert len(everything("EVENTS_TABLE")) == before + 1, where
        assert {item["state"] for item in everything("EVENTS_TABLE")} == {"applied"}, where
        record = people.get_person(plan.hub_id, world.person_id(name))
        assert record is not None
        assert record.person.values() == {"Grade": "Senior"}, where
