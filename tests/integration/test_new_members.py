"""The members file brings new members: a hub's existing community comes in this way."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from rollcall.hubs import context
from rollcall.invitations import store as invitations
from rollcall.invitations.model import Invitation, InvitationStatus
from rollcall.people import store as people
from rollcall.people.events import Kind
from rollcall.plans.model import PlanState
from rollcall.runtime import dynamo
from rollcall.runtime.times import now, to_text
from rollcall.segments import store as segments
from rollcall.uploads.model import UploadKind
from tests.support.plans import approve, changes_of, plan_file, report_of
from tests.support.world import World, everything

pytestmark = pytest.mark.usefixtures("aws")

HEADER = "email,first_name,last_name,status,roles,Location,Languages,profile: Team"
MAYA = "maya@example.com,Maya,Okafor,active,Mentor,London,English; French,Harbour"


@pytest.fixture
def world() -> World:
    return World().build()


def _member_at(world: World, email: str) -> dict[str, Any]:
    address = people.get_address(world.hub.hub_id, world.address_id(email))
    assert address.member_id is not None
    return world.shown(address.member_id)


def _tell(world: World, kind: Kind = Kind.ADDED, seconds: int = 0, **attributes: str) -> None:
    fields = {"email": "maya@example.com", "first_name": "Maya", "last_name": "Okafor"}
    world.tell(world.event(f"maya-{seconds}", seconds, kind, fields=fields, attributes=attributes))


def test_a_row_about_nobody_yet_is_shown_then_makes_a_member(world: World) -> None:
    """The plan shows every value; approved, the member is there as the row says, without any mail."""
    plan = plan_file(world, UploadKind.MEMBERS, HEADER, MAYA)
    assert (plan.state, plan.counts) == (PlanState.AWAITING_APPROVAL, {"create": 1})
    (change,) = changes_of(plan)
    assert {edit.field: edit.new for edit in change.edits} == {
        "email": ("maya@example.com",),
        "first_name": ("Maya",),
        "last_name": ("Okafor",),
        "status": ("active",),
        "roles": ("Mentor",),
        "Location": ("London",),
        "Languages": ("English", "French"),
        "Team": ("Harbour",),
    }
    assert everything("MEMBERS_TABLE") == []
    assert approve(world, plan).counts == {"created": 1}
    shown = _member_at(world, "maya@example.com")
    assert (shown["status"], shown["roles"], shown["profile"]) == ("active", ["mentor"], {"Team": "Harbour"})
    assert shown["segments"] == {"location": ["london"], "languages": ["en", "fr"]}
    assert [mail for mail in everything("MAIL_TABLE") if mail["kind"] == "invitation"] == []


def test_a_new_member_whom_the_directory_knows_follows_it(world: World) -> None:
    """The member is linked to the person at the address; what the row says beside the directory is kept by hand."""
    _tell(world, Office="Toronto", Grade="Senior")
    plan = plan_file(world, UploadKind.MEMBERS, "email,roles,Location", "Maya@example.com,Mentee,")
    (change,) = changes_of(plan)
    assert {edit.field: edit.new for edit in change.edits}["roles"] == ("Mentee", "Mentor")
    approve(world, plan)
    assert set(_member_at(world, "maya@example.com")["roles"]) == {"mentor", "mentee"}
    assert _member_at(world, "maya@example.com")["segments"]["location"] == ["toronto"]
    _tell(world, Kind.UPDATED, 60, Office="London", Grade="Junior")
    shown = _member_at(world, "maya@example.com")
    assert (shown["segments"]["location"], shown["roles"]) == (["london"], ["mentee"])


def test_a_person_who_comes_after_the_member_is_linked_to_them(world: World) -> None:
    """A directory that is connected later finds the members who are there by their addresses."""
    approve(world, plan_file(world, UploadKind.MEMBERS, HEADER, MAYA))
    _tell(world, Grade="Junior")
    assert set(_member_at(world, "maya@example.com")["roles"]) == {"mentor", "mentee"}
    _tell(world, Kind.DEACTIVATED, 60)
    assert _member_at(world, "maya@example.com")["status"] == "inactive"


def test_an_inactive_row_makes_a_suspended_member(world: World) -> None:
    """Somebody who was inactive in the old hub is so here, and no event changes that."""
    _tell(world)
    plan = plan_file(world, UploadKind.MEMBERS, "email,status,roles", "maya@example.com,inactive,Mentor")
    approve(world, plan)
    _tell(world, Kind.REACTIVATED, 60)
    shown = _member_at(world, "maya@example.com")
    assert (shown["status"], shown["status_reason"]) == ("inactive", "suspended")


def test_an_open_invitation_at_the_address_is_settled(world: World) -> None:
    """Who comes in by the file needs no invitation any more: it is accepted, and its link says so."""
    invitation = Invitation(
        address_id=world.address_id("maya@example.com"),
        epoch=1,
        status=InvitationStatus.QUEUED,
        email="maya@example.com",
        created_at=to_text(now()),
        expires_at=to_text(now() + timedelta(days=14)),
    )
    dynamo.write([invitations.put_invitation(world.hub.hub_id, invitation)])
    plan = plan_file(world, UploadKind.MEMBERS, HEADER, MAYA)
    assert "invitation" in changes_of(plan)[0].detail
    approve(world, plan)
    settled = invitations.get_invitation(world.hub.hub_id, invitation.address_id)
    address = people.get_address(world.hub.hub_id, invitation.address_id)
    assert settled is not None
    assert (settled.status, settled.member_id) == (InvitationStatus.ACCEPTED, address.member_id)


@pytest.mark.parametrize(
    ("barred", "status", "outcome"),
    [
        ("deleted", "active", "erased"),
        ("erased", "active", "erased"),
        ("suppressed", "active", "suppressed"),
        ("deactivated", "active", "deactivated"),
        ("deactivated", "inactive", "create"),
        ("suppressed", "inactive", "suppressed"),
    ],
)
@pytest.mark.parametrize("is_late", [False, True])
def test_an_address_that_is_barred_makes_no_member(
    world: World, barred: str, status: str, outcome: str, *, is_late: bool
) -> None:
    """Before the plan or after it: nobody who was deleted, left or bounces comes in, and who was erased is not kept."""

    def bar() -> None:
        if barred in ("deleted", "deactivated"):
            _tell(world, Kind(barred), 60)
            return
        address = people.get_address(world.hub.hub_id, world.address_id("maya@example.com"))
        said: Any = {"erased": True} if barred == "erased" else {"suppressed": "bounced"}
        dynamo.write([people.put_address(world.hub.hub_id, replace(address, **said))])

    _tell(world)
    if not is_late:
        bar()
    plan = plan_file(world, UploadKind.MEMBERS, "email,status,roles", f"maya@example.com,{status},Mentor")
    if is_late:
        assert plan.counts == {"create": 1}
        bar()
    else:
        assert plan.counts == {outcome: 1}
        assert (changes_of(plan)[0].cells["email"] == "") is (outcome == "erased")
    approve(world, plan)
    assert report_of(plan)[0]["result"] == (outcome if outcome != "create" else "created")
    assert len(everything("MEMBERS_TABLE")) == (outcome == "create")


def test_rows_that_cannot_make_a_member_say_why(world: World) -> None:
    """Every fault is named with its column; the good row beside them is not held up."""
    lines = (
        "nobody,A,B,active,Mentor,,,",
        ",A,B,active,Mentor,,,",
        "ana@example.com,A,B,active,,,,",
        "ana@example.com,A,B,gone,Boss,Paris,,",
        "bo@example.com,A,B,active,Mentor,London; Toronto,,",
        MAYA,
        "MAYA@example.com,Maya,Okafor,active,Mentee,,,",
    )
    plan = plan_file(world, UploadKind.MEMBERS, HEADER, *lines)
    assert plan.counts == {"create": 1, "error": 6}
    assert [change.reason for change in changes_of(plan)] == [
        "bad_email",
        "missing_value",
        "missing_value",
        "duplicate_of_row",
        "too_many_values",
        "",
        "duplicate_of_row",
    ]


def test_a_required_segment_must_be_filled(world: World) -> None:
    """As for an invitation: by the row, or by the directory."""
    ctx = context.load(world.hub.hub_id)
    location = replace(ctx.catalogue.segments_by_id["location"], required=True)
    segments.change_catalogue(world.hub.hub_id, ctx.catalogue_version, [], [location])
    plan = plan_file(world, UploadKind.MEMBERS, "email,roles,Location", "maya@example.com,Mentor,")
    assert changes_of(plan)[0].detail.startswith("Location: ")
    _tell(world, Office="London")
    plan = plan_file(world, UploadKind.MEMBERS, "email,roles,Location", "maya@example.com,Mentor,")
    assert plan.counts == {"create": 1}


def test_the_same_file_twice_makes_nobody_twice(world: World) -> None:
    """The second time the rows are about members who show that already."""
    approve(world, plan_file(world, UploadKind.MEMBERS, HEADER, MAYA))
    again = plan_file(world, UploadKind.MEMBERS, HEADER, MAYA)
    assert again.counts == {"unchanged": 1}


def test_two_files_about_one_newcomer_make_one_member(world: World) -> None:
    """Both were planned before either was applied: the second finds a member there."""
    plans = [plan_file(world, UploadKind.MEMBERS, HEADER, MAYA) for _ in range(2)]
    assert [approve(world, plan).counts for plan in plans] == [{"created": 1}, {"already_member": 1}]
    assert len(everything("MEMBERS_TABLE")) == 1
