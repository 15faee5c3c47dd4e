"""The four files over the API: who may announce and export which, filters of the members file, what a plan shows."""

from __future__ import annotations

from typing import Any

import pytest

from rollcall.exports import store as exports
from rollcall.exports.run import run_export
from rollcall.exports.writing import file_key
from rollcall.files.rows import read_rows
from rollcall.files.storage import open_object
from rollcall.people.events import Kind
from rollcall.runtime.settings import env
from rollcall.uploads.model import UploadKind
from tests.support.admin import call, claims_of
from tests.support.plans import plan_file
from tests.support.world import SOURCE, World

pytestmark = pytest.mark.usefixtures("aws")


@pytest.fixture
def world() -> World:
    return World().build()


def _as(world: World, role: str) -> dict[str, str]:
    return claims_of(f"{world.hub.hub_id}:{role}")


def _rows(world: World, role: str, /, **asked: Any) -> list[dict[str, str]]:
    path = f"/hubs/{world.hub.hub_id}/exports"
    answer = call("POST", path, _as(world, role), asked)
    assert answer.status == 202, answer.text
    export = exports.get(world.hub.hub_id, answer.json["export_id"])
    assert export is not None
    run_export(world.hub.hub_id, export.export_id)
    with open_object(env("FILES_BUCKET"), file_key(export)) as stream:
        return [row.cells for row in read_rows(stream)]


def _populate(world: World) -> None:
    for name, office, grade in (("ana", "London", "Senior"), ("bo", "Toronto", "Senior"), ("cy", "London", "Junior")):
        fields = {"email": f"{name}@example.com", "first_name": name, "last_name": "Li"}
        attributes = {"Office": office, "Grade": grade, "Languages": ("English",), "Job title": "Coach"}
        world.tell(world.event(name, 0, Kind.ADDED, name, fields=fields, attributes=attributes))
        world.enrol(name)
    world.tell(world.event("left", 9, Kind.DEACTIVATED, "cy"))


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, {"ana", "bo", "cy"}),
        ({"status": "inactive"}, {"cy"}),
        ({"role": "mentor"}, {"ana", "bo"}),
        ({"segments": {"location": "London"}}, {"ana", "cy"}),
        ({"status": "active", "role": "Mentor", "segments": {"Location": "london"}}, {"ana"}),
    ],
)
def test_a_members_file_holds_those_who_were_asked_for(world: World, asked: dict[str, Any], expected: set[str]) -> None:
    """By status, role and segment, and by all of them."""
    _populate(world)
    assert {row["first_name"] for row in _rows(world, "admin", kind="members", **asked)} == expected


def test_a_members_file_holds_what_its_admin_may_see(world: World) -> None:
    """Private segments and profile fields are neither columns nor filters for those who may not see them."""
    _populate(world)
    rows = _rows(world, "inviter", kind="members")
    assert not {"Languages", "profile: Job title"} & rows[0].keys()
    assert "Location" in rows[0]
    rows = _rows(world, "admin", kind="members", segments={"Languages": "English"})
    assert {"Languages", "profile: Job title"} <= rows[0].keys()
    path, asked = f"/hubs/{world.hub.hub_id}/exports", {"kind": "members", "segments": {"Languages": "English"}}
    answer = call("POST", path, _as(world, "inviter"), asked)
    assert (answer.status, answer.json["faults"][0]["code"]) == (400, "unknown_option")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"kind": "invites", "status": "active"}, "not_here"),
        ({"kind": "members", "role": "Boss"}, "unknown_role"),
        ({"kind": "people"}, "unknown_source"),
        ({"kind": "people", "source_id": "0" * 26}, "unknown_source"),
        ({"kind": "members", "source_id": SOURCE}, "not_here"),
    ],
)
def test_an_export_that_cannot_be_is_refused_with_its_place(world: World, body: dict[str, Any], code: str) -> None:
    """Nothing is started, and the fault says which part of the request."""
    answer = call("POST", f"/hubs/{world.hub.hub_id}/exports", _as(world, "admin"), body)
    assert (answer.status, answer.json["faults"][0]["code"]) == (400, code)


def test_a_people_file_comes_with_attributes_for_those_who_may_see_them(world: World) -> None:
    """One row for each person of the source, by the permission of who asks."""
    _populate(world)
    rows = _rows(world, "admin", kind="people", source_id=SOURCE)
    assert {row["external_id"]: row["HRIS: Office"] for row in rows} == {
        "ana": "London",
        "bo": "Toronto",
        "cy": "London",
    }
    assert "HRIS: Office" not in _rows(world, "inviter", kind="people", source_id=SOURCE)[0]


@pytest.mark.parametrize(
    ("role", "body", "status"),
    [
        ("admin", {"kind": "people", "source_id": SOURCE}, 202),
        ("admin", {"kind": "people", "source_id": SOURCE, "as_of": "2026-10-01T00:00:00Z"}, 202),
        ("inviter", {"kind": "people", "source_id": SOURCE}, 403),
        ("mapper", {"kind": "people", "source_id": SOURCE}, 403),
        ("admin", {"kind": "people"}, 400),
        ("admin", {"kind": "people", "source_id": "01JA0000000000000000000XXX"}, 400),
        ("admin", {"kind": "people", "source_id": SOURCE, "as_of": "2999-01-01T00:00:00Z"}, 400),
        ("admin", {"kind": "people", "source_id": SOURCE, "as_of": "2026-10-01T00:00:00"}, 400),
        ("admin", {"kind": "members", "source_id": SOURCE}, 400),
    ],
)
def test_a_people_file_is_announced_by_who_may_connect_sources(
    world: World, role: str, body: dict[str, Any], status: int
) -> None:
    """It speaks for a source of the hub, of a time that has been."""
    answer = call("POST", f"/hubs/{world.hub.hub_id}/uploads", _as(world, role), {"filename": "p.csv", **body})
    assert answer.status == status, answer.text


def test_the_plan_of_a_people_file_shows_attributes_to_those_who_may_see_them(world: World) -> None:
    """A viewer sees who is new, and neither attributes nor what the file says."""
    plan = plan_file(
        world,
        UploadKind.PEOPLE,
        "external_id,first_name,end_date,Grade",
        "E-1,Maya,2027-01-31,Senior",
        source_id=SOURCE,
    )
    path = f"/hubs/{world.hub.hub_id}/plans/{plan.plan_id}/changes"
    seen = {
        role: {edit["field"] for edit in call("GET", path, _as(world, role)).json["items"][0]["edits"]}
        for role in ("viewer", "mapper")
    }
    assert seen["viewer"] == {"first_name", "status"}
    assert seen["mapper"] == {"first_name", "status", "end_date", "Grade"}
