"""What a source makes of leave, suspension, starts and eligibility."""

from __future__ import annotations

import pytest

from rollcall.hubs.model import Source
from rollcall.people.events import DirectoryEvent, Kind
from rollcall.people.merge import lift
from rollcall.runtime.errors import MalformedError
from rollcall.sources.policy import Away, EmailChoice, Leaving, Policy, PreHire, read_policy

GIVEN = {
    "leave": "deactivate",
    "suspended": "nothing",
    "pre_hire": "from_start",
    "email": "personal",
    "leaving": "deactivate",
    "eligible": {"Department": ["Field", "Partnerships"]},
}
READ = Policy(
    leave=Away.DEACTIVATE,
    suspended=Away.NOTHING,
    pre_hire=PreHire.FROM_START,
    email=EmailChoice.PERSONAL,
    leaving=Leaving.DEACTIVATE,
    eligible={"Department": ("Field", "Partnerships")},
)


def _event(attributes: dict[str, str | tuple[str, ...] | None], **more: object) -> DirectoryEvent:
    values = {"kind": Kind.UPDATED, "occurred_at": "2026-10-05T08:00:00.000Z", "attributes": attributes} | more
    return DirectoryEvent("0" * 32, "S", "E-1", **values)  # type: ignore[arg-type]


def test_policy_read_gives_every_choice() -> None:
    """All choices of the JSON are in the policy, and nothing given is the default."""
    assert read_policy(GIVEN, "$") == READ
    assert read_policy({}, "$") == Policy()


def test_policy_stored_with_its_source_comes_back_the_same() -> None:
    """A source's item holds its policy; a source stored before there were policies has the default."""
    source = Source("H", "S", "finch", "Finch", "salt", policy=READ)
    assert Source.from_item(source.to_item()) == source
    older = {name: value for name, value in source.to_item().items() if name != "policy"}
    assert Source.from_item(older).policy == Policy()


@pytest.mark.parametrize(
    ("given", "place", "code"),
    [
        ([], "$.policy", "not_an_object"),
        ({"leaves": "nothing"}, "$.policy.leaves", "unknown_policy"),
        ({"leave": "delete"}, "$.policy.leave", "bad_choice"),
        ({"email": ["work"]}, "$.policy.email", "bad_choice"),
        ({"pre_hire": None}, "$.policy.pre_hire", "bad_choice"),
        ({"eligible": ["Department"]}, "$.policy.eligible", "bad_filter"),
        ({"eligible": {"Department": []}}, "$.policy.eligible", "bad_filter"),
        ({"eligible": {"Department": "Field"}}, "$.policy.eligible", "bad_filter"),
        ({"eligible": {"Department": [1]}}, "$.policy.eligible", "bad_filter"),
        ({"eligible": {"": ["Field"]}}, "$.policy.eligible", "bad_filter"),
        ({"eligible": {str(n): ["x"] for n in range(11)}}, "$.policy.eligible", "bad_filter"),
    ],
)
def test_policy_with_a_fault_names_its_place(given: object, place: str, code: str) -> None:
    """What is wrong is named with place and code."""
    with pytest.raises(MalformedError) as caught:
        read_policy(given, "$.policy")
    assert [(fault.place, fault.code) for fault in caught.value.faults] == [(place, code)]


@pytest.mark.parametrize(
    ("attributes", "complete", "excluded"),
    [
        ({"Department": "Field"}, False, False),
        ({"department": "  PARTNERSHIPS "}, True, False),
        ({"Department": ("Sales", "Field")}, True, False),
        ({"Department": "Sales"}, False, True),
        ({"Department": None}, False, True),
        ({"Location": "Oakland"}, False, False),
        ({"Location": "Oakland"}, True, True),
    ],
)
def test_event_of_somebody_the_source_is_not_meant_for_is_told(
    attributes: dict[str, str | tuple[str, ...] | None],
    complete: bool,  # noqa: FBT001 - a column of the table
    excluded: bool,  # noqa: FBT001 - a column of the table
) -> None:
    """A partial event speaks of the fields that it mentions, a complete one of all."""
    assert READ.excludes(_event(attributes, complete=complete)) is excluded


def test_person_who_starts_later_is_admitted_on_the_day() -> None:
    """Before the start date nobody is invited, where the source says so; from then on they are."""
    fields = {"start_date": "2026-11-01"}
    person = lift(_event({"Department": "Field"}, fields=fields))
    assert not READ.admits(person, "2026-10-31")
    assert READ.admits(person, "2026-11-01")
    assert Policy().admits(person, "2026-10-31")
    assert not READ.admits(lift(_event({"Department": "Sales"}, fields=fields)), "2026-11-01")
