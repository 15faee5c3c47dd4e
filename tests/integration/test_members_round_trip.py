"""The members file, out and in again: what moved meanwhile, what spreadsheets do to a file, whose value it is."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from rollcall.exports.members import columns, member_rows, profile_names, segments_of
from rollcall.files.cells import csv_lines
from rollcall.hubs import context
from rollcall.hubs.model import PERMISSIONS
from rollcall.mapping.table import ANY, OptionTarget, ProfileTarget, Rule
from rollcall.people.events import Kind
from rollcall.plans import applying, planning
from rollcall.segments import store as segments
from rollcall.segments.model import Option, Segment
from rollcall.uploads.model import UploadKind
from tests.support.plans import approve, changes_of, current, plan_file, upload_file
from tests.support.world import RULES, World

if TYPE_CHECKING:
    from collections.abc import Callable

    from rollcall.plans.model import Plan

pytestmark = pytest.mark.usefixtures("aws")
Table = list[dict[str, str]]


@pytest.fixture
def world() -> World:
    return World().build()


def _download(world: World) -> Table:
    ctx, permissions = context.load(world.hub.hub_id), PERMISSIONS["admin"]
    profile = profile_names(ctx, permissions)
    header = columns(segments_of(ctx, permissions), profile)
    rows = [row for _, some in member_rows(ctx, permissions, profile) for row in some]
    text = b"".join(csv_lines(header, rows)).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def _text(table: Table, delimiter: str = ",") -> str:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, table[0].keys(), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(table)
    return text.getvalue()


def _upload(world: World, table: Table, delimiter: str = ",") -> Plan:
    return plan_file(world, UploadKind.MEMBERS, *_text(table, delimiter).split("\r\n"))


@pytest.mark.parametrize(
    ("people", "moved"),
    [(60, 4), pytest.param(1_000, 50, marks=[pytest.mark.long, pytest.mark.timeout(1_800)])],
)
def test_what_moved_between_download_and_approval_is_shown_and_not_overwritten(
    world: World, people: int, moved: int
) -> None:
    """Of 1,000 edits of one field, 50 whose field moved are conflicts, 50 whose other field moved are none.

    Half of them move before the file is uploaded, half between the plan and its approval.
    """
    ids = world.populate(people, Office="London", Grade="Junior")
    table = _download(world)
    edited = [row | {"Location": "Toronto"} for row in table]
    same, other = range(moved), range(moved, 2 * moved)

    def move(numbers: range, field: str, value: str) -> None:
        for number in numbers:
            name = f"person-{number:04d}"
            world.tell(world.event(f"{name}-{field}", 60, Kind.UPDATED, name, attributes={field: value}))

    _publish_paris(world)
    half = moved // 2
    move(same[:half], "Office", "Paris")
    move(other[:half], "Grade", "Senior")
    plan = _upload(world, edited)
    assert plan.counts == {"edit": people - half, "conflict": half}
    move(same[half:], "Office", "Paris")
    move(other[half:], "Grade", "Senior")
    assert approve(world, plan).counts == {"applied": people - moved, "conflict": moved}
    shown = [world.shown(member_id) for member_id in ids]
    assert [one["segments"]["location"] for one in shown[:moved]] == [["paris"]] * moved
    assert [one["segments"]["location"] for one in shown[moved:]] == [["toronto"]] * (people - moved)
    assert [one["roles"] for one in shown[moved : 2 * moved]] == [["mentor"]] * moved
    conflicts = [
        change
        for change in applying.changes(plan.hub_id, plan.plan_id, limit=people, outcome="conflict")[0]
        if change.reason == "changed_since_download"
    ]
    assert [(edit.old, edit.new) for change in conflicts for edit in change.edits] == [
        (("Paris",), ("Toronto",))
    ] * half


def _publish_paris(world: World) -> None:
    ctx = context.load(world.hub.hub_id)
    location = ctx.catalogue.segments_by_id["location"]
    grown = replace(location, options=(*location.options, Option("paris", "Paris")))
    segments.change_catalogue(world.hub.hub_id, ctx.catalogue_version, [], [grown])
    world.publish(2, (*RULES, Rule("Office", "Paris", OptionTarget("location", "paris"), 8)))


_DIALECTS: dict[str, Callable[[str], bytes]] = {
    "comma, UTF-8 with BOM": lambda text: text.encode("utf-8-sig"),
    "semicolon, UTF-8 with BOM": lambda text: text.encode("utf-8-sig"),
    "tab, UTF-16": lambda text: text.encode("utf-16"),
    "comma, old Mac line ends": lambda text: text.replace("\r\n", "\r").encode(),
}


@pytest.mark.parametrize("dialect", _DIALECTS)
def test_a_file_saved_by_a_spreadsheet_says_what_was_edited(world: World, dialect: str) -> None:
    """In any dialect that spreadsheet programs save in: one member is reactivated, and nobody else changes."""
    world.populate(3, Office="London", Languages="English")
    for name in ("person-0000", "person-0001"):
        world.tell(world.event(f"{name}-left", 60, Kind.DEACTIVATED, name))
    table = _download(world)
    first = next(row for row in table if row["email"] == "person-0000@example.com")
    first["status"] = "active"
    delimiter = {"semicolon": ";", "tab": "\t"}.get(dialect.partition(",")[0], ",")
    body = _DIALECTS[dialect](_text(table, delimiter))
    _, event = upload_file(world, UploadKind.MEMBERS, body)
    (plan,) = planning.handle_s3_event(event)
    assert plan.counts == {"edit": 1, "unchanged": 2}
    approve(world, plan)
    assert {row["email"]: row["status"] for row in _download(world)} == {
        "person-0000@example.com": "active",
        "person-0001@example.com": "inactive",
        "person-0002@example.com": "active",
    }


def test_values_with_the_separator_come_back_as_they_went(world: World) -> None:
    """Options with semicolons and quotation marks are one value each, in quotation marks or alone in their cell."""
    labels = ("Research; Development", '"Ops"', "Sales", "A;B")
    teams = Segment(
        "teams", "Teams", multi=True, options=tuple(Option(f"t{n}", label) for n, label in enumerate(labels))
    )
    ctx = context.load(world.hub.hub_id)
    segments.change_catalogue(world.hub.hub_id, ctx.catalogue_version, [], [teams])
    (member_id,) = world.populate(1)
    (row,) = _download(world)
    for cell, expected in (
        ('"Research; Development"; """Ops"""; Sales', {"t0", "t1", "t2"}),
        ("Research; Development", {"t0"}),
        ("a;b", {"t3"}),
        ("Sales;  sales ;", {"t2"}),
    ):
        approve(world, _upload(world, [row | {"Teams": cell}]))
        assert set(world.shown(member_id)["segments"]["teams"]) == expected, cell
        (row,) = _download(world)
        assert _upload(world, [row]).counts == {"unchanged": 1}
    approve(world, _upload(world, [row | {"Teams": "(clear)"}]))
    assert "teams" not in world.shown(member_id)["segments"]


def test_a_value_beside_the_directorys_own_is_a_grant_by_hand(world: World) -> None:
    """The plan says that the directory owns the field; what is written stands beside it and stays when it moves."""
    (member_id,) = world.populate(1, Office="London", Grade="Junior", Languages="English")
    (row,) = _download(world)
    plan = _upload(world, [row | {"roles": "Mentee; Mentor", "Location": "Toronto", "Languages": "English; French"}])
    (change,) = changes_of(plan)
    assert change.outcome == "edit"
    for said in ("roles", "Location", "Languages"):
        assert said in change.detail
    assert "directory" in change.detail
    approve(world, plan)
    world.tell(world.event("moved", 60, Kind.UPDATED, "person-0000", attributes={"Grade": None, "Languages": None}))
    shown = world.shown(member_id)
    assert (shown["roles"], shown["segments"]) == (["mentor"], {"location": ["toronto"], "languages": ["fr"]})


def test_an_edit_of_what_only_people_say_has_no_note(world: World) -> None:
    """Where no source says anything there is nobody to own it."""
    world.populate(1)
    (row,) = _download(world)
    (change,) = changes_of(_upload(world, [row | {"Location": "Toronto"}]))
    assert (change.outcome, change.detail) == ("edit", "")


def test_what_the_directory_gives_cannot_be_taken_away_by_file(world: World) -> None:
    """Removing the directory's own role or name is refused with where to change it; nothing of the row is done."""
    world.publish(2, (*RULES, Rule("Team", ANY, ProfileTarget("Team"), 8)))
    (member_id,) = world.populate(1, Office="London", Grade="Junior", Languages="English")
    (row,) = _download(world)
    plan = _upload(world, [row | {"roles": "Mentor", "Location": "Toronto", "last_name": "Lee"}])
    assert plan.counts == {"error": 1}
    assert changes_of(plan)[0].reason == "owned_by_directory"
    approve(world, plan)
    assert current(plan).counts == {"error": 1}
    assert world.shown(member_id)["segments"]["location"] == ["london"]
