"""Rows of an invite file against the stores: the person they are for, the segments they may set, where mail goes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus

import pytest

from rollcall.hubs import context
from rollcall.hubs import store as hubs
from rollcall.hubs.admins import ListedAdmin, Notice, put_admins
from rollcall.hubs.model import Admin
from rollcall.invitations import links
from rollcall.invitations import store as invitations
from rollcall.invitations.accept import PageState, accept, look
from rollcall.invitations.model import Invitation, InvitationStatus
from rollcall.mail import store as outbox
from rollcall.mail.messages import Look, render
from rollcall.mail.model import ClaimRefusal
from rollcall.mail.model import Kind as MailKind
from rollcall.members.model import member_id_of
from rollcall.people import store as people
from rollcall.people.events import Kind
from rollcall.people.merge import tombstone
from rollcall.plans import applying, approval, planning
from rollcall.runtime import clients, dynamo
from rollcall.runtime.settings import env
from rollcall.runtime.times import now
from rollcall.segments import store as segments
from rollcall.uploads import store as uploads
from rollcall.uploads.model import UploadKind
from tests.support.plans import current, drain, report_of
from tests.support.world import World, everything

if TYPE_CHECKING:
    from rollcall.plans.model import Change, Plan

pytestmark = pytest.mark.usefixtures("aws")

HEADER = "email,role,Location,Languages,ref"
TYPED = "maya.private@example.com"


@pytest.fixture
def world() -> World:
    return World().build()


def _upload(world: World, *rows: str, role: str = "admin", header: str = HEADER) -> Plan:
    """Upload an invite file as an admin with one role, and work it off."""
    admin = Admin("admin-1", "admin-1@example.com", frozenset({f"{world.hub.hub_id}:{role}"}))
    upload = uploads.create_upload(world.hub.hub_id, UploadKind.INVITES, "invites.csv", admin, now())
    body = "\n".join((header, *rows)).encode()
    put = clients.s3().put_object(Bucket=env("FILES_BUCKET"), Key=upload.key, Body=body)
    thing = {"key": quote_plus(upload.key, safe="/"), "versionId": put["VersionId"]}
    (plan,) = planning.handle_s3_event({"Records": [{"eventName": "ObjectCreated:Post", "s3": {"object": thing}}]})
    drain(world)
    return current(plan)


def _changes(plan: Plan) -> list[Change]:
    return applying.changes(plan.hub_id, plan.plan_id, limit=500)[0]


def _know(world: World, name: str = "E-1", seconds: int = 0, **fields: str) -> str:
    """Tell of a person in London, senior; without e-mail unless one is given. Return their id."""
    said: dict[str, Any] = {
        "fields": {"first_name": "Maya", "last_name": "Okafor", **fields},
        "attributes": {"Office": "London", "Grade": "Senior"},
    }
    world.tell(world.event(f"{name}-added", seconds, Kind.ADDED, name, **said))
    return world.person_id(name)


def _invitation(world: World, email: str = TYPED) -> Invitation:
    found = invitations.get_invitation(world.hub.hub_id, world.address_id(email))
    assert found is not None
    return found


def _link(world: World, email: str = TYPED) -> str:
    key = context.load(world.hub.hub_id).key
    return links.make_token(key, world.hub.hub_id, world.address_id(email), 1)


@pytest.mark.parametrize(("kind", "reason"), [(Kind.DELETED, "erased"), (Kind.DEACTIVATED, "deactivated")])
def test_person_without_email_who_left_is_not_invited_at_a_typed_address(world: World, kind: Kind, reason: str) -> None:
    """The row counts as the person it was exported for, whatever address stands in it."""
    ref = _know(world)
    world.tell(world.event("left", 60, kind))
    plan = _upload(world, f"{TYPED},Mentee,,,{ref}")
    assert plan.counts == {reason: 1}
    assert everything("INVITATIONS_TABLE") == []


@pytest.mark.parametrize(("kind", "outcome"), [(Kind.DEACTIVATED, ClaimRefusal.PERSON_GONE), (Kind.UPDATED, None)])
def test_no_mail_starts_to_a_typed_address_after_its_person_left(
    world: World, kind: Kind, outcome: ClaimRefusal | None
) -> None:
    """Leaving between the invitation and its mail stops the mail; any other event does not."""
    ref = _know(world)
    _upload(world, f"{TYPED},Mentee,,,{ref}")
    world.tell(world.event("later", 60, kind, attributes={"Office": "Toronto"}))
    (item,) = [item for item in everything("MAIL_TABLE") if item["kind"] == "invitation"]
    mail = outbox.get(world.hub.hub_id, item["mail_id"])
    assert mail is not None
    claimed = outbox.claim(mail, now())
    assert (claimed if isinstance(claimed, ClaimRefusal) else None) is outcome


def test_erased_person_is_not_invited_at_a_typed_address(world: World) -> None:
    """The tombstone lies at the person's own key, and the row names it."""
    ref = _know(world)
    record = people.get_person(world.hub.hub_id, ref)
    assert record is not None
    erased = replace(record, person=tombstone(record.person))
    dynamo.write([people.put_person(world.hub.hub_id, erased, "erase:test", "2026-10-06T08:00:00.000Z")])
    assert _upload(world, f"{TYPED},Mentee,,,{ref}").counts == {"erased": 1}


def test_member_is_skipped_by_the_reference_too(world: World) -> None:
    """Somebody who is a member already is not invited at a second address."""
    ref = _know(world, email="maya@example.com")
    world.enrol()
    assert _upload(world, f"{TYPED},Mentee,,,{ref}").counts == {"already_member": 1}


def test_same_person_twice_in_a_file_is_invited_once(world: World) -> None:
    """Two addresses for one reference, or a reference and that person's own address, are one person."""
    ref = _know(world, email="maya@example.com")
    plan = _upload(world, f"{TYPED},Mentee,,,{ref}", f"second@example.com,Mentee,,,{ref}", "maya@example.com,Mentee,,,")
    assert plan.counts == {"invited": 1, "duplicate_of_row": 2}
    assert [invitation["email"] for invitation in everything("INVITATIONS_TABLE")] == [TYPED]


def test_reference_of_nobody_or_of_another_hub_is_a_fault(world: World) -> None:
    """A slip in the reference must not lose who was deleted since: the row is reported, not taken as somebody new."""
    other = World().build()
    _know(other)
    plan = _upload(world, f"{TYPED},Mentee,,,{other.person_id()}", "two@example.com,Mentee,,,E-1")
    assert plan.counts == {"error": 2}
    assert [change.reason for change in _changes(plan)] == ["unknown_ref", "unknown_ref"]
    assert everything("INVITATIONS_TABLE") == []


def test_address_of_a_colleague_is_a_fault(world: World) -> None:
    """A row for one person with the address of another one of the same source would make them one member."""
    ref = _know(world)
    _know(world, "E-2", email="li@example.com")
    plan = _upload(world, f"li@example.com,Mentee,,,{ref}")
    assert [change.reason for change in _changes(plan)] == ["other_person"]


def test_old_row_whose_address_is_a_new_colleagues_is_erased_where_its_person_is(world: World) -> None:
    """Of a person who was deleted, that is what the report says, whoever has the address now."""
    ref = _know(world)
    world.tell(world.event("gone", 60, Kind.DELETED))
    _know(world, "E-2", email="li@example.com")
    assert _upload(world, f"li@example.com,Mentee,,,{ref}").counts == {"erased": 1}


def test_person_deactivated_between_planning_and_approval_is_skipped(world: World) -> None:
    """Applying looks at the person again, also where the address is nobody's."""
    hubs.update_hub(replace(world.hub, invite_review=True), seen=world.hub.version)
    ref = _know(world)
    plan = _upload(world, f"{TYPED},Mentee,,,{ref}")
    world.tell(world.event("left", 60, Kind.DEACTIVATED))
    admin = Admin("admin-1", "admin-1@example.com", frozenset({f"{world.hub.hub_id}:admin"}))
    approval.approve(world.hub.hub_id, plan.plan_id, plan.hash, admin)
    drain(world)
    assert current(plan).counts == {"deactivated": 1}
    assert everything("INVITATIONS_TABLE") == []


def test_person_without_email_becomes_a_member_who_follows_the_directory(world: World) -> None:
    """Accepted at a typed address, the member has the directory's slice, and updates and deletion reach it."""
    ref = _know(world)
    _upload(world, f"{TYPED},Mentee,,,{ref}")
    assert _invitation(world).person_id == ref
    assert accept(_link(world)).state is PageState.ACCEPTED
    (member,) = everything("MEMBERS_TABLE")
    assert (member["shown"]["email"], member["shown"]["roles"]) == (TYPED, ["mentee", "mentor"])
    assert member["shown"]["segments"] == {"location": ["london"]}
    person = people.get_person(world.hub.hub_id, ref)
    assert person is not None
    assert person.member_id == member_id_of(member)
    world.tell(world.event("moved", 60, attributes={"Office": "Toronto"}))
    assert world.shown(member_id_of(member))["segments"] == {"location": ["toronto"]}
    world.tell(world.event("gone", 120, Kind.DELETED))
    assert world.shown(member_id_of(member))["status"] == "deleted"


def test_person_invited_elsewhere_than_at_their_own_address_is_one_member_at_both(world: World) -> None:
    """Their directory address becomes the member's as well, so that nobody is made a second member there."""
    ref = _know(world, email="maya@example.com")
    _upload(world, f"{TYPED},Mentee,,,{ref}")
    accept(_link(world))
    (member,) = everything("MEMBERS_TABLE")
    hub_id, own = world.hub.hub_id, world.address_id("maya@example.com")
    assert {people.get_address(hub_id, at).member_id for at in (own, world.address_id(TYPED))} == {member_id_of(member)}
    assert member["address_id"] == own
    assert _upload(world, "maya@example.com,Mentee,,,", f"{TYPED},Mentee,,,").counts == {"already_member": 2}
    world.tell(world.event("moved", 60, attributes={"Office": "Toronto"}))
    assert world.shown(member_id_of(member))["segments"] == {"location": ["toronto"]}


@pytest.mark.parametrize("kind", [Kind.DEACTIVATED, Kind.DELETED])
def test_person_who_left_after_the_mail_cannot_accept_at_a_typed_address(world: World, kind: Kind) -> None:
    """The page says that the invitation was withdrawn, and nobody becomes a member."""
    ref = _know(world)
    _upload(world, f"{TYPED},Mentee,,,{ref}")
    world.tell(world.event("left", 60, kind))
    assert look(_link(world)).state is PageState.WITHDRAWN
    assert accept(_link(world)).state is PageState.WITHDRAWN
    assert everything("MEMBERS_TABLE") == []


def test_typed_address_that_became_a_colleagues_cannot_be_accepted(world: World) -> None:
    """Whoever reads that mailbox now is not the one who was invited."""
    ref = _know(world)
    _upload(world, f"{TYPED},Mentee,,,{ref}")
    _know(world, "E-2", email=TYPED)
    assert accept(_link(world)).state is PageState.WITHDRAWN
    assert everything("MEMBERS_TABLE") == []


def test_mail_goes_to_the_address_as_written(world: World) -> None:
    """Two mailboxes that case folding would make one are two, and each is written to as it stands in the file."""
    plan = _upload(world, "Maya@straße.example,Mentee,,,", "maya@strasse.example,Mentee,,,")
    assert plan.counts == {"invited": 2}
    sent = {mail["to"] for mail in everything("MAIL_TABLE") if mail["kind"] == "invitation"}
    assert sent == {"Maya@straße.example", "maya@strasse.example"}
    assert _invitation(world, "maya@xn--strae-oqa.example").status is InvitationStatus.QUEUED


def test_inviter_neither_sets_nor_learns_of_private_segments(world: World) -> None:
    """A column that the uploader may not see is not read: its options are neither stored nor suggested."""
    rows = ("one@example.com,Mentee,London,French,", "two@example.com,Mentee,London,Frensh,")
    plan = _upload(world, *rows, role="inviter")
    assert plan.counts == {"invited": 2}
    assert _invitation(world, "one@example.com").segments == {"location": ("london",)}
    assert "French" not in " ".join(change.detail for change in _changes(plan))
    assert _upload(world, rows[1].replace("two@", "three@")).counts == {"error": 1}


def _require(world: World, segment_id: str) -> None:
    ctx = context.load(world.hub.hub_id)
    segment = replace(ctx.catalogue.segments_by_id[segment_id], required=True)
    segments.change_catalogue(world.hub.hub_id, ctx.catalogue_version, [], [segment])


def test_required_segment_counts_for_those_only_who_see_it(world: World) -> None:
    """The column is not in an inviter's file, so they cannot be asked to fill it in; an admin can."""
    _require(world, "languages")
    assert _upload(world, "one@example.com,Mentee,London,,", role="inviter").counts == {"invited": 1}
    assert _upload(world, "two@example.com,Mentee,London,,").counts == {"error": 1}


def test_required_segment_that_the_directory_fills_may_be_empty_in_the_file(world: World) -> None:
    """Maya's office comes from the directory; of somebody new the row must say it."""
    _require(world, "location")
    _know(world, email="maya@example.com")
    plan = _upload(world, "maya@example.com,Mentee,,,", "new@example.com,Mentee,,,")
    assert plan.counts == {"invited": 1, "error": 1}


def _reports() -> list[dict[str, Any]]:
    return [mail for mail in everything("MAIL_TABLE") if mail["kind"] == "plan_report"]


def test_file_in_french_with_columns_of_its_own_comes_back_as_it_was_with_its_result(world: World) -> None:
    """Columns nobody reads are named on the plan and in the mail; the report, corrected, invites the rest only."""
    header = "Zone,Adresse e-mail,Prénom,RÔLE,Lieu préféré"
    plan = _upload(world, "9,ana@example.com,Ana,Mentor,Quai", "8,ben@example.com,Ben,Mentro,Parc", header=header)
    assert dict(plan.counts) == {"invited": 1, "error": 1}
    assert plan.unread == ("Zone", "Lieu préféré")
    (mail,) = _reports()
    message = render(MailKind.PLAN_REPORT, "en", mail["params"], Look("Hub"))
    assert message.subject == "Hub: a change is partly done, 1 need you"
    assert "“Zone”, “Lieu préféré”" in message.text
    assert message.text.index("Rows with a fault: 1") < message.text.index("Invited: 1")
    first, *rows = report_of(plan)
    assert list(first) == [*header.split(","), "result", "reason"]
    corrected = [{**row, "RÔLE": row["RÔLE"].replace("Mentro", "Mentor")} for row in (first, *rows)]
    again = _upload(world, *(",".join(map(_quoted, row.values())) for row in corrected), header=",".join(first))
    assert dict(again.counts) == {"already_invited": 1, "invited": 1}


def _quoted(cell: str) -> str:
    return f'"{cell.replace(chr(34), chr(34) * 2)}"'


def test_admins_who_asked_for_reports_get_the_link_and_who_uploaded_gets_the_file(world: World) -> None:
    """The notice `plan_reports`: one mail each, also where the one who uploaded has asked as well."""
    asked = (Notice.PLAN_REPORTS,)
    admins = [ListedAdmin(f"{name}@example.com", "viewer", asked) for name in ("vera", "Admin-1")]
    put_admins(world.hub.hub_id, (*admins, ListedAdmin("quiet@example.com", "admin")), seen=0)
    _upload(world, "ana@example.com,Mentor,,,")
    told = {mail["to"]: "attachment" in mail for mail in _reports()}
    assert told == {"admin-1@example.com": True, "vera@example.com": False}
