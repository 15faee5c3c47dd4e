"""Who sees what through the API: deleted people nowhere, private and hidden things only those who may."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from typing import Any

import pytest
from botocore.exceptions import ClientError

from rollcall.activity.record import record_change
from rollcall.activity.store import put_entries
from rollcall.exports.mapping import as_workbook, rows_of_table
from rollcall.hubs import context
from rollcall.hubs.model import PERMISSIONS, Admin
from rollcall.invitations.model import Invitation, InvitationStatus
from rollcall.invitations.store import put_invitation
from rollcall.mapping.sheet import write_sheet
from rollcall.people.events import Kind
from rollcall.plans import applying, planning, store
from rollcall.plans.model import Change, Edit, Plan, PlanState
from rollcall.plans.parts import part_key, to_lines
from rollcall.runtime import clients, dynamo
from rollcall.runtime.settings import env
from rollcall.runtime.times import now, to_text
from rollcall.segments import store as segments
from rollcall.segments.model import Option, Segment, Visibility
from rollcall.uploads import store as uploads
from rollcall.uploads.model import UploadKind
from tests.support.admin import Answer, call, claims_of
from tests.support.world import World, everything

MAIL = "maya.okafor@example.com"
FIELDS = {"email": MAIL, "first_name": "Maya", "last_name": "Okafor"}
SHEET = ",HRIS field,HRIS attribute,,Hub type,Hub field,Hub attribute,Visibility"
INVITES = "email,first_name,last_name,role,Location,Languages,HRIS: Salary band"


@pytest.fixture
def world(aws: None) -> World:
    return World().build()


def ask(world: World, path: str, role: str = "admin", method: str = "GET", body: object = None, **more: Any) -> Answer:
    return call(method, f"/hubs/{world.hub.hub_id}{path}", claims_of(f"{world.hub.hub_id}:{role}"), body, **more)


def planned(world: World, kind: UploadKind, *lines: str, role: str = "admin") -> Plan:
    """Let an admin of this role upload a file, and plan it."""
    admin = Admin("subject", "ada.admin@example.com", frozenset({f"{world.hub.hub_id}:{role}"}))
    upload = uploads.create_upload(world.hub.hub_id, kind, "file.csv", admin, now())
    clients.s3().put_object(Bucket=env("FILES_BUCKET"), Key=upload.key, Body=("\n".join(lines) + "\n").encode())
    return current(planning.plan_upload(upload, ""))


def current(plan: Plan) -> Plan:
    found = store.get_plan(plan.hub_id, plan.plan_id)
    assert found is not None
    return found


def drain() -> None:
    """Work off the plan-parts queue, as the function does."""
    while messages := clients.sqs().receive_message(QueueUrl=env("PLAN_PARTS_QUEUE_URL")).get("Messages", []):
        for message in messages:
            applying.handle_pointer(json.loads(message["Body"]))
            clients.sqs().delete_message(QueueUrl=env("PLAN_PARTS_QUEUE_URL"), ReceiptHandle=message["ReceiptHandle"])


def hide(world: World) -> None:
    """Add a hidden segment with a rule of its own."""
    version = context.load(world.hub.hub_id).catalogue_version
    hidden = Segment("risk", "At risk", Visibility.HIDDEN, options=(Option("yes", "Yes please"),), order=9)
    segments.change_catalogue(world.hub.hub_id, version, [], [hidden])
    plan = planned(world, UploadKind.MAPPING, SHEET, *OPEN_RULES, HIDDEN_RULE)
    approve(world, plan)


OPEN_RULES = (
    ",Office,London,,Segment,Location,London,Public",
    ",Grade,Senior,,Role,,Mentor,",
    ",Languages,*,,Segment,Languages,*,Private",
)
HIDDEN_RULE = ",Health,Poor,,Segment,At risk,Yes please,Hidden"


def approve(world: World, plan: Plan) -> None:
    assert ask(world, f"/plans/{plan.plan_id}/approve", method="POST", body={"hash": plan.hash}).status == 202
    drain()
    assert current(plan).state is PlanState.APPLIED


def changes(world: World, plan: Plan, role: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ask(world, f"/plans/{plan.plan_id}/changes", role).json["items"]
    return found


def rules(world: World) -> set[tuple[str, str, str]]:
    shown = ask(world, "/mapping").json["rules"]
    return {(rule["field"], rule["hub_field"], rule["hub_attribute"]) for rule in shown}


# --- deleted people


def invite(world: World, **more: Any) -> None:
    stood = {"status": InvitationStatus.SENT, "email": MAIL, "first_name": "Maya", "last_name": "Okafor"}
    times = {"created_at": to_text(now()), "expires_at": to_text(now().replace(year=2999))}
    invitation = Invitation(**{"address_id": world.address_id(MAIL), "epoch": 1, **stood, **times, **more})
    dynamo.write([put_invitation(world.hub.hub_id, invitation)])


def record_activity(world: World) -> None:
    """Record what the streams of members and persons would have."""
    for item in everything("MEMBERS_TABLE") + everything("PEOPLE_TABLE"):
        put_entries(record_change("change", None, item))


def seen(world: World, path: str) -> str:
    return "".join(ask(world, path, role).text for role in ("viewer", "admin"))


@pytest.mark.parametrize("who", ["member", "invited", "moved away"])
def test_invitation_of_somebody_deleted_is_in_no_answer(world: World, who: str) -> None:
    """It is in no list, and can be neither sent again nor revoked; invitations of others stay."""
    world.tell(world.event("added", 0, Kind.ADDED, fields=FIELDS))
    match who:
        case "member":
            invite(world, status=InvitationStatus.ACCEPTED, member_id=world.enrol(roles=("mentor",)))
        case "invited":
            invite(world)
        case _:
            invite(world, person_id=world.person_id())
            world.tell(world.event("moved", 1, fields={"email": "elsewhere@example.com"}))
    other = world.address_id("other@example.com")
    invite(world, address_id=other, email="other@example.com")
    assert MAIL in seen(world, "/invitations")
    world.tell(world.event("deleted", 5, Kind.DELETED))
    listed = ask(world, "/invitations").json["items"]
    assert [found["invitation_id"] for found in listed] == [other]
    for action in ("resend", "revoke"):
        path = f"/invitations/{world.address_id(MAIL)}/{action}"
        assert ask(world, path, method="POST").status == 404


def test_event_of_somebody_deleted_says_nothing_of_them(world: World) -> None:
    """What it did stays to be read; values, external id and changes do not."""
    event = world.event("added", 0, Kind.ADDED, fields=FIELDS, attributes={"Office": "London"})
    world.tell(event)
    record_activity(world)
    world.enrol(roles=("mentor",))
    path = f"/events/{event.event_id}"
    assert ask(world, path, "viewer").json["fields"] == FIELDS
    assert ask(world, path).json["changes"]
    world.tell(world.event("deleted", 5, Kind.DELETED))
    answer = ask(world, path).json
    assert (answer["state"], answer["kind"]) == ("applied", "added")
    assert (answer["external_id"], answer["fields"], answer["attributes"], answer["changes"]) == (None, {}, {}, [])


def test_activity_of_somebody_deleted_says_only_that_they_were_deleted(world: World) -> None:
    """Names and addresses of members and persons are gone from it at once."""
    world.tell(world.event("added", 0, Kind.ADDED, fields=FIELDS))
    world.enrol(roles=("mentor",))
    record_activity(world)
    assert MAIL in seen(world, "/activity")
    before = {item["pk"]: item for item in everything("MEMBERS_TABLE")}
    world.tell(world.event("deleted", 5, Kind.DELETED))
    for item in everything("MEMBERS_TABLE"):
        put_entries(record_change("deletion", before[item["pk"]], item))
    assert MAIL not in seen(world, "/activity")
    kinds = [(entry["kind"], entry["new"]) for entry in ask(world, "/activity").json["items"]]
    assert kinds == [("member_deleted", "deleted")]


@pytest.mark.parametrize("kind", ["member", "invitation"])
def test_change_of_somebody_deleted_shows_no_values(world: World, kind: str) -> None:
    """A plan that was read before somebody was deleted names nothing of them after."""
    world.tell(world.event("added", 0, Kind.ADDED, fields=FIELDS))
    member_id = world.enrol(roles=("mentor",))
    subject = {"member": member_id, "invitation": world.address_id(MAIL)}[kind]
    plan = planned(world, UploadKind.INVITES, INVITES, "x@example.com,X,Y,Mentee,,,")
    edits = (Edit("first_name", ("Maya",), ()),)
    change = Change(2, "edit", detail="Maya it was", kind=kind, subject=subject, edits=edits, id="00001-0001")
    key = part_key(world.hub.hub_id, plan.plan_id, 1)
    clients.s3().put_object(Bucket=env("FILES_BUCKET"), Key=key, Body=to_lines([change]))
    assert "Maya it was" in json.dumps(changes(world, plan, "admin"))
    world.tell(world.event("deleted", 5, Kind.DELETED))
    (shown,) = changes(world, plan, "admin")
    assert (shown["outcome"], shown["edits"], shown["detail"]) == ("edit", [], "")


# --- HRIS values


def test_viewer_sees_name_and_address_of_a_person_and_no_other_field(world: World) -> None:
    """A coming departure is for those who may see private things, in events as in the activity."""
    event = world.event("added", 0, Kind.ADDED, fields=FIELDS | {"end_date": "2026-12-31"})
    world.tell(event)
    (item,) = [item for item in everything("PEOPLE_TABLE") if "#P#" in item["pk"]]
    earlier = {**item, "f": {**item["f"], "end_date": ["2026-06-30", 0]}}
    put_entries(record_change("change", earlier, item))
    for path in (f"/events/{event.event_id}", "/activity"):
        assert "2026-12-31" in ask(world, path, "approver").text
        assert "2026-12-31" not in ask(world, path, "viewer").text
    assert ask(world, f"/events/{event.event_id}", "viewer").json["fields"] == FIELDS


def test_new_member_and_person_show_private_fields_to_those_who_may_see_them(world: World) -> None:
    """An event says what it made: labels in place of ids, and nothing private to a viewer."""
    said = {"Office": "London", "Languages": "French", "Job title": "Lead"}
    event = world.event("added", 0, Kind.ADDED, fields=FIELDS | {"end_date": "2026-12-31"}, attributes=said)
    world.tell(event)
    world.enrol(roles=("mentor",))
    for item in everything("MEMBERS_TABLE") + everything("PEOPLE_TABLE"):
        put_entries(
            record_change("change", None, {**item, "cause": f"event:{event.event_id}", "changed_at": to_text(now())})
        )

    def made(role: str) -> dict[str, Any]:
        found = ask(world, f"/events/{event.event_id}", role).json["changes"]
        return {entry["field"]: entry["new"] for entry in found}

    seen_by_admin, seen_by_viewer = made("admin"), made("viewer")
    assert seen_by_admin["person"] == {"status": "active", **FIELDS, "end_date": "2026-12-31"}
    assert seen_by_viewer["person"] == {"status": "active", **FIELDS}
    member = {"status": "active", "status_reason": "", **FIELDS, "roles": ["Mentor"]}
    private = {"segments": {"Location": ["London"], "Languages": ["French"]}, "profile": {"Job title": "Lead"}}
    assert seen_by_admin["member"] == {**member, **private}
    assert seen_by_viewer["member"] == {**member, "segments": {"Location": ["London"]}}


def test_report_of_an_invites_file_is_for_those_who_may_see_as_much_as_the_uploader(world: World) -> None:
    """It repeats the columns of the file, private segments and HRIS values among them."""
    plan = planned(world, UploadKind.INVITES, INVITES, "x@example.com,X,Y,Mentee,London,English,Band 9")
    drain()
    path = f"/plans/{plan.plan_id}/report"
    assert {role: ask(world, path, role).status for role in ("viewer", "approver", "admin")} == {
        "viewer": 403,
        "approver": 403,
        "admin": 302,
    }
    own = planned(world, UploadKind.INVITES, INVITES, "z@example.com,X,Y,Mentee,London,,", role="inviter")
    drain()
    assert ask(world, f"/plans/{own.plan_id}/report", "inviter").status == 302


def test_details_of_a_plan_are_for_those_who_may_see_as_much_as_the_uploader(world: World) -> None:
    """They repeat what was in the file and name options that come near; the reason stays for everybody."""
    plan = planned(world, UploadKind.INVITES, INVITES, "x@example.com,X,Y,Mentee,London,Englisch,")
    (shown,) = changes(world, plan, "viewer")
    assert (shown["outcome"], shown["reason"], shown["detail"]) == ("error", "unknown_option", "")
    assert "English" in changes(world, plan, "admin")[0]["detail"]


# --- private and hidden segments


def test_plan_of_a_table_shows_new_segments_and_rules_only_to_those_who_may_see_them(world: World) -> None:
    """Before it is approved and after; whoever may see a new segment sees it from the beginning."""
    world.tell(world.event("added", 0, Kind.ADDED, fields=FIELDS, attributes={"Health": "Poor", "Team": "Red"}))
    world.enrol(roles=("mentor",))
    lines = (*OPEN_RULES, HIDDEN_RULE, ",Team,Red,,Segment,Crew,Reds,Public")
    plan = planned(world, UploadKind.MAPPING, SHEET, *lines)

    def fields(role: str) -> set[str]:
        return {text for change in changes(world, plan, role) for edit in change["edits"] for text in said(edit)}

    def said(edit: dict[str, Any]) -> list[str]:
        return [edit["field"], *edit["new"]]

    for approved in (False, True):
        if approved:
            approve(world, plan)
        viewer, approver, admin = (fields(role) for role in ("viewer", "approver", "admin"))
        assert viewer == {"Segment", "Crew", "public", "Reds"}
        assert {"Health = Poor", "At risk", "hidden", "Yes please", "At risk: Yes please"} <= admin
        assert {"Team = Red", "Crew: Reds"} <= approver
        assert not {"Health = Poor", "At risk", "hidden", "Yes please", "At risk: Yes please"} & approver


def test_visibility_of_a_hidden_segment_is_changed_out_of_sight(world: World) -> None:
    """Its name is read by those only who may see it as it is."""
    hide(world)
    plan = planned(world, UploadKind.MAPPING, SHEET, *OPEN_RULES, HIDDEN_RULE.replace("Hidden", "Private"))
    assert "At risk" in json.dumps(changes(world, plan, "admin"))
    assert "At risk" not in json.dumps(changes(world, plan, "approver"))


def test_table_is_exported_without_rules_of_segments_out_of_sight(world: World) -> None:
    """A file holds what the admin who asked may see."""
    hide(world)
    ctx = context.load(world.hub.hub_id)
    texts = {}
    for role in ("mapper", "admin"):
        rows = list(rows_of_table(ctx, PERMISSIONS[role]))
        (book,) = as_workbook(ctx, PERMISSIONS[role], rows)
        with zipfile.ZipFile(io.BytesIO(book)) as parts:
            unpacked = b"".join(parts.read(name) for name in parts.namelist()).decode()
        texts[role] = b"".join(write_sheet(rows)).decode() + unpacked
    assert texts["admin"].count("At risk") > 1
    assert not any(word in texts["mapper"] for word in ("At risk", "Health", "Yes please"))
    assert "Languages" in texts["mapper"]


def test_table_of_a_mapper_keeps_the_rules_they_cannot_see(world: World) -> None:
    """Downloading, editing and uploading the table removes nothing that was not in the file."""
    hide(world)
    plan = planned(world, UploadKind.MAPPING, SHEET, OPEN_RULES[0], role="mapper")
    assert [change["outcome"] for change in changes(world, plan, "admin") if change["kind"] == "rule"] == [
        "rule_gone",
        "rule_gone",
    ]
    approve(world, plan)
    assert rules(world) == {("Office", "Location", "London"), ("Health", "At risk", "Yes please")}


def test_mapper_cannot_write_rules_for_a_segment_out_of_sight(world: World) -> None:
    """Guessing its name neither shows it nor adds people to it, and the answer does not say what it is."""
    hide(world)
    plan = planned(world, UploadKind.MAPPING, SHEET, ",Office,*,,Segment,at RISK,Yes please,Public", role="mapper")
    assert plan.state is PlanState.FAILED
    assert [(fault.place, fault.code) for fault in plan.faults] == [("F2", "segment_not_yours")]
    assert ("Health", "At risk", "Yes please") in rules(world)


def test_table_is_exported_by_mappers_only(world: World) -> None:
    """Inviting people does not need the rules."""
    statuses = {}
    for role in ("inviter", "mapper", "admin"):
        statuses[role] = ask(world, "/exports", role, "POST", {"kind": "mapping"}).status
    assert statuses == {"inviter": 403, "mapper": 202, "admin": 202}


# --- trouble


@pytest.mark.parametrize("position", ["abc", "-5", "0-1", "00000-0001", "99999999999-1", "00001-0001x", "٠٠٠٠١-٠٠٠١"])
def test_position_that_is_none_of_ours_is_malformed(world: World, position: str) -> None:
    """Whatever a cursor decodes to, the answer says what is wrong with it."""
    plan = planned(world, UploadKind.INVITES, INVITES, "x@example.com,X,Y,Mentee,London,,")
    cursor = base64.urlsafe_b64encode(position.encode()).decode().rstrip("=")
    answer = ask(world, f"/plans/{plan.plan_id}/changes", query={"cursor": cursor})
    assert (answer.status, [fault["code"] for fault in answer.json["faults"]]) == (400, ["bad_cursor"])


def test_trouble_that_aws_caused_is_503_and_logged_with_our_code(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An error of AWS is behind it: the client is told to come again, the log says what failed and no message."""

    def refuse(**_: object) -> None:
        said = {"Error": {"Code": "ThrottlingException", "Message": MAIL}, "ResponseMetadata": {"HTTPStatusCode": 400}}
        raise ClientError(said, "GetItem")  # type: ignore[arg-type]

    client = clients.dynamodb()
    monkeypatch.setattr(client, "get_item", refuse)
    answer = ask(world, f"/people/{'0' * 32}")
    assert (answer.status, answer.json["code"]) == (503, "try_again")
    assert int(answer.headers["retry-after"]) > 0
    logged = [record.__dict__ for record in caplog.records if record.getMessage() == "request_failed"]
    assert [(record["code"], record["operation"]) for record in logged] == [("try_again", "GetItem")]
    assert MAIL not in str(logged)
