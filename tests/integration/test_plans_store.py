"""Uploads become plans, plans are approved and applied: on moto, through the use cases the functions call."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import quote_plus

import pytest

from rollcall.exports.members import columns, member_rows
from rollcall.files.cells import to_csv_line
from rollcall.hubs import context
from rollcall.hubs import store as hubs
from rollcall.hubs.model import Permission
from rollcall.invitations import store as invitations
from rollcall.invitations.model import InvitationStatus
from rollcall.mail import store as outbox
from rollcall.mapping.table import RoleTarget
from rollcall.members import store as members
from rollcall.members.projection import single_valued, view
from rollcall.members.version_token import column_values, make_token
from rollcall.people import store as people
from rollcall.people.events import Kind
from rollcall.plans import applying, approval, planning, store
from rollcall.plans.model import Plan, PlanState
from rollcall.plans.stuck import wake_due
from rollcall.runtime import clients, dynamo
from rollcall.runtime.errors import ConflictError, ForbiddenError, TransientError
from rollcall.runtime.settings import env
from rollcall.runtime.times import now
from rollcall.segments import store as segments
from rollcall.segments.model import Option
from rollcall.uploads import store as uploads
from rollcall.uploads.model import UploadKind, UploadState
from tests.support.plans import admin_of, changes_of, current, drain, plan_file, report_of, upload_file
from tests.support.world import World, everything

pytestmark = pytest.mark.usefixtures("aws")

HEADER = "email,first_name,last_name,role,Location,language"


def tell_of(world: World, name: str, kind: Kind = Kind.ADDED, seconds: int = 0, **attributes: str) -> None:
    said: dict[str, Any] = {
        "fields": {"email": f"{name}@example.com", "first_name": name.title(), "last_name": "Okafor"},
        "attributes": attributes,
    }
    world.tell(world.event(f"{name}-{seconds}", seconds, kind, name, **said))


@pytest.fixture
def world() -> World:
    return World().build()


def test_a_good_file_of_invites_is_applied_without_review(world: World) -> None:
    """Good rows become queued invitations with a mail each, bad rows are reported, and the plan ends as applied."""
    tell_of(world, "maya", Office="London", Grade="Senior")
    tell_of(world, "left", Kind.DEACTIVATED)
    tell_of(world, "member", Grade="Junior")
    world.enrol("member")
    plan = plan_file(
        world,
        UploadKind.INVITES,
        HEADER,
        "maya@example.com,Maya,Okafor,Mentor; Mentee,London,fr",
        "new@example.com,Łukasz,久美子,Mentee,Toronto,",
        "left@example.com,,,Mentee,,",
        "member@example.com,,,Mentee,,",
        "NEW@example.com,,,Mentee,,",
        "not an address,,,Mentro,,",
    )
    assert plan.state is PlanState.APPLYING
    drain(world)
    plan = current(plan)
    assert plan.state is PlanState.APPLIED
    assert plan.counts == {
        "invited": 2,
        "deactivated": 1,
        "already_member": 1,
        "duplicate_of_row": 1,
        "error": 1,
    }
    assert (plan.done, plan.total, plan.parts_done) == (6, 6, 1)
    maya = invitations.get_invitation(world.hub.hub_id, world.address_id("maya@example.com"))
    assert maya is not None
    assert (maya.status, maya.roles, dict(maya.segments), maya.epoch) == (InvitationStatus.QUEUED, ("mentee",), {}, 1)
    new = invitations.get_invitation(world.hub.hub_id, world.address_id("new@example.com"))
    assert new is not None
    assert (new.roles, dict(new.segments)) == (("mentee",), {"location": ("toronto",)})
    mails = everything("MAIL_TABLE")
    assert sorted(mail["kind"] for mail in mails) == ["invitation", "invitation", "plan_report"]
    report = report_of(plan)
    assert [row["result"] for row in report] == [
        "invited",
        "invited",
        "deactivated",
        "already_member",
        "duplicate_of_row",
        "error",
    ]
    assert report[5]["role"] == "Mentro"
    assert "Mentor" in report[5]["reason"]
    found = uploads.get_upload(world.hub.hub_id, plan.upload_id)
    assert found is not None
    assert (found.state, found.plan_id) == (UploadState.PLANNED, plan.plan_id)


def test_the_same_file_twice_invites_nobody_twice(world: World) -> None:
    """The second upload of a file is a plan of its own that skips whom the first one invited."""
    lines = (HEADER, "new@example.com,New,Person,Mentee,,")
    plan_file(world, UploadKind.INVITES, *lines)
    drain(world)
    second = plan_file(world, UploadKind.INVITES, *lines)
    drain(world)
    assert current(second).counts == {"already_invited": 1}
    assert [item["epoch"] for item in everything("INVITATIONS_TABLE")] == [1]


def test_a_repeated_s3_event_makes_one_plan(world: World) -> None:
    """However often the bucket announces one version of a file, there is one plan and one invitation."""
    _, event = upload_file(world, UploadKind.INVITES, f"{HEADER}\nnew@example.com,,,Mentee,,\n")
    first = [planning.handle_s3_event(event)[0].plan_id for _ in range(3)]
    drain(world)
    planning.handle_s3_event(event)
    drain(world)
    assert len(set(first)) == 1
    assert len(store.list_plans(world.hub.hub_id, limit=10)[0]) == 1
    assert len(everything("INVITATIONS_TABLE")) == 1


def test_a_file_that_nobody_announced_is_refused(world: World) -> None:
    """A file under an upload id that no admin asked for, and the test event of S3, have no effect at all."""
    upload, event = upload_file(world, UploadKind.INVITES, f"{HEADER}\nnew@example.com,,,Mentee,,\n")
    other = upload.key.replace(upload.upload_id, "01JA000000000000000000XXXX")
    event["Records"][0]["s3"]["object"]["key"] = quote_plus(other, safe="/")
    assert planning.handle_s3_event(event) == []
    assert planning.handle_s3_event({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "x"}) == []
    assert planning.handle_s3_event({"Records": [{"s3": {"object": {"key": "uploads/x"}}}]}) == []
    assert store.list_plans(world.hub.hub_id, limit=10) == ([], None)


@pytest.mark.parametrize("text", ["", "PK\x03\x04sheet", "first_name,role\nMaya,Mentor\n", "a,b\x00,c\n"])
def test_a_wrong_file_fails_the_plan_and_tells_why(world: World, text: str) -> None:
    """An empty or binary file, or one without an e-mail column, fails whole, with a sentence and a mail."""
    upload, event = upload_file(world, UploadKind.INVITES, text)
    (plan,) = planning.handle_s3_event(event)
    found = uploads.get_upload(world.hub.hub_id, upload.upload_id)
    assert found is not None
    assert (plan.state, found.state) == (PlanState.FAILED, UploadState.FAILED)
    assert plan.faults
    assert plan.faults == found.faults
    (mail,) = everything("MAIL_TABLE")
    assert mail["params"]["state"] == "failed"
    assert plan.faults[0].detail in mail["params"]["problem"]


def test_invites_of_a_hub_with_review_wait_for_an_approval(world: World) -> None:
    """Nobody is invited before the approval, which must name what was shown; then exactly that happens."""
    hubs.update_hub(replace(world.hub, invite_review=True, two_person_approval=True), seen=1)
    plan = plan_file(world, UploadKind.INVITES, HEADER, "new@example.com,,,Mentee,,")
    drain(world)
    assert (plan.state, plan.counts) == (PlanState.AWAITING_APPROVAL, {"invite": 1})
    assert everything("INVITATIONS_TABLE") == []
    with pytest.raises(ConflictError) as stale:
        approval.approve(plan.hub_id, plan.plan_id, "0" * 64, admin_of(world, "admin-2"))
    assert stale.value.code == "stale_hash"
    with pytest.raises(ForbiddenError) as alone:
        approval.approve(plan.hub_id, plan.plan_id, plan.hash, admin_of(world))
    assert alone.value.code == "second_person_needed"
    approval.approve(plan.hub_id, plan.plan_id, plan.hash, admin_of(world, "admin-2"))
    drain(world)
    assert current(plan).state is PlanState.APPLIED
    assert current(plan).approved_by == "admin-2"
    assert len(everything("INVITATIONS_TABLE")) == 1
    with pytest.raises(ConflictError):
        approval.reject(plan.hub_id, plan.plan_id, admin_of(world))


def test_a_rejected_plan_has_no_effect(world: World) -> None:
    """A plan that was turned down cannot be approved any more, and its parts are never applied."""
    hubs.update_hub(replace(world.hub, invite_review=True), seen=1)
    plan = plan_file(world, UploadKind.INVITES, HEADER, "new@example.com,,,Mentee,,")
    approval.reject(plan.hub_id, plan.plan_id, admin_of(world), "wrong list")
    with pytest.raises(ConflictError):
        approval.approve(plan.hub_id, plan.plan_id, plan.hash, admin_of(world))
    applying.handle_pointer({"hub_id": plan.hub_id, "plan_id": plan.plan_id, "part": 1})
    assert current(plan).state is PlanState.REJECTED
    assert everything("INVITATIONS_TABLE") == []


def test_a_long_file_is_applied_in_parts_that_count_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nine rows in parts of four make three parts; parts delivered twice count once, and the changes can be paged."""
    monkeypatch.setattr(planning, "PART_SIZE", 4)
    rows = [f"p{n}@example.com,,,Mentee,," for n in range(9)]
    plan = plan_file(world, UploadKind.INVITES, HEADER, *rows)
    assert plan.parts == 3
    for part in (0, 1, 1, 2):
        applying.handle_pointer({"hub_id": plan.hub_id, "plan_id": plan.plan_id, "part": part})
    half = current(plan)
    assert (half.parts_done, half.done, half.counts) == (2, 8, {"invite": 1, "invited": 8})
    drain(world)
    drain(world)
    assert current(plan).counts == {"invited": 9}
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page, cursor = applying.changes(plan.hub_id, plan.plan_id, limit=2, cursor=cursor, outcome="invited")
        seen += [change.id for change in page]
    assert len(seen) == len(set(seen)) == 9
    assert len(everything("INVITATIONS_TABLE")) == 9


def test_an_address_that_was_barred_after_planning_is_skipped(world: World) -> None:
    """Who is deactivated between the plan and its part is not invited, and the report says so."""
    hubs.update_hub(replace(world.hub, invite_review=True), seen=1)
    tell_of(world, "maya")
    plan = plan_file(world, UploadKind.INVITES, HEADER, "maya@example.com,,,Mentee,,")
    tell_of(world, "maya", Kind.DEACTIVATED, 60)
    approval.approve(plan.hub_id, plan.plan_id, plan.hash, admin_of(world))
    drain(world)
    assert current(plan).counts == {"deactivated": 1}
    assert report_of(plan)[0]["result"] == "deactivated"


def test_a_stuck_plan_is_woken(world: World) -> None:
    """If all messages of a plan were lost, the sweeper's pointer gets it going again."""
    plan = plan_file(world, UploadKind.INVITES, HEADER, "new@example.com,,,Mentee,,")
    key = store.pk(plan.hub_id, plan.plan_id)
    clients.sqs().purge_queue(QueueUrl=env("PLAN_PARTS_QUEUE_URL"))
    dynamo.write([dynamo.update_action(store.TABLE, key, "-", "SET #due_sk = :past", values={"past": "2000"})])
    assert wake_due() == 1
    drain(world)
    assert current(plan).state is PlanState.APPLIED


def _die_while_planning(world: World, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """Let planning die before its end, and return the plan that is left."""
    _, event = upload_file(world, UploadKind.INVITES, f"{HEADER}\nnew@example.com,,,Mentee,,\n")
    with monkeypatch.context() as dying:
        dying.setattr(planning, "_run", lambda *_: (_ for _ in ()).throw(TransientError()))
        with pytest.raises(TransientError):
            planning.handle_s3_event(event)
    (plan,) = store.list_plans(world.hub.hub_id, limit=10)[0]
    assert plan.state is PlanState.PLANNING
    past = {"past": "2000-01-01T00:00:00.000Z"}
    key = store.pk(plan.hub_id, plan.plan_id)
    dynamo.write([dynamo.update_action(store.TABLE, key, "-", "SET #due_sk = :past", values=past)])
    return plan


def test_a_plan_that_died_in_its_making_is_made_when_the_sweeper_comes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody has to upload the file again: the sweeper points at it, and it is planned and applied."""
    plan = _die_while_planning(world, monkeypatch)
    assert wake_due() == 1
    drain(world)
    assert (current(plan).state, current(plan).counts) == (PlanState.APPLIED, {"invited": 1})


def test_a_plan_that_cannot_be_made_in_a_day_fails_with_a_sentence(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be read is given up, and the admin is told what to do."""
    plan = _die_while_planning(world, monkeypatch)
    monkeypatch.setattr(planning, "GIVE_UP", timedelta(0))
    planning.handle_pointer({"hub_id": plan.hub_id, "plan_id": plan.plan_id, "part": "plan"})
    assert current(plan).state is PlanState.FAILED
    assert [fault.code for fault in current(plan).faults] == ["took_too_long"]
    upload = uploads.get_upload(plan.hub_id, plan.upload_id)
    assert upload is not None
    assert upload.state is UploadState.FAILED


# --- the members file ------------------------------------------------------------------------------------------------


def row_of(world: World, member_id: str, **edits: str) -> str:
    """Return the line of a members file that was downloaded now and edited."""
    ctx = context.load(world.hub.hub_id)
    member = members.get_member(world.hub.hub_id, member_id)
    assert member is not None
    shown = view(member, ctx.hub, single_valued(ctx.catalogue))
    values = column_values(shown, ["location", "languages"], ["Job title"])
    labels = {role.role_id: role.label for role in ctx.catalogue.roles}
    cells = {
        "ref": member_id,
        "version": make_token(ctx.key, member_id, values),
        "status": str(shown.status),
        "roles": "; ".join(labels[role] for role in shown.roles),
        "Location": shown.segments.get("location", ("",))[0].title(),
        "profile: Job title": shown.profile.get("Job title", ""),
    }
    return ",".join({**cells, **edits}.values())


MEMBERS_HEADER = "ref,version,status,roles,Location,profile: Job title"


def enrolled(world: World, name: str, **attributes: str) -> str:
    tell_of(world, name, Kind.ADDED, 0, **attributes)
    return world.enrol(name)


def test_a_reactivation_by_file_is_shown_then_applied(world: World) -> None:
    """An inactive member whose status was edited is active after the approval, by the approver, and not before."""
    member_id = enrolled(world, "maya", Grade="Senior", Office="London")
    other_id = enrolled(world, "ana", Grade="Junior", Office="London")
    tell_of(world, "maya", Kind.DEACTIVATED, 60, Grade="Senior", Office="London")
    lines = (row_of(world, member_id, status="Active"), row_of(world, other_id))
    plan = plan_file(world, UploadKind.MEMBERS, MEMBERS_HEADER, *lines)
    assert (plan.state, plan.counts) == (PlanState.AWAITING_APPROVAL, {"edit": 1, "unchanged": 1})
    (edit,) = changes_of(plan)[0].edits
    assert (edit.field, edit.old, edit.new) == ("status", ("inactive",), ("active",))
    assert world.shown(member_id)["status"] == "inactive"
    approval.approve(plan.hub_id, plan.plan_id, plan.hash, admin_of(world, "admin-2"))
    drain(world)
    assert current(plan).counts == {"applied": 1, "unchanged": 1}
    assert world.shown(member_id)["status"] == "active"
    member = members.get_member(world.hub.hub_id, member_id)
    assert member is not None
    assert (member.change.cause, member.change.actor) == (f"plan:{plan.plan_id}", "admin-2")


def test_a_deactivation_after_the_plan_is_not_undone_by_it(world: World) -> None:
    """A plan reactivates over the deactivation that it showed, and not over a newer one; a new plan does."""
    member_id = enrolled(world, "maya", Grade="Senior")
    tell_of(world, "maya", Kind.DEACTIVATED, 60, Grade="Senior")
    old = plan_file(world, UploadKind.MEMBERS, "ref,status", f"{member_id},active")
    tell_of(world, "maya", Kind.DEACTIVATED, 3600, Grade="Senior")
    approval.approve(old.hub_id, old.plan_id, old.hash, admin_of(world))
    drain(world)
    assert (current(old).counts, world.shown(member_id)["status"]) == ({"conflict": 1}, "inactive")
    assert "Deactivated again" in report_of(current(old))[0]["reason"]
    new = plan_file(world, UploadKind.MEMBERS, "ref,status", f"{member_id},active")
    approval.approve(new.hub_id, new.plan_id, new.hash, admin_of(world))
    drain(world)
    assert (current(new).counts, world.shown(member_id)["status"]) == ({"applied": 1}, "active")


def test_a_suspension_that_a_plan_ends_does_not_end_a_later_deactivation(world: World) -> None:
    """Inactive for one reason is not inactive for another: what came after the plan stays."""
    member_id = enrolled(world, "maya", Grade="Senior")
    for status in ("inactive", "active"):
        plan = plan_file(world, UploadKind.MEMBERS, "ref,status", f"{member_id},{status}")
        if status == "active":
            tell_of(world, "maya", Kind.DEACTIVATED, 60, Grade="Senior")
        approval.approve(plan.hub_id, plan.plan_id, plan.hash, admin_of(world))
        drain(world)
    assert (current(plan).counts, world.shown(member_id)["status"]) == ({"conflict": 1}, "inactive")


@pytest.mark.parametrize(("seconds", "outcome"), [(None, "edit"), (60, "edit"), (3600, "conflict")])
def test_a_deactivation_after_the_download_is_a_conflict(world: World, seconds: int | None, outcome: str) -> None:
    """The file remembers which deactivation it shows: the same one told again is none, a newer one is."""
    member_id = enrolled(world, "maya", Grade="Senior")
    tell_of(world, "maya", Kind.DEACTIVATED, 60, Grade="Senior")
    ctx = context.load(world.hub.hub_id)
    permissions = [Permission.VIEW, Permission.VIEW_PRIVATE]
    ((_, (cells,)),) = member_rows(ctx, permissions, ())
    header = columns(ctx.catalogue.segments, ())
    if seconds is not None:
        said = world.event(f"again-{seconds}", seconds, Kind.DEACTIVATED, "maya", attributes={"Grade": "Senior"})
        world.tell(said)
    row = dict(zip(header, cells, strict=True)) | {"status": "active"}
    lines = [to_csv_line(list(values)).strip() for values in (row.keys(), row.values())]
    plan = plan_file(world, UploadKind.MEMBERS, *lines)
    assert plan.counts == {outcome: 1}
    assert changes_of(plan)[0].subject == member_id


def test_an_edit_of_a_value_that_moved_is_a_conflict_and_one_beside_it_is_none(world: World) -> None:
    """The moved and edited segment is shown with both values; a role edit of somebody whose segment moved goes on."""
    maya, ana = (enrolled(world, name, Grade="Senior", Office="London") for name in ("maya", "ana"))
    lines = (row_of(world, maya, Location="London"), row_of(world, ana, roles="Mentor; Mentee"))
    edited = lines[0].replace(",London,", ",(clear),")
    for name in ("maya", "ana"):
        tell_of(world, name, Kind.UPDATED, 60, Grade="Senior", Office="Toronto")
    plan = plan_file(world, UploadKind.MEMBERS, MEMBERS_HEADER, edited, lines[1])
    assert plan.counts == {"conflict": 1, "edit": 1}
    conflict, edit = changes_of(plan)
    assert (conflict.edits[0].old, conflict.edits[0].new, conflict.todo) == (("Toronto",), (), False)
    assert [change.column for change in edit.edits] == ["roles"]
    approval.approve(plan.hub_id, plan.plan_id, plan.hash, admin_of(world))
    drain(world)
    assert world.shown(ana)["roles"] == ["mentee", "mentor"]
    assert world.shown(ana)["segments"] == {"location": ["toronto"]}
    stored = members.get_member(world.hub.hub_id, ana)
    assert stored is not None
    assert stored.manual.roles == ("mentee",)
    tell_of(world, "ana", Kind.UPDATED, 120, Grade="Junior", Office="Toronto")
    assert world.shown(ana)["roles"] == ["mentee"]


def test_a_value_that_moved_after_planning_is_not_overwritten(world: World) -> None:
    """Of two plans from one download that edit one value, the second is a conflict; one beside them is applied."""
    maya = enrolled(world, "maya", **{"Grade": "Senior", "Job title": "Coach"})
    line = row_of(world, maya)
    first, second, beside = (
        plan_file(world, UploadKind.MEMBERS, MEMBERS_HEADER, edited)
        for edited in (
            line.replace("Coach", "Lead"),
            line.replace("Coach", "Chief"),
            line.replace(",active,", ",inactive,"),
        )
    )
    for plan in (first, second, beside):
        approval.approve(plan.hub_id, plan.plan_id, plan.hash, admin_of(world))
        drain(world)
    assert [current(plan).counts for plan in (first, second, beside)] == [
        {"applied": 1},
        {"conflict": 1},
        {"applied": 1},
    ]
    assert world.shown(maya)["profile"] == {"Job title": "Lead"}
    assert world.shown(maya)["status_reason"] == "suspended"


def test_rows_with_faults_are_reported_all_at_once_and_change_nothing(world: World) -> None:
    """Unknown roles, options and states come with a suggestion; what the directory gives cannot be taken away."""
    ids = [enrolled(world, name, Grade="Senior", Office="London") for name in ("a1", "a2", "a3", "a4")]
    plan = plan_file(
        world,
        UploadKind.MEMBERS,
        MEMBERS_HEADER,
        row_of(world, ids[0], status="actve", roles="Mentro", Location="Lodnon"),
        row_of(world, ids[1], roles="Mentee"),
        row_of(world, ids[2], roles="(clear)"),
        "f" * 32 + ",,active,,,",
        row_of(world, ids[3]),
        row_of(world, ids[3]),
    )
    found = changes_of(plan)
    assert [change.outcome for change in found] == ["error"] * 4 + ["unchanged", "error"]
    assert found[0].reason.split() == ["unknown_status", "unknown_role", "unknown_option"]
    assert all(word in found[0].detail for word in ("“active”", "“Mentor”", "“London”"))
    assert [change.reason for change in found[1:4]] == ["owned_by_directory", "last_role", "unknown_member"]
    assert found[5].reason == "duplicate_of_row"
    assert not any(change.todo for change in found)


def test_an_exported_members_file_changes_nothing_until_it_is_edited(world: World) -> None:
    """The file as exported, saved as UTF-16 with tabs, holds no edit, also after the members moved on."""
    for name in ("maya", "ana"):
        enrolled(world, name, **{"Grade": "Senior", "Office": "London", "Languages": "French", "Job title": "=Coach"})
    ctx = context.load(world.hub.hub_id)
    segments = list(ctx.catalogue.segments)
    rows = [row for _, some in member_rows(ctx, frozenset(Permission), ("Job title",)) for row in some]
    lines = [to_csv_line(row, "\t") for row in [columns(segments, ["Job title"]), *rows]]
    tell_of(world, "maya", Kind.UPDATED, 60, Grade="Junior", Office="Toronto")
    upload, event = upload_file(world, UploadKind.MEMBERS, "")
    put = clients.s3().put_object(Bucket=env("FILES_BUCKET"), Key=upload.key, Body="".join(lines).encode("utf-16"))
    event["Records"][0]["s3"]["object"]["versionId"] = put["VersionId"]
    (plan,) = planning.handle_s3_event(event)
    assert (plan.state, plan.counts) == (PlanState.AWAITING_APPROVAL, {"unchanged": 2})


def test_an_old_file_does_not_bring_a_deleted_member_back(world: World) -> None:
    """A deleted member stays deleted, whether the deletion came before the plan or after it."""
    gone, later = (enrolled(world, name, Grade="Senior") for name in ("gone", "later"))
    lines = [row_of(world, member_id, roles="Mentor; Mentee") for member_id in (gone, later)]
    tell_of(world, "gone", Kind.DELETED, 60)
    plan = plan_file(world, UploadKind.MEMBERS, MEMBERS_HEADER, *lines)
    assert plan.counts == {"deleted": 1, "edit": 1}
    tell_of(world, "later", Kind.DELETED, 60)
    approval.approve(plan.hub_id, plan.plan_id, plan.hash, admin_of(world))
    drain(world)
    assert current(plan).counts == {"deleted": 2}
    assert {world.shown(gone)["status"], world.shown(later)["status"]} == {"deleted"}


def test_an_upload_can_be_posted_with_what_presigning_gives(world: World) -> None:
    """The presigned form names the one key of the upload, whatever its name, and limits the size."""
    name = "../näher + 久美子.csv"
    upload = uploads.create_upload(world.hub.hub_id, UploadKind.MEMBERS, name, admin_of(world), now())
    form = uploads.presign(upload)
    assert form["key"] == form["fields"]["key"] == upload.key
    assert upload.key == f"uploads/{world.hub.hub_id}/members/{upload.upload_id}/näher + 久美子.csv"
    assert uploads.list_uploads(world.hub.hub_id, limit=5)[0] == [upload]


def test_outbox_mail_of_a_plan_goes_once(world: World) -> None:
    """A plan that is finished twice tells its admin once."""
    plan = plan_file(world, UploadKind.INVITES, HEADER, "new@example.com,,,Mentee,,")
    drain(world)
    applying._finish(replace(current(plan), state=PlanState.APPLYING))
    reports = [mail for mail in everything("MAIL_TABLE") if mail["kind"] == "plan_report"]
    assert len(reports) == 1
    assert outbox.get(world.hub.hub_id, reports[0]["mail_id"]) is not None
    assert people.get_address(world.hub.hub_id, world.address_id("new@example.com")).rev == 0


# --- the data mapping table ------------------------------------------------------------------------------------------

SHEET = ",HRIS field,HRIS attribute,,Hub type,Hub field,Hub attribute,Visibility"


def test_a_new_table_is_previewed_then_published_and_recomputes_members(world: World) -> None:
    """The plan shows rules and members old → new; approved, roles and options exist and members follow the table."""
    maya = enrolled(world, "maya", Office="London", Grade="Senior")
    ana = enrolled(world, "ana", Office="Toronto", Grade="Junior")
    plan = plan_file(
        world,
        UploadKind.MAPPING,
        SHEET,
        ",Office,London,,Segment,Location,Greater London,Private",
        ",Office,Toronto,,Segment,Location,Toronto,Private",
        ",Grade,Senior,,Role,,Sponsor,",
        ",Grade,Junior,,Role,,Mentee,",
        ",Team,*,,Segment,Team,Blue,",
    )
    assert (plan.state, plan.faults) == (PlanState.AWAITING_APPROVAL, ())
    assert plan.counts == {
        "role_new": 1,
        "segment_new": 1,
        "option_new": 1,
        "visibility_changed": 1,
        "rule_new": 1,
        "rule_changed": 2,
        "rule_gone": 2,
        "recompute": 1,
        "unchanged": 1,
    }
    (shown,) = [change for change in changes_of(plan) if change.outcome == "recompute"]
    assert [(edit.field, edit.old, edit.new) for edit in shown.edits] == [
        ("roles", ("Mentor",), ("Sponsor",)),
        ("Location", ("London",), ("Greater London",)),
    ]
    assert context.load(world.hub.hub_id).table.version == 1
    late = enrolled(world, "late", Office="London", Grade="Senior")
    approval.approve(plan.hub_id, plan.plan_id, plan.hash, admin_of(world))
    drain(world)
    drain(world)
    plan = current(plan)
    assert plan.state is PlanState.APPLIED
    assert (plan.counts["applied"], plan.counts["unchanged"], plan.parts_done) == (1, 1, plan.parts)
    ctx = context.load(world.hub.hub_id)
    assert ctx.table.version == 2
    sponsor, location = ctx.catalogue.role("Sponsor"), ctx.catalogue.segment("Location")
    assert sponsor is not None
    assert location is not None
    assert str(location.visibility) == "private"
    greater = location.option("Greater London")
    assert greater is not None
    for member_id in (maya, late):
        assert world.shown(member_id)["roles"] == [sponsor.role_id]
        assert world.shown(member_id)["segments"] == {"location": [greater.option_id]}
    assert world.shown(ana)["roles"] == ["mentee"]


def test_a_sheet_with_faults_names_every_cell_and_changes_nothing(world: World) -> None:
    """All faults of the sheet are on the plan and the upload, and the published table stays."""
    plan = plan_file(
        world, UploadKind.MAPPING, SHEET, ",Office,,,Segment,Location,London,", ",Grade,Senior,,Rolle,,Mentor,Publik"
    )
    assert plan.state is PlanState.FAILED
    assert [fault.place for fault in plan.faults] == ["C2", "E3", "H3"]
    assert context.load(world.hub.hub_id).table.version == 1


def test_a_table_that_another_one_overtook_fails_as_superseded(world: World) -> None:
    """Of two plans from one table the second to be approved fails, with a sentence, and publishes nothing."""
    one = plan_file(world, UploadKind.MAPPING, SHEET, ",Grade,Senior,,Role,,Mentor,")
    other = plan_file(world, UploadKind.MAPPING, SHEET, ",Grade,Senior,,Role,,Mentee,")
    for plan in (one, other):
        approval.approve(plan.hub_id, plan.plan_id, plan.hash, admin_of(world))
        drain(world)
    drain(world)
    assert current(one).state is PlanState.APPLIED
    assert current(other).state is PlanState.FAILED
    assert "Another table" in current(other).detail
    table = context.load(world.hub.hub_id).table
    assert (table.version, len(table.rules)) == (2, 1)
    assert table.rules[0].target == RoleTarget("mentor")


def test_a_sheet_with_more_options_than_a_segment_takes_is_refused(world: World) -> None:
    """Too many options, or too long ones, fail the plan with a sentence before anybody can approve it."""
    many = [f",Dept,D{n},,Segment,Department,Number {n},Public" for n in range(5_001)]
    long = [f",Dept,D{n},,Segment,Department,{n} {'x' * 180},Public" for n in range(1_500)]
    for rows, code in ((many, "too_many_options"), (long, "too_large_to_store")):
        plan = plan_file(world, UploadKind.MAPPING, SHEET, *rows)
        assert (plan.state, [fault.code for fault in plan.faults]) == (PlanState.FAILED, [code])
        assert "Department" in plan.faults[0].detail


def test_a_table_whose_segment_was_filled_meanwhile_fails_and_is_not_stuck(world: World) -> None:
    """What fitted when it was planned and does not any more ends as failed, with a sentence, and publishes nothing."""
    rows = [f",Dept,D{n},,Segment,Location,{n} {'x' * 150},Public" for n in range(900)]
    plan = plan_file(world, UploadKind.MAPPING, SHEET, *rows)
    assert plan.state is PlanState.AWAITING_APPROVAL
    ctx = context.load(world.hub.hub_id)
    location = ctx.catalogue.segments_by_id["location"]
    options = (*location.options, *(Option(f"o{n}", f"{n} {'y' * 150}") for n in range(900)))
    segments.change_catalogue(plan.hub_id, ctx.catalogue_version, [], [replace(location, options=options)])
    approval.approve(plan.hub_id, plan.plan_id, plan.hash, admin_of(world))
    drain(world)
    assert (current(plan).state, "Location" in current(plan).detail) == (PlanState.FAILED, True)
    assert context.load(world.hub.hub_id).table.version == 1


def test_a_row_that_makes_a_member_too_large_is_an_error(world: World) -> None:
    """A file that says more of a member than can be kept is told so row by row, before it is approved."""
    member_id = enrolled(world, "maya", Grade="Senior")
    names = [f"profile: note {n}" for n in range(60)]
    row = ",".join([member_id, *("x" * 1500 for _ in names)])
    plan = plan_file(world, UploadKind.MEMBERS, ",".join(["ref", *names]), row)
    assert plan.counts == {"error": 1}
    assert changes_of(plan)[0].reason == "too_large_to_store"
