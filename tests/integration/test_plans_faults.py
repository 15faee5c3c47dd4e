"""A plan is made and applied while AWS fails, or the process dies, at every call."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus

import pytest

from rollcall.hubs import context
from rollcall.hubs import store as hubs
from rollcall.hubs.model import Admin
from rollcall.members import store as members
from rollcall.members.projection import single_valued, view
from rollcall.members.version_token import column_values, make_token
from rollcall.people import store as people
from rollcall.people.events import Kind
from rollcall.plans import applying, approval, planning, store
from rollcall.plans.model import PlanState
from rollcall.runtime import clients
from rollcall.runtime.settings import env
from rollcall.runtime.times import now
from rollcall.uploads import store as uploads
from rollcall.uploads.model import UploadKind
from tests.support.faults import MODES, injected, until_quiet
from tests.support.world import SOURCE, World, everything

if TYPE_CHECKING:
    from rollcall.plans.model import Plan

pytestmark = pytest.mark.usefixtures("aws")


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
    world = World().build()
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


def test_a_members_plan_is_applied_once_whatever_fails() -> None:
    """At every AWS call, each kind of failure in turn: the member is active, by one write, and the counts are exact."""
    world = World().build()
    _work(world, _edited(world, "warm")[1])
    _, event = _edited(world, "counted")
    with injected() as counted:
        _work(world, event)
    for number in range(1, len(counted.calls) + 1):
        mode = MODES[number % len(MODES)]
        member_id, event = _edited(world, f"{mode}{number}".replace("_", "-"))
        before = members.get_member(world.hub.hub_id, member_id)
        injector = until_quiet(partial(_work, world, event), at=number, mode=mode)
        after = members.get_member(world.hub.hub_id, member_id)
        plan = _plan_of(world, event)
        where = f"{mode} at {number}: {injector.calls[number - 1 : number]}"
        assert len(injector.calls) >= number, where
        assert before is not None
        assert after is not None
        assert (plan.state, plan.counts) == (PlanState.APPLIED, {"applied": 1}), where
        assert after.rev == before.rev + 1, where
        assert world.shown(member_id)["status"] == "active", where


def _newcomer(world: World, name: str) -> dict[str, Any]:
    said: dict[str, Any] = {"fields": {"email": f"{name}@example.com"}, "attributes": {"Grade": "Senior"}}
    world.tell(world.event(name, 0, Kind.ADDED, name, **said))
    return _announce(world, UploadKind.MEMBERS, f"email,roles\n{name}@example.com,Mentee\n")


def test_a_new_member_is_made_once_whatever_fails() -> None:
    """At every AWS call, each kind of failure in turn: one member by one write, linked to person and address."""
    world = World().build()
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


def test_a_row_of_a_people_file_is_one_event_whatever_fails() -> None:
    """At every AWS call, each kind of failure in turn: one event in the log, and the person it says."""
    world = World().build()

    def people_file(name: str) -> dict[str, Any]:
        text = f"external_id,email,Grade\n{name},{name}@example.com,Senior\n"
        return _announce(world, UploadKind.PEOPLE, text, source_id=SOURCE)

    _work(world, people_file("warm"))
    event = people_file("counted")
    with injected() as counted:
        _work(world, event)
    for number in range(1, len(counted.calls) + 1):
        mode = MODES[number % len(MODES)]
        name = f"{mode}{number}".replace("_", "-")
        event = people_file(name)
        before = len(everything("EVENTS_TABLE"))
        injector = until_quiet(partial(_work, world, event), at=number, mode=mode)
        plan = _plan_of(world, event)
        where = f"{mode} at {number}: {injector.calls[number - 1 : number]}"
        assert len(injector.calls) >= number, where
        assert plan.state is PlanState.APPLIED, where
        assert {outcome for outcome in plan.counts if outcome != "missing"} == {"created"}, where
        assert plan.counts["created"] == 1, where
        assert len(everything("EVENTS_TABLE")) == before + 1, where
        assert {item["state"] for item in everything("EVENTS_TABLE")} == {"applied"}, where
        record = people.get_person(plan.hub_id, world.person_id(name))
        assert record is not None
        assert record.person.values() == {"Grade": "Senior"}, where
