"""Who is in the bulk-invite template, and which columns the files have."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rollcall.exports import invites, members
from rollcall.exports.invites import can_be_invited
from rollcall.exports.model import Export, Kind, State, columns_of_segments, visible_segments
from rollcall.hubs.model import PERMISSIONS, Delivery, Permission
from rollcall.invitations.model import Invitation, InvitationStatus
from rollcall.people.events import DirectoryEvent
from rollcall.people.events import Kind as EventKind
from rollcall.people.merge import lift, tombstone
from rollcall.people.model import Address, Barred, Holder, PersonRecord
from rollcall.segments.model import Catalogue, Segment, Visibility

NOW = "2026-10-05T08:00:00.000Z"
LATER = "2026-10-19T08:00:00.000Z"
PERSON = "a" * 32
ADDRESS = Address("b" * 32, holders={"SRC1": Holder(PERSON)})
INVITATION = Invitation("b" * 32, 1, InvitationStatus.SENT, "maya@example.com", expires_at=LATER)
CATALOGUE = Catalogue(
    segments=(
        Segment("location", "Location"),
        Segment("pay", "Pay grade", visibility=Visibility.HIDDEN),
        Segment("team", "Team", visibility=Visibility.PRIVATE),
        Segment("first", "First name"),
    )
)


def _record(kind: EventKind = EventKind.ADDED, source: str = "SRC1", **changed: Any) -> PersonRecord:
    event = DirectoryEvent("e" * 32, source, "E-1", kind, NOW, {"email": "maya@example.com"})
    return replace(PersonRecord(PERSON, lift(event), rev=1, address_id="b" * 32), **changed)


def _can(
    record: PersonRecord, address: Address | None = ADDRESS, invitation: Invitation | None = None, *order: str
) -> bool:
    return can_be_invited(record, address, invitation, order, NOW)


def test_active_person_who_is_nobody_yet_can_be_invited() -> None:
    """A potential member is in the file."""
    assert _can(_record())


def test_person_without_address_stays_in_the_file() -> None:
    """Somebody without a usable e-mail is listed, never silently left out."""
    assert _can(_record(address_id=None), None)


@pytest.mark.parametrize("kind", [EventKind.DEACTIVATED, EventKind.DELETED])
def test_person_who_left_is_not_in_the_file(kind: EventKind) -> None:
    """Deactivated and deleted persons are not offered."""
    assert not _can(_record(kind))


def test_erased_person_is_not_in_the_file() -> None:
    """Of an erased person nothing is shown."""
    record = _record()
    assert not _can(replace(record, person=tombstone(record.person)), None)


@pytest.mark.parametrize(
    "address",
    [
        replace(ADDRESS, member_id="c" * 32),
        replace(ADDRESS, erased=True),
        replace(ADDRESS, suppressed="bounced"),
        replace(ADDRESS, holders={**ADDRESS.holders, "SRC2": Holder("d" * 32, Barred.DELETED)}),
    ],
)
def test_address_that_forbids_it_keeps_the_person_out(address: Address) -> None:
    """A member's, erased, bounced or barred address is not offered."""
    assert not _can(_record(), address)


def test_member_is_not_in_the_file() -> None:
    """Who is a member already needs no invitation."""
    assert not _can(_record(member_id="c" * 32))


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, False),
        ({"status": InvitationStatus.QUEUED}, False),
        ({"expires_at": NOW}, True),
        ({"status": InvitationStatus.DECLINED}, True),
        ({"status": InvitationStatus.REVOKED}, True),
    ],
)
def test_only_an_open_invitation_keeps_the_person_out(changed: dict[str, Any], *, expected: bool) -> None:
    """Invited and not answered is out; expired, also where no sweep has said so yet, or settled is in."""
    assert _can(_record(), ADDRESS, replace(INVITATION, **changed)) is expected


def test_address_of_two_sources_is_one_row() -> None:
    """Of two persons with one address only the one of the preferred source stands in the file."""
    shared = replace(ADDRESS, holders={"SRC1": Holder(PERSON), "SRC2": Holder("d" * 32)})
    one, other = _record(source="SRC1"), _record(source="SRC2", person_id="d" * 32)
    assert (_can(one, shared), _can(other, shared)) == (True, False)
    assert (_can(one, shared, None, "SRC2"), _can(other, shared, None, "SRC2")) == (False, True)


@pytest.mark.parametrize(
    ("role", "names"),
    [
        ("viewer", ["Location", "First name"]),
        ("inviter", ["Location", "First name"]),
        ("mapper", ["Location", "Team", "First name"]),
        ("approver", ["Location", "Team", "First name"]),
        ("privacy", ["Location", "Pay grade", "Team", "First name"]),
        ("admin", ["Location", "Pay grade", "Team", "First name"]),
    ],
)
def test_role_of_the_admin_decides_which_segments_are_seen(role: str, names: list[str]) -> None:
    """Hidden and private segments are only for those who may see them."""
    assert [segment.name for segment in visible_segments(CATALOGUE, PERMISSIONS[role])] == names


def test_segment_named_like_another_column_gets_none() -> None:
    """A file never has two columns of one name, which nobody could tell apart on the way back."""
    columns = columns_of_segments(CATALOGUE, [Permission.VIEW], ("first_name", "ref"))
    assert [segment.name for segment in columns] == ["Location"]


def test_header_of_an_attribute_cannot_be_taken_for_a_person() -> None:
    """An attribute with an at sign in its name does not make the file unreadable."""
    header = invites.columns([], ["Contact @ work"])
    assert header[-1] == "HRIS: Contact (at) work"


def test_headers_are_those_that_the_upload_looks_for() -> None:
    """Names and order of the fixed columns."""
    segments = [CATALOGUE.segments[0]]
    assert invites.columns(segments, ["Office"]) == [
        "email",
        "first_name",
        "last_name",
        "role",
        "Location",
        "language",
        "ref",
        "export",
        "note",
        "HRIS: Office",
    ]
    assert members.columns(segments, ["Job title"]) == [
        "ref",
        "version",
        "email",
        "first_name",
        "last_name",
        "status",
        "roles",
        "Location",
        "profile: Job title",
    ]


def test_export_comes_back_from_its_item_as_it_was() -> None:
    """Storing an export loses nothing."""
    export = Export(
        export_id="1" * 26,
        hub_id="0" * 26,
        kind=Kind.MEMBERS,
        requested_by="admin-1",
        email="ana@example.com",
        permissions=PERMISSIONS["mapper"],
        delivery=Delivery.LINK,
        include_declined=True,
        state=State.DONE,
        rows=3,
        file_key="exports/x",
        created_at=NOW,
        done_at=LATER,
    )
    assert Export.from_item(export.to_item()) == export
