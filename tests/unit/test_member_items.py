"""A member as they are stored: everything that is there comes back, and nothing else takes room."""

from __future__ import annotations

import pytest

from rollcall.members.model import Change, Hold, Manual, Member, Slice, member_from_item, stored
from rollcall.members.store import pk
from rollcall.people.events import Stamp

AT = Stamp("2026-10-05T08:00:00.000Z", "e")
CHANGE = Change("event:e", "directory", AT.at)
MEMBERS = {
    "no address, no table yet": Member("m", "", slices={"payroll": Slice("payroll", "p", 1, 0)}, change=CHANGE),
    "by hand only": Member(
        "m",
        "a",
        manual=Manual(roles=("mentor",), segments={"location": ("oslo",)}, profile={"Desk": "4"}),
        change=CHANGE,
    ),
    "everything": Member(
        "m",
        "a",
        slices={
            "payroll": Slice(
                *("payroll", "p", 3, 2, "maya@example.com", "Maya", "Okafor", ("mentee",)),
                *({"location": ("london",)}, {"Desk": "5"}, AT, AT, AT, AT),
            )
        },
        manual=Manual(("mentor",), {"location": ("oslo",)}, {"Desk": "4"}, "m@example.com", "M", "O"),
        kept_roles=("mentor",),
        reactivated=AT,
        suspended=AT.at,
        created_at=AT.at,
        holds={"payroll": Hold(AT, "plan", "removal_held")},
        recent_changes=("c",),
        change=CHANGE,
    ),
}


@pytest.mark.parametrize("name", MEMBERS)
def test_member_comes_back_as_they_were_stored(name: str) -> None:
    """Whatever is empty or 0."""
    member = MEMBERS[name]
    assert member_from_item(stored(member) | {"pk": pk("H", "m"), "rev": 0}) == member


def test_nothing_that_is_empty_is_stored_nor_what_the_key_says() -> None:
    """Each byte is paid for at every write."""
    assert stored(MEMBERS["no address, no table yet"]) == {
        "slices": {"payroll": {"person_id": "p", "person_rev": 1, "table_version": 0}},
        "cause": "event:e",
        "actor": "directory",
        "changed_at": AT.at,
    }
