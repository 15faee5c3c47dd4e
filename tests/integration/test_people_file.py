"""The people file: the full list of a source's people, each row one complete event through the ordinary event path."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from rollcall.exports import people as export
from rollcall.files.cells import csv_lines
from rollcall.hubs.model import PERMISSIONS
from rollcall.people import store as people
from rollcall.people.events import DirectoryEvent, Kind
from rollcall.people.merge import Person
from rollcall.people.model import EventState
from rollcall.people.rows import header_of
from rollcall.plans import planning
from rollcall.plans.model import Plan, PlanState
from rollcall.runtime import dynamo
from rollcall.runtime.times import now, to_text
from rollcall.uploads.model import UploadKind
from tests.support.plans import approve, changes_of, plan_file, report_of
from tests.support.world import SOURCE, World, everything, logged

pytestmark = pytest.mark.usefixtures("aws")

HEADER = "external_id,email,first_name,last_name,status,Office,HRIS: Languages"
MAYA = "E-1,maya@example.com,Maya,Okafor,active,London,English; French"


@pytest.fixture
def world() -> World:
    return World().build()


def _plan(world: World, *lines: str, **announced: str) -> Plan:
    return plan_file(world, UploadKind.PEOPLE, *lines, source_id=SOURCE, **announced)


def _person(world: World, external_id: str = "E-1") -> Person:
    record = people.get_person(world.hub.hub_id, world.person_id(external_id))
    assert record is not None
    return record.person


def _tell(world: World, external_id: str, seconds: int = 0, kind: Kind = Kind.ADDED, **attributes: Any) -> None:
    name = external_id.lower()
    fields = {"email": f"{name}@example.com", "first_name": name, "last_name": "Okafor"}
    world.tell(world.event(f"{name}-{seconds}", seconds, kind, external_id, fields=fields, attributes=attributes))


def _event_now(world: World, name: str, **said: Any) -> DirectoryEvent:
    """Return an event that happens after the upload."""
    return replace(world.event(name, 0, **said), occurred_at=to_text(now() + timedelta(minutes=1)))


def test_a_list_is_shown_then_applied_as_events(world: World) -> None:
    """New, changed and unchanged people are told apart, old → new; applied, each is an event of the log."""
    _tell(world, "E-2", Office="London")
    _tell(world, "E-3", Office="Toronto")
    lines = (MAYA, "E-2,e-2@example.com,e-2,Okafor,,Toronto,", "E-3,e-3@example.com,e-3,Okafor,,Toronto,")
    plan = _plan(world, HEADER, *lines)
    assert (plan.state, plan.counts) == (PlanState.AWAITING_APPROVAL, {"create": 1, "change": 1, "unchanged": 1})
    created, changed, unchanged = changes_of(plan)
    assert {edit.field: edit.new for edit in created.edits} == {
        "email": ("maya@example.com",),
        "first_name": ("Maya",),
        "last_name": ("Okafor",),
        "status": ("active",),
        "Office": ("London",),
        "Languages": ("English", "French"),
    }
    assert [(edit.field, edit.old, edit.new) for edit in changed.edits] == [("Office", ("London",), ("Toronto",))]
    assert unchanged.edits == ()
    assert len(everything("EVENTS_TABLE")) == 2
    assert approve(world, plan).counts == {"created": 1, "changed": 1, "unchanged": 1}
    assert _person(world).values() == {"Office": "London", "Languages": ("English", "French")}
    assert _person(world, "E-2").values() == {"Office": "Toronto"}
    log = logged()
    assert sorted(one.state for one in log) == [EventState.APPLIED] * 4 + [EventState.NO_CHANGE]
    persons = [world.person_id(name) for name in ("E-1", "E-2", "E-2", "E-3", "E-3")]
    assert sorted(str(one.person_id) for one in log) == sorted(persons)
    assert all(one.event is not None and one.event.complete for one in log[2:] if one.reason == "same_values")


def test_a_record_is_complete_and_members_follow_it(world: World) -> None:
    """What the file does not say is gone; a member who is not active there becomes inactive, and the plan says so."""
    _tell(world, "E-2", Office="London", Grade="Senior")
    member_id = world.enrol("E-2")
    plan = _plan(world, HEADER, "E-2,e-2@example.com,e-2,Okafor,inactive,Toronto,")
    (change,) = changes_of(plan)
    assert {edit.field: (edit.old, edit.new) for edit in change.edits} == {
        "Office": (("London",), ("Toronto",)),
        "Grade": (("Senior",), ()),
        "status": (("active",), ("inactive",)),
    }
    assert change.reason == "becomes_inactive"
    approve(world, plan)
    shown = world.shown(member_id)
    assert (shown["status"], shown["segments"]["location"]) == ("inactive", ["toronto"])


@pytest.mark.parametrize("is_later", [True, False])
def test_newer_events_win_and_older_ones_lose(world: World, *, is_later: bool) -> None:
    """An event from after the list stays, whether it came before or after the plan; one from before it loses."""
    newer = _event_now(world, "newer", attributes={"Office": "Paris"})
    older = world.event("older", 5, attributes={"Office": "Rome", "Desk": "4"})
    if not is_later:
        world.tell(newer)
    plan = _plan(world, HEADER, MAYA)
    if is_later:
        world.tell(newer)
    else:
        assert "Office" in changes_of(plan)[0].detail
    result = approve(world, plan)
    world.tell(older)
    assert result.counts == ({"conflict": 1} if is_later else {"changed": 1})
    if is_later:
        assert "Office: Paris" in report_of(plan)[0]["reason"]
    assert _person(world).values() == {"Office": "Paris", "Languages": ("English", "French")}
    assert _person(world).text("email") == "maya@example.com"


def test_a_list_of_an_earlier_time_loses_to_what_came_since(world: World) -> None:
    """``as_of``, for the file or for a row, is the time of its events."""
    _tell(world, "E-1", 60, Office="Toronto")
    header, row = f"{HEADER},as_of", f"{MAYA},"
    plan = _plan(world, header, row, as_of=to_text(now() - timedelta(days=365)))
    assert [edit.field for edit in changes_of(plan)[0].edits if edit.field == "Office"] == []
    approve(world, plan)
    assert _person(world).values()["Office"] == "Toronto"
    plan = _plan(world, header, f"{MAYA},2020-01-31")
    approve(world, plan)
    assert _person(world).values()["Office"] == "Toronto"
    approve(world, _plan(world, header, row))
    assert _person(world).values()["Office"] == "London"


def test_rows_with_faults_are_named_and_the_rest_goes_on(world: World) -> None:
    """Every fault has its column; rows about one person, nearly one id or one e-mail are told; the first one has it."""
    lines = (
        ",nobody@example.com,A,B,,,,",
        "E-7,a@example.com,A,B,gone,,,",
        f"{MAYA},2026-10-01",
        f"{MAYA},2026-10-01",
        "e-1,other@example.com,A,B,,,,",
        "E-9,maya@example.com,A,B,,,,2026-10-02",
        "E-10,,A,B,,,,",
    )
    plan = _plan(world, f"{HEADER},as_of", *lines)
    assert plan.counts == {"create": 4, "error": 3}
    told = [change.reason for change in changes_of(plan)]
    assert told == ["bad_id", "unknown_status", "", "duplicate_of_row", "looks_alike", "same_email", "no_email"]
    assert approve(world, plan).counts == {"created": 3, "error": 3, "held": 1}
    assert [row["result"] for row in report_of(plan)] == [
        "error",
        "error",
        "created",
        "error",
        "created",
        "held",
        "created",
    ]


@pytest.mark.parametrize(
    ("header", "row", "reason"),
    [
        ("external_id,source_id", f"E-1,{'0' * 26}", "other_source"),
        ("external_id,end_date", "E-1,31.12.2026", "bad_date"),
        ("external_id,as_of", "E-1,soon", "bad_time"),
        ("external_id,as_of", "E-1,2999-01-01", "future_time"),
        ("external_id,status", "E-1,Terminated", "unknown_status"),
    ],
)
def test_a_cell_that_cannot_be_read_is_a_fault_at_its_column(world: World, header: str, row: str, reason: str) -> None:
    """Nothing is guessed: the row is left out and says why."""
    (change,) = changes_of(_plan(world, header, row))
    assert (change.outcome, change.reason) == ("error", reason)
    assert change.detail.startswith(f"{header.partition(',')[2]}: ")


def test_people_missing_from_the_list_are_told_and_left_alone(world: World) -> None:
    """Nobody is removed for not being in a file; one who has the name of a row under another id is pointed out."""
    _tell(world, "E-2", Office="London")
    world.enrol("E-2")
    _tell(world, "E-3", Office="London")
    plan = _plan(world, HEADER, "X-3,e-3.new@example.com,E-3,OKAFOR,,,")
    missing = [change for change in changes_of(plan) if change.outcome == "missing"]
    assert {change.cells["external_id"]: change.reason for change in missing} == {
        "E-2": "missing",
        "E-3": "looks_alike",
    }
    assert approve(world, plan).counts == {"created": 1, "missing": 2}
    assert _person(world, "E-2").status == "active"


def test_what_is_never_stored_is_not_read(world: World) -> None:
    """Denied columns are named, and their values are neither in the plan nor in the log."""
    plan = _plan(world, f"{HEADER},Date of birth,IBAN", f"{MAYA},1990-01-01,GB00SECRET")
    assert plan.counts == {"create": 1, "not_taken": 2}
    approve(world, plan)
    assert _person(world).values().keys() == {"Office", "Languages"}
    assert "GB00SECRET" not in repr([changes_of(plan), everything("EVENTS_TABLE"), report_of(plan)])


@pytest.mark.parametrize("is_late", [True, False])
def test_a_deleted_or_erased_person_is_not_brought_back(world: World, *, is_late: bool) -> None:
    """The row is refused, before or after the plan, and nothing of it is kept where the plan saw it."""
    _tell(world, "E-1", Office="London")
    if not is_late:
        _tell(world, "E-1", 60, Kind.DELETED)
    plan = _plan(world, HEADER, MAYA)
    if is_late:
        _tell(world, "E-1", 60, Kind.DELETED)
    else:
        assert set(changes_of(plan)[0].cells.values()) == {""}
    before = len(everything("EVENTS_TABLE"))
    assert approve(world, plan).counts == {"erased": 1}
    assert len(everything("EVENTS_TABLE")) == before
    assert _person(world).status == "deleted"


def test_an_erased_person_stays_a_tombstone(world: World) -> None:
    """The tombstone lies at the person's key: an old list finds it there."""
    _tell(world, "E-1")
    record = people.get_person(world.hub.hub_id, world.person_id())
    assert record is not None
    gone = replace(record, person=Person(SOURCE, "", erased=True), member_id=None, address_id=None)
    dynamo.write([people.put_person(world.hub.hub_id, gone, "test", to_text(now()))])
    plan = _plan(world, HEADER, MAYA)
    assert approve(world, plan).counts == {"erased": 1}
    assert _person(world).erased


def test_a_file_for_a_source_that_is_gone_fails_with_a_sentence(world: World) -> None:
    """The plan says what is wrong, and nothing was planned."""
    plan = plan_file(world, UploadKind.PEOPLE, HEADER, MAYA, source_id="01JA0000000000000000000XXX")
    assert plan.state is PlanState.FAILED
    assert [fault.code for fault in plan.faults] == ["unknown_source"]


def _exported(world: World, role: str = "admin") -> list[str]:
    hub_id, permissions = world.hub.hub_id, PERMISSIONS[role]
    names = export.attribute_names(hub_id, SOURCE, permissions)
    rows = [row for _, some in export.person_rows(hub_id, SOURCE, names, permissions) for row in some]
    lines = csv_lines(header_of(names), rows)
    return b"".join(lines).decode("utf-8-sig").splitlines()


def test_an_exported_list_changes_nothing_until_it_is_edited(world: World) -> None:
    """Values with separators, formulas, quotes, several values, odd names and texts too long for a cell come back."""
    odd: Any = {
        "Team; North": ("A; B", '"quoted"', "plain"),
        "status": "On leave",
        "@type": "=SUM(A1)",
        "Notes": "x" * 4_090,
        "external_id": "inner",
        "List": ("only",),
    }
    world.tell(world.event("one", 0, Kind.ADDED, fields={"email": "maya@example.com"}, attributes=odd))
    _tell(world, "E-2", Office="London")
    lines = _exported(world)
    plan = _plan(world, *lines)
    assert plan.counts == {"unchanged": 2}, [change.edits for change in changes_of(plan)]
    approve(world, plan)
    after = _person(world).values()
    assert {name: after[name] for name in odd} == {**odd, "List": "only"}
    table = list(csv.DictReader(io.StringIO("\n".join(lines))))
    edited = [row | {"HRIS: Office": "Toronto"} if row["external_id"] == "E-2" else row for row in table]
    text = io.StringIO()
    writer = csv.DictWriter(text, table[0].keys(), delimiter=";")
    writer.writeheader()
    writer.writerows(edited)
    plan = _plan(world, *text.getvalue().splitlines())
    assert plan.counts == {"unchanged": 1, "change": 1}


def test_a_list_for_those_who_may_not_see_attributes_has_none(world: World) -> None:
    """Names and addresses are for everybody who exports; what the HR system has beside them is not."""
    fields = {"email": "maya@example.com", "end_date": "2027-01-31"}
    world.tell(world.event("one", 0, Kind.ADDED, fields=fields, attributes={"Grade": "Senior"}))
    text = "\n".join(_exported(world, "inviter"))
    assert "maya@example.com" in text
    assert "Grade" not in text
    assert "2027" not in text


def test_an_attribute_keeps_the_spelling_that_the_source_uses(world: World) -> None:
    """A column ``office`` is the attribute ``Office`` of those who have it: nobody changes for its case."""
    _tell(world, "E-1", Office="London")
    plan = _plan(world, "external_id,email,first_name,last_name, OFFICE", "E-1,e-1@example.com,e-1,Okafor,London")
    assert plan.counts == {"unchanged": 1}


def test_a_long_list_is_planned_in_several_runs(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Duplicates and missing people are found across runs, and every row once."""
    _tell(world, "E-9999")
    monkeypatch.setattr(planning, "RUN_SECONDS", -1.0)
    rows = [f"P-{n},p-{n}@example.com,P,{n},,," for n in range(401)]
    plan = _plan(world, HEADER, *rows, rows[0])
    for run in range(5):
        planning.handle_pointer({"hub_id": plan.hub_id, "plan_id": plan.plan_id, "run": run})
    found = dynamo.get("PLANS_TABLE", f"{plan.hub_id}#L#{plan.plan_id}")
    assert found is not None
    assert (found["state"], found["counts"]) == ("awaiting_approval", {"create": 401, "error": 1, "missing": 1})
