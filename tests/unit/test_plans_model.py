"""Plans, changes, reports and proposals: the pure parts."""

from __future__ import annotations

import csv
import io

import pytest

from rollcall.hubs.model import Hub
from rollcall.mapping.table import ANY, MappingTable, OptionTarget, RoleTarget, Rule
from rollcall.members.edits import ColumnEdit, edit_member
from rollcall.members.model import Member, Slice, Status
from rollcall.members.projection import view
from rollcall.people.events import Stamp
from rollcall.plans import parts, report
from rollcall.plans.model import Change, Edit, Plan, PlanKind, PlanState, Result
from rollcall.plans.proposal import (
    NameTakenError,
    Proposal,
    compare_rules,
    extend,
    proposal_from_json,
    proposal_to_json,
)
from rollcall.runtime.errors import Fault
from rollcall.segments.model import Catalogue, Option, Role, Segment, Visibility
from rollcall.uploads.model import read_key, safe_filename

HUB = "01J00000000000000000000001"
CATALOGUE = Catalogue((Role("r1", "Mentor"),), (Segment("s1", "Location", options=(Option("o1", "London"),)),))
PROPOSAL = Proposal(
    MappingTable(2, (Rule("Office", "Oslo", OptionTarget("s1", "o2"), 2), Rule("Grade", "A", RoleTarget("r2"), 3))),
    roles=(Role("r2", "Sponsor", order=2),),
    segments=(Segment("s2", "Team", visibility=Visibility.HIDDEN, options=(Option("o3", "Blue"),)),),
    options=(("s1", Option("o2", "Oslo")),),
    visibility=(("s1", Visibility.PRIVATE),),
)


def test_a_plan_and_its_changes_survive_storing() -> None:
    """What is read back is what was written, line separators in cells included."""
    faults = (Fault("C2", "missing_value", "Write it."),)
    plan = Plan("p" * 32, HUB, PlanKind.INVITES, PlanState.PLANNING, "u", "a", "a@example.com", "2026", faults=faults)
    assert Plan.from_item(plan.to_item()) == plan
    change = Change(
        2,
        "edit",
        todo=True,
        edits=(Edit("Team", ("a",), (), "segment:1"),),
        data={"edits": [["roles", [], ["r1"]]]},
        cells={"first_name": "Łukasz\u2028\n久美子"},
        id="00001-0001",
    )
    assert parts.from_lines(parts.to_lines([change, change])) == [change, change]


def test_a_report_can_be_uploaded_again() -> None:
    """The report keeps the columns of the file, replaces an older result, and holds no formula."""
    first = Change(2, "error", reason="bad_email", detail="No address.", cells={"email": "=1+1", "result": "old"})
    second = Change(3, "invite", todo=True, cells={"email": "a@example.com", "result": ""}, id="00001-0002")
    done = report.with_result(second, Result("invited"))
    text = b"".join(report.lines([first, done])).decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert rows == [
        ["email", "result", "reason"],
        ["'=1+1", "error", "No address."],
        ["a@example.com", "invited", ""],
    ]


def test_a_report_without_rows_has_a_header() -> None:
    """A file with a header only gives a report with a header only."""
    assert b"".join(report.lines([])).decode("utf-8-sig") == "result,reason\r\n"


def test_a_proposal_extends_the_catalogue_once() -> None:
    """Everything new gets in with its id, and a catalogue that has it already needs no write."""
    assert proposal_from_json(proposal_to_json(PROPOSAL)) == PROPOSAL
    first = extend(CATALOGUE, PROPOSAL)
    assert [role.role_id for role in first.roles] == ["r2"]
    assert {segment.segment_id for segment in first.segments} == {"s1", "s2"}
    location = first.catalogue.segment("location")
    assert location is not None
    assert ([option.label for option in location.options], location.visibility) == (
        ["London", "Oslo"],
        Visibility.PRIVATE,
    )
    again = extend(first.catalogue, PROPOSAL)
    assert (again.roles, again.segments, again.catalogue) == ((), (), first.catalogue)


@pytest.mark.parametrize(
    "catalogue",
    [
        Catalogue((Role("other", "sponsor"),), CATALOGUE.segments),
        Catalogue((), (*CATALOGUE.segments, Segment("other", "TEAM"))),
        Catalogue((), (Segment("s1", "Location", options=(Option("other", "oslo"),)),)),
        Catalogue(),
    ],
)
def test_a_name_that_somebody_took_meanwhile_is_refused(catalogue: Catalogue) -> None:
    """A role, segment or option of the same name with another id, or a segment that is gone, stops the proposal."""
    with pytest.raises(NameTakenError):
        extend(catalogue, PROPOSAL)


def test_rules_are_compared_by_field_and_value() -> None:
    """Rules of other spelling are the same; new, changed and gone ones are told in words."""
    old = MappingTable(1, (Rule("office", "london ", OptionTarget("s1", "o1"), 2), Rule("X", ANY, RoleTarget("r1"), 3)))
    new = MappingTable(
        2, (Rule("Office", "London", OptionTarget("s1", ANY), 2), Rule("Grade", "A", RoleTarget("r1"), 4))
    )
    found = compare_rules(old, new, CATALOGUE)
    assert [(rule.field, rule.outcome, rule.old, rule.new) for rule in found] == [
        ("Office", "rule_changed", ("Location: London",), ("Location: *",)),
        ("Grade", "rule_new", (), ("Role: Mentor",)),
        ("X", "rule_gone", ("Role: Mentor",), ()),
    ]


@pytest.mark.parametrize(
    ("at", "expected"),
    [("2026-09-30", Status.ACTIVE), ("2026-10-02", Status.INACTIVE), ("2026-12-01", Status.INACTIVE)],
)
def test_a_reactivation_counts_for_the_deactivation_it_undoes_and_those_before(at: str, expected: Status) -> None:
    """A deactivation that comes late but is older than the one undone does not count any more; a newer one does."""
    hub = Hub(HUB, "Mentors", "00")
    part = Slice("src", "p", 1, 1, roles=("r1",), deactivated=Stamp("2026-10-01", "aa"))
    member = Member("m", "a", {"src": part}, suspended="2026-09-01")
    edits = [ColumnEdit("status", ("inactive",), ("active",))]
    edited, refused = edit_member(member, edits, hub, CATALOGUE, "2026-11-01")
    later = Slice("src", "p", 2, 1, roles=("r1",), deactivated=Stamp(at, "bb"))
    after = Member("m", "a", {"src": later}, reactivated=edited.reactivated, suspended=edited.suspended)
    assert refused == ()
    assert view(edited, hub, frozenset()).status is Status.ACTIVE
    assert view(after, hub, frozenset()).status is expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("näher + 1.csv", "näher + 1.csv"),
        ("../../etc/passwd", "etc_passwd"),
        ("a\u202eb\x00.csv", "a_b_.csv"),
        (" . ", "file.csv"),
        ("${filename}", "filename"),
        ("久" * 200, "久" * 85),
    ],
)
def test_a_file_name_is_kept_without_path_and_controls(given: str, expected: str) -> None:
    """Any script stays; what would lead elsewhere or reorder the text goes; S3's key stays short enough."""
    assert safe_filename(given) == expected


@pytest.mark.parametrize("key", ["", "uploads", f"uploads/{HUB}/invites/x/file.csv", f"exports/{HUB}/a/{HUB}/f.csv"])
def test_a_key_of_another_form_names_no_upload(key: str) -> None:
    """Only keys that the API gave out are read; a name with slashes stays a name."""
    assert read_key(key) is None
    found = read_key(f"uploads/{HUB}/invites/{HUB}/a/b.csv")
    assert found is not None
    assert (found.hub_id, found.upload_id) == (HUB, HUB)
