"""Rows that an admin removed from an exported invite file: shown, remembered, left out next time, and taken back."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from rollcall.exports import store as exports
from rollcall.exports.model import Export, Kind, State
from rollcall.exports.run import run_export
from rollcall.hubs.model import PERMISSIONS
from rollcall.invitations.left_out import get_left_out
from rollcall.people.events import Kind as EventKind
from rollcall.plans import again, applying
from rollcall.plans.model import Change, Plan, PlanState
from rollcall.privacy.erase import erase
from rollcall.privacy.model import Cause, Subject
from rollcall.privacy.purge import run_erasure
from rollcall.runtime import clients
from rollcall.runtime.ids import new_id
from rollcall.runtime.settings import env
from rollcall.runtime.times import now, to_text
from rollcall.uploads.model import UploadKind
from tests.support.faults import until_quiet
from tests.support.plans import admin_of, approve, changes_of, current, drain, plan_file, report_of
from tests.support.world import World, everything

NAMES = ("ana", "ben", "cem", "dua")


@pytest.fixture
def world(aws: None) -> World:
    """Provide a hub with four people who could be invited."""
    world = World().build()
    for name in NAMES:
        fields = {"email": f"{name}@example.com", "first_name": name.title(), "last_name": "Okafor"}
        attributes: Any = {"Grade": "Senior"}
        world.tell(world.event(f"add-{name}", 1, EventKind.ADDED, name, fields=fields, attributes=attributes))
    return world


def _export(world: World, **more: Any) -> tuple[str, list[dict[str, str]]]:
    """Export the people to be invited; return the id of the export and the rows."""
    export = Export(
        export_id=new_id(),
        hub_id=world.hub.hub_id,
        kind=Kind.INVITES,
        requested_by="admin-1",
        email="",
        permissions=PERMISSIONS["admin"],
        created_at=to_text(now()),
        **more,
    )
    exports.create(export)
    assert run_export(world.hub.hub_id, export.export_id) is State.DONE
    done = exports.get(world.hub.hub_id, export.export_id)
    assert done is not None
    body = clients.s3().get_object(Bucket=env("FILES_BUCKET"), Key=done.file_key)["Body"].read()
    return export.export_id, list(csv.DictReader(io.StringIO(body.decode("utf-8-sig"))))


def _sorted(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    return sorted(rows, key=lambda row: row["first_name"])


def _upload(world: World, rows: list[dict[str, str]], *names: str, **more: Any) -> Plan:
    """Upload the rows of these people, as they were exported, and apply what is planned."""
    plan = _plan(world, [row for row in rows if row["first_name"].lower() in names], **more)
    drain(world)
    return current(plan)


def _plan(world: World, rows: list[dict[str, str]], **more: Any) -> Plan:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return plan_file(world, UploadKind.INVITES, out.getvalue().rstrip(), **more)


def _undone(world: World, plan: Plan) -> Plan:
    undo = again.undo(plan.hub_id, plan.plan_id, admin_of(world))
    drain(world)
    return approve(world, current(undo))


def _left_out(world: World) -> set[str]:
    found = get_left_out(world.hub.hub_id, [world.person_id(name) for name in NAMES])
    return {name for name in NAMES if world.person_id(name) in found}


def _named(rows: list[dict[str, str]]) -> list[str]:
    return [row["first_name"].lower() for row in rows]


def _of_nobody(plan: Plan) -> list[Change]:
    return [change for change in changes_of(plan) if change.kind == "left_out"]


def test_people_whose_rows_were_removed_are_remembered_with_who_and_when(world: World) -> None:
    """Two of four are kept: they are invited; the others are declined for now, by the admin who uploaded the file."""
    export_id, rows = _export(world)
    plan = _upload(world, rows, "ana", "ben")
    assert (plan.state, plan.counts) == (PlanState.APPLIED, {"invited": 2, "declined_for_now": 2})
    assert _left_out(world) == {"cem", "dua"}
    found = get_left_out(world.hub.hub_id, [world.person_id("cem")])[world.person_id("cem")]
    assert (found.by, found.at, found.export_id) == (plan.created_by, plan.created_at, export_id)


def test_next_export_leaves_them_out_or_lists_them_last(world: World) -> None:
    """As the admin asks; those who declined themselves are treated alike."""
    _, rows = _export(world)
    _upload(world, [row for row in rows if row["first_name"] != "Dua"], "ana")
    assert _named(_export(world)[1]) == []
    world.tell(world.event("late", 2, EventKind.ADDED, "eve", fields={"email": "eve@example.com", "first_name": "Eve"}))
    assert _named(_export(world)[1]) == ["eve"]
    first, *others = _named(_export(world, include_declined=True)[1])
    assert (first, set(others)) == ("eve", {"ben", "cem", "dua"})
    assert {row["note"] for row in _export(world, include_declined=True)[1][1:]} == {
        "declined, or left out of an earlier file"
    }


def test_somebody_left_out_can_be_invited_by_a_later_file(world: World) -> None:
    """A file in two halves: the second invites whom the first left out."""
    _, rows = _export(world)
    _upload(world, rows, "ana", "ben")
    plan = _upload(world, rows, "cem", "dua")
    # Those of the first half have open invitations by now: there is nobody to leave out.
    assert plan.counts == {"invited": 2, "nobody_to_invite": 2}


def test_rows_with_a_fault_or_twice_in_the_file_are_not_left_out(world: World) -> None:
    """They are in the file: the admin will correct them."""
    _, rows = _export(world)
    ana, ben, cem, _ = _sorted(rows)
    plan = _plan(world, [ana, {**ben, "role": "Wizard"}, {**cem, "email": ana["email"]}])
    assert [change.subject for change in _of_nobody(plan)] == [world.person_id("dua")]


def test_file_that_names_no_export_leaves_nobody_out(world: World) -> None:
    """A file of one's own says nothing of others; nor does one that names an export of another hub, or none."""
    export_id, rows = _export(world)
    for said in ("", "nonsense", new_id(), export_id[::-1]):
        assert _of_nobody(_plan(world, [{**rows[0], "export": said}], is_trial=True)) == []


def test_report_does_not_hold_those_who_were_left_out(world: World) -> None:
    """Uploaded again as it is, it would invite them."""
    _, rows = _export(world)
    plan = _upload(world, rows, "ana", "ben")
    assert sorted(row["email"] for row in report_of(plan)) == ["ana@example.com", "ben@example.com"]


def test_undoing_the_upload_takes_the_decisions_back_and_undoing_that_makes_them_again(world: World) -> None:
    """Invited again or left out again: as the plan had it; a decision of a later file stays."""
    _, rows = _export(world)
    made = _upload(world, rows, "ana", "ben", "cem")
    assert _left_out(world) == {"dua"}
    undo = _undone(world, made)
    assert (_left_out(world), undo.counts) == (set(), {"reversed": 4})
    _undone(world, undo)
    assert _left_out(world) == {"dua"}


def test_planning_in_runs_leaves_out_the_same_people_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file whose planning is handed over after every change ends in the same plan."""
    monkeypatch.setattr("rollcall.plans.planning.PART_SIZE", 1)
    monkeypatch.setattr("rollcall.plans.planning.RUN_SECONDS", 0.0)
    _, rows = _export(world)
    plan = _upload(world, rows, "ben")
    assert plan.counts == {"invited": 1, "declined_for_now": 3}
    assert len({change.subject for change in _of_nobody(plan)}) == 3


def test_erasing_somebody_forgets_that_they_were_left_out(world: World) -> None:
    """Nothing of the decision is left."""
    _, rows = _export(world)
    _upload(world, rows, "ana", "ben")
    person_id = world.person_id("cem")
    subject = Subject({person_id: world.source_id})
    erase(world.hub.hub_id, world.key, "e" * 32, subject, cause=Cause.REQUEST)
    run_erasure(world.hub.hub_id, "e" * 32)
    assert _left_out(world) == {"dua"}
    assert not [item for item in everything("INVITATIONS_TABLE") if person_id in json.dumps(item)]


def test_any_failure_or_death_while_a_part_is_applied_decides_once(world: World) -> None:
    """The same counts and decisions, whichever call was struck."""
    _, rows = _export(world)
    plan = _plan(world, rows[:2])
    for at in range(1, 12):
        until_quiet(
            lambda: applying.handle_pointer({"hub_id": plan.hub_id, "plan_id": plan.plan_id, "part": 1}),
            at=at,
            mode="kill_after",
        )
    drain(world)
    assert current(plan).counts == {"invited": 2, "declined_for_now": 2}
    assert len(_left_out(world)) == 2
