from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest

from rollcall.exports import store as exports
from rollcall.invitations import store as invitations
from rollcall.invitations.model import Invitation, InvitationStatus
from rollcall.mail import store as outbox
from rollcall.mail.model import Kind, Mail, State
from rollcall.people import store as people
from rollcall.people.model import Address
from rollcall.plans import store as plans
from rollcall.plans.model import Change, Edit, Plan, PlanKind, PlanState
from rollcall.plans.parts import part_key, to_lines
from rollcall.runtime import clients, dynamo
from rollcall.runtime.ids import digest, new_id
from rollcall.runtime.settings import env
from rollcall.runtime.times import now, to_text
from rollcall.uploads import store as uploads
from rollcall.uploads.model import UploadKind
from tests.support.admin import Answer, call, claims_of
from tests.support.world import World


@pytest.fixture
def world(aws: None) -> World:
    return World().build()


def ask(world: World, method: str, path: str, body: object = None, *, role: str = "admin", **more: Any) -> Answer:
    return call(method, f"/hubs/{world.hub.hub_id}{path}", claims_of(f"{world.hub.hub_id}:{role}"), body, **more)


def waiting(queue: str) -> list[dict[str, Any]]:
    found = clients.sqs().receive_message(QueueUrl=env(queue), MaxNumberOfMessages=10).get("Messages", [])
    return [json.loads(message["Body"]) for message in found]


def invited(world: World, **more: Any) -> Invitation:
    address_id = world.address_id("maya.okafor@example.com")
    invitation = Invitation(
        address_id=address_id,
        epoch=1,
        status=InvitationStatus.SENT,
        email="maya.okafor@example.com",
        first_name="Maya",
        created_at=to_text(now()),
        expires_at=to_text(now() + timedelta(days=14)),
    )
    invitation = replace(invitation, **more)
    dynamo.write([invitations.put_invitation(world.hub.hub_id, invitation)])
    return invitation


def planned(world: World, **more: Any) -> Plan:
    hub_id = world.hub.hub_id
    admin = claims_of()
    plan = Plan(
        plan_id=digest("plan", new_id()),
        hub_id=hub_id,
        kind=PlanKind.MEMBER_EDITS,
        state=PlanState.AWAITING_APPROVAL,
        upload_id=new_id(),
        created_by=admin["sub"],
        email="",
        created_at=to_text(now()),
        hash="a" * 64,
        counts={"edit": 1},
        parts=1,
        total=1,
        expires_at=to_text(now() + timedelta(days=7)),
    )
    return plans.create_plan(replace(plan, **more))


# --- roles, segments, mapping


def test_new_role_and_segment_are_listed_and_doubles_refused(world: World) -> None:
    """Names are compared without regard to spelling."""
    assert ask(world, "POST", "/roles", {"label": "Sponsor"}, role="mapper").status == 201
    again = ask(world, "POST", "/roles", {"label": " sponsor "})
    assert (again.status, again.json["code"]) == (409, "name_taken")
    body = {"name": "Team", "multi": True, "visibility": "hidden", "options": ["Red", "red", " ", "Blue"]}
    made = ask(world, "POST", "/segments", body)
    assert [option["label"] for option in made.json["options"]] == ["Red", "Blue"]
    assert [role["label"] for role in ask(world, "GET", "/roles").json["items"]] == ["Mentor", "Mentee", "Sponsor"]
    assert "Team" in [segment["name"] for segment in ask(world, "GET", "/segments").json["items"]]
    assert "Team" not in ask(world, "GET", "/segments", role="mapper").text


@pytest.mark.parametrize("name", ["E-Mail", "email", "Roles", "profile: x"])
def test_segment_cannot_take_the_name_of_a_column_of_ours(world: World, name: str) -> None:
    """The files have columns of their own; a segment of that name, however people write it, would have none."""
    refused = ask(world, "POST", "/segments", {"name": name})
    assert (refused.status, refused.json["faults"][0]["code"]) == (400, "reserved_name")
    assert ask(world, "POST", "/segments", {"name": "Mailing list"}).status == 201


@pytest.mark.parametrize(
    "sent",
    [
        {"raw": "Paris\r\nlondon\r\n\r\nParís\r\n".encode(), "headers": {"content-type": "text/plain; charset=utf-8"}},
        {"body": {"options": ["Paris", "london", "", "París"]}},
    ],
    ids=["pasted", "json"],
)
def test_pasted_column_becomes_options_without_doubles(world: World, sent: dict[str, Any]) -> None:
    """The answer says what was added, what was a duplicate of what, and what looks alike."""
    answer = ask(world, "POST", "/segments/location/options", **sent)
    assert answer.status == 200
    assert [option["label"] for option in answer.json["added"]] == ["Paris", "París"]
    assert answer.json["duplicates"] == [{"given": "london", "same_as": "London"}]
    assert answer.json["similar"] == [{"given": "París", "near": "Paris"}]
    again = ask(world, "POST", "/segments/location/options", **sent)
    assert again.json["added"] == []


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({"body": {"options": [1]}}, 400),
        ({"body": {}}, 400),
        ({"raw": b"\xff\xfe", "headers": {"content-type": "text/plain"}}, 400),
        ({"raw": b"a\tb\n", "headers": {"content-type": "text/plain"}}, 400),
        ({"raw": b"<x/>", "headers": {"content-type": "text/xml"}}, 415),
    ],
)
def test_options_that_cannot_be_read_are_refused(world: World, sent: dict[str, Any], status: int) -> None:
    """Nothing is added by a body that is not a column."""
    assert ask(world, "POST", "/segments/location/options", **sent).status == status


def test_mapping_is_shown_in_words_and_without_what_is_hidden(world: World) -> None:
    """Rules name fields, values, roles, segments and options as the spreadsheet does."""
    table = ask(world, "GET", "/mapping").json
    assert table["version"] == 1
    rules = {(r["field"], r["value"]): (r["hub_type"], r["hub_field"], r["hub_attribute"]) for r in table["rules"]}
    assert rules["Office", "London"] == ("Segment", "Location", "London")
    assert rules["Grade", "Senior"] == ("Role", "", "Mentor")
    assert rules["Languages", "*"] == ("Segment", "Languages", "*")
    assert rules["Job title", "*"] == ("Profile field", "Job title", "*")
    assert "Languages" not in ask(world, "GET", "/mapping", role="viewer").text


# --- exports, uploads


def test_export_is_accepted_stored_and_put_on_the_queue(world: World) -> None:
    """The answer names the job; the job knows who asked and what they may see."""
    answer = ask(world, "POST", "/exports", {"kind": "invites"}, role="inviter")
    assert (answer.status, answer.json["state"]) == (202, "queued")
    export_id = answer.json["export_id"]
    assert answer.headers["location"] == f"/hubs/{world.hub.hub_id}/exports/{export_id}"
    assert waiting("EXPORTS_QUEUE_URL") == [{"hub_id": world.hub.hub_id, "export_id": export_id}]
    export = exports.get(world.hub.hub_id, export_id)
    assert export is not None
    assert (export.email, sorted(export.permissions)) == ("ada.admin@example.com", ["invite", "view"])
    assert ask(world, "GET", f"/exports/{export_id}/file").json["code"] == "not_ready"


def test_file_of_an_export_is_for_those_who_may_see_as_much(world: World) -> None:
    """An inviter cannot download what an admin exported; each download is written down with its admin."""
    export_id = ask(world, "POST", "/exports", {"kind": "members"}).json["export_id"]
    export = exports.get(world.hub.hub_id, export_id)
    assert export is not None
    exports.finish(export, f"exports/{world.hub.hub_id}/{export_id}/members.csv", 3, to_text(now()))
    path = f"/exports/{export_id}/file"
    assert ask(world, "GET", path, role="inviter").status == 403
    assert ask(world, "GET", path, role="mapper").status == 403
    answer = ask(world, "GET", path)
    assert answer.status == 302
    assert "X-Amz-Expires=60" in answer.headers["location"]
    written = dynamo.query(
        "PLANS_TABLE", exports.pk(world.hub.hub_id, export_id), condition="begins_with(#sk, :d)", values={"d": "D#"}
    ).items
    assert [item["by"] for item in written] == ["subject-of-ada"]


def test_file_of_an_export_is_gone_after_seven_days_and_the_answer_says_what_to_do(world: World) -> None:
    """Until the end of the seventh day it is there; the allowed values go with it."""
    export_id = ask(world, "POST", "/exports", {"kind": "invites", "only_new": True}).json["export_id"]
    export = exports.get(world.hub.hub_id, export_id)
    assert export is not None
    assert export.wanted.is_new
    done_at = now() - timedelta(days=7, seconds=1)
    exports.finish(export, "exports/x/invites.csv", 3, to_text(done_at), values_key="exports/x/allowed-values.csv")
    for path in ("file", "values"):
        answer = ask(world, "GET", f"/exports/{export_id}/{path}")
        assert (answer.status, answer.json["code"]) == (409, "expired")
        assert "new export" in answer.json["detail"]
        with patch("rollcall.exports.api.now", lambda: done_at + timedelta(days=6, hours=23)):
            assert ask(world, "GET", f"/exports/{export_id}/{path}").status == 302
    assert ask(world, "GET", f"/exports/{export_id}").json["expires_at"] == to_text(done_at + timedelta(days=7))


def test_invite_file_by_hris_values_is_for_those_who_see_them(world: World) -> None:
    """Else the rows would tell who has which value; other files take no such filter."""
    asked = {"kind": "invites", "attributes": {"Grade": ["Senior"]}}
    assert ask(world, "POST", "/exports", asked).status == 202
    refused = ask(world, "POST", "/exports", asked, role="inviter")
    assert (refused.status, refused.json["faults"][0]["code"]) == (400, "not_yours")
    assert (
        ask(world, "POST", "/exports", {"kind": "members", "everybody": True}).json["faults"][0]["code"] == "not_here"
    )


def test_mapper_exports_the_mapping_and_no_people(world: World) -> None:
    """Files with people in them need the permission to invite."""
    assert ask(world, "POST", "/exports", {"kind": "mapping"}, role="mapper").status == 202
    assert ask(world, "POST", "/exports", {"kind": "members"}, role="mapper").status == 403


def test_upload_is_announced_with_a_form_for_one_key(world: World) -> None:
    """The form fixes the key; the file name keeps its script and loses its path."""
    body = {"kind": "invites", "filename": "../Łódź + größe.csv"}
    answer = ask(world, "POST", "/uploads", body, role="inviter")
    assert answer.status == 202
    upload_id = answer.json["upload_id"]
    start = f"uploads/{world.hub.hub_id}/invites/{upload_id}/"
    assert answer.json["key"].startswith(start)
    assert "/" not in answer.json["key"].removeprefix(start)
    assert answer.json["fields"]["key"] == answer.json["key"]
    read = ask(world, "GET", f"/uploads/{upload_id}").json
    assert (read["state"], read["plan_id"], read["kind"]) == ("waiting", None, "invites")
    assert [upload["upload_id"] for upload in ask(world, "GET", "/uploads").json["items"]] == [upload_id]


def test_mapping_upload_needs_the_mapper_and_the_others_the_inviter(world: World) -> None:
    """The kind of the file decides which permission is asked for."""
    for kind, role, status in [
        ("mapping", "mapper", 202),
        ("mapping", "inviter", 403),
        ("invites", "mapper", 403),
        ("members", "inviter", 202),
    ]:
        assert ask(world, "POST", "/uploads", {"kind": kind, "filename": "f.csv"}, role=role).status == status


# --- plans


def test_plan_is_approved_by_its_hash_only(world: World) -> None:
    """A hash that is not the plan's is refused; the right one starts the work."""
    plan = planned(world)
    path = f"/plans/{plan.plan_id}"
    shown = ask(world, "GET", path, role="viewer").json
    assert (shown["state"], shown["progress"]) == ("awaiting_approval", {"done": 0, "total": 1})
    stale = ask(world, "POST", f"{path}/approve", {"hash": "b" * 64})
    assert (stale.status, stale.json["code"]) == (409, "stale_hash")
    assert waiting("PLAN_PARTS_QUEUE_URL") == []
    answer = ask(world, "POST", f"{path}/approve", {"hash": shown["hash"]})
    assert (answer.status, answer.json["state"]) == (202, "applying")
    assert waiting("PLAN_PARTS_QUEUE_URL") == [{"hub_id": world.hub.hub_id, "plan_id": plan.plan_id, "part": 0}]


def test_rejected_plan_cannot_be_approved(world: World) -> None:
    """What was turned down stays so."""
    plan = planned(world)
    path = f"/plans/{plan.plan_id}"
    assert ask(world, "POST", f"{path}/reject", {"reason": "wrong file"}).json["state"] == "rejected"
    assert ask(world, "POST", f"{path}/approve", {"hash": plan.hash}).status == 409
    assert [found["plan_id"] for found in ask(world, "GET", "/plans").json["items"]] == [plan.plan_id]


def test_changes_of_a_plan_show_only_what_the_caller_may_see(world: World) -> None:
    """A viewer sees that somebody changes, not the value of a private segment."""
    world.tell(world.event("added", 0, fields={"email": "maya.okafor@example.com"}))
    plan, member_id = planned(world), world.enrol(roles=("mentor",))
    edits = (
        Edit("status", ("inactive",), ("active",), "status"),
        Edit("Languages", ("English",), ("French",), "segment:languages"),
        Edit("Job title", (), ("Lead",), "profile:Job title"),
    )
    change = Change(row=2, outcome="edit", kind="member", subject=member_id, edits=edits, id="00001-0001", todo=True)
    key = part_key(world.hub.hub_id, plan.plan_id, 1)
    clients.s3().put_object(Bucket=env("FILES_BUCKET"), Key=key, Body=to_lines([change]))
    path = f"/plans/{plan.plan_id}/changes"
    fields = {
        role: [edit["field"] for edit in ask(world, "GET", path, role=role).json["items"][0]["edits"]]
        for role in ("viewer", "approver")
    }
    assert fields == {"viewer": ["status"], "approver": ["status", "Languages", "Job title"]}


def test_report_is_for_those_who_may_see_as_much_as_the_uploader(world: World) -> None:
    """The report repeats the uploaded rows, hidden columns included."""
    made = ask(world, "POST", "/uploads", {"kind": "members", "filename": "m.csv"}).json
    upload = uploads.get_upload(world.hub.hub_id, made["upload_id"])
    assert upload is not None
    assert upload.kind is UploadKind.MEMBERS
    path = f"/plans/{planned(world, permissions=upload.permissions, state=PlanState.APPLIED).plan_id}/report"
    assert ask(world, "GET", path, role="viewer").status == 403
    assert ask(world, "GET", path).status == 302
    early = planned(world, permissions=upload.permissions)
    assert ask(world, "GET", f"/plans/{early.plan_id}/report").json["code"] == "not_ready"


# --- invitations


def test_invitation_is_sent_again_at_most_three_times_in_all(world: World) -> None:
    """Two more mails after the first; then it is refused. Each mail is stored and put on the queue."""
    invitation = invited(world)
    hub_id = world.hub.hub_id
    path = f"/invitations/{invitation.address_id}/resend"
    for number in (2, 3):
        answer = ask(world, "POST", path, role="inviter")
        assert (answer.status, answer.json["mails"]) == (202, number)
        (pointer,) = waiting("EMAILS_QUEUE_URL")
        mail = outbox.get(hub_id, pointer["mail_id"])
        assert mail is not None
        assert (mail.to, mail.invitation_epoch) == ("maya.okafor@example.com", 1)
        outbox.mark_failed(mail, "test")
    last = ask(world, "POST", path)
    assert (last.status, last.json["code"]) == (409, "too_many_mails")


def test_pressing_resend_twice_makes_one_mail(world: World) -> None:
    """While a mail waits to be sent, no other is made."""
    invitation = invited(world)
    path = f"/invitations/{invitation.address_id}/resend"
    assert [ask(world, "POST", path).json["mails"] for _ in range(2)] == [2, 2]


@pytest.mark.parametrize("status", ["accepted", "declined", "bounced", "withdrawn"])
def test_invitation_that_is_over_is_neither_sent_nor_revoked(world: World, status: str) -> None:
    """Only open invitations can be changed."""
    invitation = invited(world, status=InvitationStatus(status))
    for verb in ("resend", "revoke"):
        answer = ask(world, "POST", f"/invitations/{invitation.address_id}/{verb}")
        assert (answer.status, answer.json["code"]) == (409, "not_open")


def test_expired_invitation_is_shown_so_and_not_sent(world: World) -> None:
    """Also before a sweep has said so."""
    invitation = invited(world, expires_at="2026-01-01T00:00:00.000Z")
    assert ask(world, "GET", "/invitations").json["items"][0]["status"] == "expired"
    assert ask(world, "POST", f"/invitations/{invitation.address_id}/resend").status == 409


def test_suppressed_address_gets_no_other_mail(world: World) -> None:
    """Mail that bounced is not tried again."""
    invitation = invited(world)
    address = Address(invitation.address_id, suppressed="bounced")
    dynamo.write([people.put_address(world.hub.hub_id, address)])
    answer = ask(world, "POST", f"/invitations/{invitation.address_id}/resend")
    assert (answer.status, answer.json["code"]) == (409, "address_barred")


def test_revoked_invitation_stays_revoked(world: World) -> None:
    """Revoking twice is revoking once; the filter finds it, and the activity says who did it."""
    invitation = invited(world)
    path = f"/invitations/{invitation.address_id}/revoke"
    assert [ask(world, "POST", path, role="inviter").json["status"] for _ in range(2)] == ["revoked", "revoked"]
    stored = invitations.get_invitation(world.hub.hub_id, invitation.address_id)
    assert stored is not None
    assert stored.rev == 2
    assert len(ask(world, "GET", "/invitations", query={"status": "revoked"}).json["items"]) == 1
    assert ask(world, "GET", "/invitations", query={"status": "sent"}).json["items"] == []
    (entry,) = ask(world, "GET", "/activity", query={"kind": "invitation_revoked"}).json["items"]
    assert (entry["field"], entry["old"], entry["new"]) == ("invitation", "sent", "revoked")
    assert entry["actor"] == "subject-of-ada"


def test_first_mail_of_the_bulk_invite_counts_as_on_its_way(world: World) -> None:
    """The ids of mails follow from address, epoch and number, as the bulk invite makes them."""
    hub_id = world.hub.hub_id
    invitation = invited(world, status=InvitationStatus.QUEUED)
    mail = Mail(
        mail_id=digest("invitation", hub_id, invitation.address_id, "1", "1"),
        hub_id=hub_id,
        kind=Kind.INVITATION,
        to=invitation.email,
        language="en",
        not_before=now(),
        address_id=invitation.address_id,
        invitation_epoch=1,
    )
    dynamo.write([outbox.put_action(mail)])
    assert ask(world, "POST", f"/invitations/{invitation.address_id}/resend").json["mails"] == 1
    assert waiting("EMAILS_QUEUE_URL") == [{"hub_id": hub_id, "mail_id": mail.mail_id}]
    stored = outbox.get(hub_id, mail.mail_id)
    assert stored is not None
    assert stored.state is State.PENDING
