"""Plans undone, undone again, and their conflicts planned once more: on moto."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from rollcall.hubs import admins, context
from rollcall.hubs import store as hubs
from rollcall.invitations import store as invitations
from rollcall.invitations.model import InvitationStatus
from rollcall.members import store as members
from rollcall.members.projection import single_valued, view
from rollcall.people.events import Kind
from rollcall.plans import again, approval
from rollcall.plans.model import Change, Plan, PlanKind, PlanState
from rollcall.runtime import dynamo
from rollcall.runtime.errors import ConflictError
from rollcall.segments.model import Visibility
from rollcall.uploads.model import UploadKind
from tests.support.plans import admin_of, approve, changes_of, current, drain, plan_file, report_of
from tests.support.world import World, everything

if TYPE_CHECKING:
    from rollcall.members.model import Member

pytestmark = pytest.mark.usefixtures("aws")

INVITES = "email,first_name,last_name,role,Location,language"


@pytest.fixture
def world() -> World:
    return World().build()


def _enrol(world: World, name: str, **attributes: str) -> str:
    said: dict[str, Any] = {"fields": {"email": f"{name}@example.com", "first_name": name.title()}}
    world.tell(world.event(name, 0, Kind.ADDED, name, **said, attributes={"Grade": "Senior", **attributes}))
    return world.enrol(name)


def _member(world: World, member_id: str) -> Member:
    found = members.get_member(world.hub.hub_id, member_id)
    assert found is not None
    return found


def _essence(world: World, member_id: str) -> Member:
    """Return a member without what every write changes."""
    member = _member(world, member_id)
    return replace(member, rev=0, recent_changes=(), change=replace(member.change, cause="", actor="", at=""))


def _edit_by_hand(world: World, member_id: str, **shown: Any) -> None:
    """Let an admin set roles by hand, outside any plan."""
    member = _member(world, member_id)
    ctx = context.load(world.hub.hub_id)
    edited = replace(member, manual=replace(member.manual, **shown))
    dynamo.write([members.put_member(world.hub.hub_id, edited, view(edited, ctx.hub, single_valued(ctx.catalogue)))])


def _undo(world: World, plan: Plan) -> Plan:
    """Ask for the plan that undoes one, and make it."""
    made = again.undo(plan.hub_id, plan.plan_id, admin_of(world))
    drain(world)
    return current(made)


def _said(plan: Plan) -> dict[str, Change]:
    return {change.subject: change for change in changes_of(plan)}


def test_undoing_a_members_file_puts_back_what_was_there_and_leaves_what_was_edited_since(world: World) -> None:
    """Members are as before, to the last decision; who was edited since stays, the reasons are told; and back again."""
    ids = {name: _enrol(world, name, Office="London") for name in ("ana", "ben", "cleo", "dan")}
    before = {name: _essence(world, member_id) for name, member_id in ids.items()}
    lines = [
        f"{ids['ana']},inactive,Mentor,",
        f"{ids['ben']},,Mentor; Mentee,Toronto",
        f"{ids['cleo']},,Mentor; Mentee,",
        f"{ids['dan']},inactive,,Toronto",
    ]
    plan = approve(world, plan_file(world, UploadKind.MEMBERS, "ref,status,roles,Location", *lines))
    assert plan.counts == {"applied": 4}
    after = {name: _essence(world, member_id) for name, member_id in ids.items()}
    _edit_by_hand(world, ids["cleo"], roles=())
    _edit_by_hand(world, ids["dan"], segments={})
    world.tell(world.event("moves", 60, Kind.UPDATED, "ben", fields={}, attributes={"Office": "Toronto"}))

    undo = _undo(world, plan)
    assert (undo.state, undo.kind, undo.total) == (PlanState.AWAITING_APPROVAL, PlanKind.UNDO, 4)
    assert undo.counts == {"reverse": 3, "left": 1}
    said = _said(undo)
    assert [(edit.field, edit.old, edit.new) for edit in said[ids["ana"]].edits] == [
        ("status", ("inactive",), ("active",))
    ]
    assert (said[ids["cleo"]].outcome, said[ids["cleo"]].reason) == ("left", "edited_since")
    assert said[ids["dan"]].detail == "Edited since, so left as it is: Location."
    undo = approve(world, undo)
    assert (undo.state, undo.counts) == (PlanState.APPLIED, {"reversed": 3, "left": 1})
    assert _essence(world, ids["ana"]) == before["ana"]
    assert _member(world, ids["ben"]).manual == before["ben"].manual
    assert world.shown(ids["ben"])["segments"]["location"] == ["toronto"]
    assert _member(world, ids["cleo"]).manual.roles == ()
    assert world.shown(ids["dan"])["status"] == "active"
    assert len(report_of(undo)) == 4

    redo = approve(world, _undo(world, undo))
    assert redo.counts == {"reversed": 3}
    assert _essence(world, ids["ana"]) == after["ana"]
    assert _member(world, ids["ben"]).manual == after["ben"].manual
    assert _member(world, ids["dan"]).suspended


def test_undoing_a_reactivation_makes_inactive_again_only_who_was(world: World) -> None:
    """The directory's deactivation counts again; who left anew in between is not touched by hand."""
    member_id = _enrol(world, "ana")
    world.tell(world.event("left", 60, Kind.DEACTIVATED, "ana", fields={}))
    before = _essence(world, member_id)
    plan = approve(world, plan_file(world, UploadKind.MEMBERS, "ref;status", f"{member_id};active"))
    assert world.shown(member_id)["status"] == "active"
    undo = approve(world, _undo(world, plan))
    assert undo.counts == {"reversed": 1}
    assert _essence(world, member_id) == before
    assert world.shown(member_id)["status"] == "inactive"


def test_a_second_request_to_undo_finds_the_first_plan(world: World) -> None:
    """Two clicks make one plan; once that is rejected, another can be made."""
    member_id = _enrol(world, "ana")
    plan = approve(world, plan_file(world, UploadKind.MEMBERS, "ref;status", f"{member_id};inactive"))
    first = _undo(world, plan)
    assert _undo(world, plan).plan_id == first.plan_id == current(plan).undone_by
    approval.reject(first.hub_id, first.plan_id, admin_of(world))
    second = _undo(world, plan)
    assert second.plan_id != first.plan_id
    assert second.state is PlanState.AWAITING_APPROVAL


def test_a_plan_that_was_not_applied_cannot_be_undone(world: World) -> None:
    """There is nothing to undo."""
    member_id = _enrol(world, "ana")
    plan = plan_file(world, UploadKind.MEMBERS, "ref;status", f"{member_id};inactive")
    with pytest.raises(ConflictError) as refused:
        again.undo(plan.hub_id, plan.plan_id, admin_of(world))
    assert refused.value.code == "not_applied"


def test_undoing_the_edit_of_a_deleted_member_is_impossible(world: World) -> None:
    """A plan does not bring anybody back."""
    member_id = _enrol(world, "ana")
    plan = approve(world, plan_file(world, UploadKind.MEMBERS, "ref;status", f"{member_id};inactive"))
    world.tell(world.event("gone", 60, Kind.DELETED, "ana", fields={}))
    undo = _undo(world, plan)
    assert (undo.counts, _said(undo)[member_id].reason) == ({"impossible": 1}, "deleted")


def test_undoing_new_members_makes_them_inactive(world: World) -> None:
    """Who came in by a file is hidden, not erased; who was edited since stays; and back again."""
    lines = ["email;roles", "nia@example.com;Mentor", "oto@example.com;Mentee"]
    plan = approve(world, plan_file(world, UploadKind.MEMBERS, *lines))
    assert plan.counts == {"created": 2}
    listed = {member.manual.email: member.member_id for member in members.all_members(world.hub.hub_id)}
    _edit_by_hand(world, listed["oto@example.com"], roles=("mentor",))
    undo = approve(world, _undo(world, plan))
    assert undo.counts == {"reversed": 1, "left": 1}
    assert world.shown(listed["nia@example.com"])["status"] == "inactive"
    assert world.shown(listed["oto@example.com"])["status"] == "active"
    approve(world, _undo(world, undo))
    assert world.shown(listed["nia@example.com"])["status"] == "active"


def test_undoing_invitations_revokes_the_open_ones(world: World) -> None:
    """Who accepted is a member and stays one; the link of the others is void; undoing that invites them again."""
    names = ("ana", "ben", "cleo")
    rows = [f"{name}@example.com,,,Mentee,," for name in names]
    plan = plan_file(world, UploadKind.INVITES, INVITES, *rows)
    drain(world)
    plan = current(plan)
    assert plan.counts == {"invited": 3}
    ids = {name: world.address_id(f"{name}@example.com") for name in names}

    def invitation(name: str) -> Any:
        return invitations.get_invitation(world.hub.hub_id, ids[name])

    accepted = replace(invitation("ben"), status=InvitationStatus.ACCEPTED, member_id="0" * 32)
    dynamo.write([invitations.put_invitation(world.hub.hub_id, accepted)])
    undo = _undo(world, plan)
    assert undo.counts == {"reverse": 2, "impossible": 1}
    sent = replace(invitation("cleo"), status=InvitationStatus.DELIVERED)
    dynamo.write([invitations.put_invitation(world.hub.hub_id, sent)])
    undo = approve(world, undo)
    assert undo.counts == {"reversed": 2, "impossible": 1}
    assert {name: str(invitation(name).status) for name in names} == {
        "ana": "revoked",
        "ben": "accepted",
        "cleo": "revoked",
    }
    told = [item for item in everything("ACTIVITY_TABLE") if item["kind"] == "invitation_revoked"]
    assert {(item["subject"], item["old"], item["cause"], item["actor"]) for item in told} == {
        (ids["ana"], "queued", f"plan:{undo.plan_id}", undo.approved_by),
        (ids["cleo"], "delivered", f"plan:{undo.plan_id}", undo.approved_by),
    }
    assert undo.approved_by
    mails = len(everything("MAIL_TABLE"))
    redo = approve(world, _undo(world, undo))
    assert redo.counts == {"reversed": 2}
    assert (invitation("ana").status, invitation("ana").epoch) == (InvitationStatus.QUEUED, 2)
    assert invitation("ana").roles == ("mentee",)
    assert len([mail for mail in everything("MAIL_TABLE") if mail["kind"] == "invitation"]) == 5
    assert len(everything("MAIL_TABLE")) > mails
    third = approve(world, _undo(world, redo))
    assert third.counts == {"reversed": 2}
    assert invitation("ana").status is InvitationStatus.REVOKED


TABLE = "A,HRIS field,HRIS attribute (value),D,Hub type,Hub field,Hub attribute,Visibility"


def test_undoing_a_data_mapping_table_brings_back_the_one_before(world: World) -> None:
    """Rules, who may see a segment, and what members show are as before; a table published since is in the way."""
    member_id = _enrol(world, "ana", Office="London")
    shown = world.shown(member_id)
    rules = context.load(world.hub.hub_id).table.rules
    plan = plan_file(
        world,
        UploadKind.MAPPING,
        TABLE,
        ",Office,London,,Segment,Location,Toronto,Private",
        ",Grade,Senior,,Role,,Mentor,",
    )
    plan = approve(world, plan)
    assert plan.state is PlanState.APPLIED
    assert world.shown(member_id)["segments"]["location"] == ["toronto"]
    undo = _undo(world, plan)
    assert (undo.state, undo.kind) == (PlanState.AWAITING_APPROVAL, PlanKind.MAPPING_CHANGE)
    assert undo.warnings == {"becomes_public": 1}
    undo = approve(world, undo)
    assert undo.state is PlanState.APPLIED
    ctx = context.load(world.hub.hub_id)
    assert (ctx.table.rules, ctx.table.version) == (rules, 3)
    location = next(segment for segment in ctx.catalogue.segments if segment.segment_id == "location")
    assert location.visibility is Visibility.PUBLIC
    assert world.shown(member_id)["segments"] == shown["segments"]

    late = _undo(world, replace(plan, undone_by=""))
    assert (late.state, "published since" in late.detail) == (PlanState.FAILED, True)
    redo = approve(world, _undo(world, undo))
    assert redo.state is PlanState.APPLIED
    assert world.shown(member_id)["segments"]["location"] == ["toronto"]


def test_conflicts_are_shown_with_both_values_and_planned_again_on_request(world: World) -> None:
    """What moved between the plan and its approval is not overwritten; a new plan says what it would overwrite now."""
    ana, ben = _enrol(world, "ana"), _enrol(world, "ben")
    lines = [f"{ana},Mentor; Mentee", f"{ben},Mentor; Mentee"]
    plan = plan_file(world, UploadKind.MEMBERS, "ref,roles", *lines)
    world.tell(world.event("junior", 60, Kind.UPDATED, "ana", fields={}, attributes={"Grade": "Junior"}))
    plan = approve(world, plan)
    assert plan.counts == {"applied": 1, "conflict": 1}
    (edit,) = _said(plan)[ana].edits
    assert (edit.old, edit.new) == (("Mentee",), ("Mentee", "Mentor"))
    made = again.replan(plan.hub_id, plan.plan_id, admin_of(world))
    assert again.replan(plan.hub_id, plan.plan_id, admin_of(world)).plan_id == made.plan_id
    drain(world)
    made = current(made)
    assert (made.counts, made.params["replans"]) == ({"edit": 1}, plan.plan_id)
    assert approve(world, made).counts == {"applied": 1}
    assert sorted(world.shown(ana)["roles"]) == ["mentee", "mentor"]
    with pytest.raises(ConflictError):
        again.replan(made.hub_id, made.plan_id, admin_of(world))


def test_a_plan_tells_its_consequences_before_everything_else(world: World) -> None:
    """Who becomes inactive or active, and who of them is an admin of the hub, with where the old value comes from."""
    ana, ben = _enrol(world, "ana"), _enrol(world, "ben")
    world.tell(world.event("left", 60, Kind.DEACTIVATED, "ben", fields={}))
    listed = (admins.ListedAdmin("Ana@example.com", "admin"),)
    admins.put_admins(world.hub.hub_id, listed, seen=0)
    plan = plan_file(world, UploadKind.MEMBERS, "ref,status,roles", f"{ana},inactive,Mentor; Mentee", f"{ben},active,")
    assert plan.warnings == {"suspends": 1, "reactivates": 1, "hub_admin": 1}
    change = _said(plan)[ana]
    assert set(change.warnings) == {"hub_admin", "suspends"}
    assert {edit.field: edit.old_from for edit in change.edits}["roles"] == tuple(_member(world, ana).slices)
    assert [found.subject for found in changes_of(plan)] == [ana, ben]
    (mail,) = [mail for mail in everything("MAIL_TABLE") if mail["kind"] == "plan_report"]
    assert [name for name, _ in mail["params"]["counts"]][:2] == [
        "Is an admin of the hub",
        "Becomes inactive: not visible, no e-mails",
    ]
    approve(world, plan)
    assert world.shown(ana)["status"] == "inactive"


def test_somebody_who_declined_before_is_told_before_they_are_invited_again(world: World) -> None:
    """The plan warns; it does not decide."""
    plan = plan_file(world, UploadKind.INVITES, INVITES, "ana@example.com,,,Mentee,,")
    drain(world)
    address_id = world.address_id("ana@example.com")
    held = invitations.get_invitation(world.hub.hub_id, address_id)
    assert held is not None
    dynamo.write([invitations.put_invitation(world.hub.hub_id, replace(held, status=InvitationStatus.DECLINED))])
    hubs.update_hub(replace(world.hub, invite_review=True), seen=1)
    plan = plan_file(world, UploadKind.INVITES, INVITES, "new@example.com,,,Mentee,,", "ana@example.com,,,Mentee,,")
    assert plan.warnings == {"declined_before": 1}
    assert approve(world, plan).counts == {"invited": 2}
    assert [row["email"] for row in report_of(plan)] == ["ana@example.com", "new@example.com"]
