"""A removal that waits: the person is merged, the member stays as shown."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rollcall.hubs.model import Hub
from rollcall.members.model import Hold, Member, Slice, Status, member_from_item, stored
from rollcall.members.projection import changed_its_mind, view
from rollcall.members.store import pk
from rollcall.people.events import Stamp

HUB = Hub("01JA0000000000000000000HUB", "Harbour", "0" * 32)


def _at(second: int) -> Stamp:
    return Stamp(f"2026-10-05T08:00:{second:02d}.000Z", "e")


def _member(upto: int | None = None, **said: Any) -> Member:
    part = Slice("payroll", "p", 1, 1, roles=("mentor",), **said)
    holds = {} if upto is None else {"payroll": Hold(_at(upto), "plan", "removal_held")}
    return Member("m", "a", slices={"payroll": part}, holds=holds)


def _status(member: Member, hub: Hub = HUB) -> Status:
    return view(member, hub, frozenset()).status


@pytest.mark.parametrize("what", ["deactivated", "deleted"])
def test_removal_up_to_the_hold_has_no_effect(what: str) -> None:
    """A held member stays active until the hold is gone, or the source says something newer."""
    held = _member(5, **{what: _at(5)})
    assert _status(held) is Status.ACTIVE
    assert _status(replace(held, holds={})) is not Status.ACTIVE
    assert _status(_member(5, **{what: _at(6)})) is not Status.ACTIVE


def test_hold_of_one_source_lets_the_others_remove() -> None:
    """A hold is about one source: what another says of leaving has its effect."""
    member = _member(5, deactivated=_at(5))
    other = Slice("okta", "q", 1, 1, deactivated=_at(4))
    assert _status(replace(member, slices={**member.slices, "okta": other})) is Status.INACTIVE


def test_hold_leaves_a_suspension_alone() -> None:
    """Who was suspended by an admin stays suspended while a deletion waits."""
    assert _status(replace(_member(5, deleted=_at(5)), suspended="2026-10-01")) is Status.INACTIVE


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"deactivated": _at(5)}, False),
        ({"deactivated": _at(5), "activated": _at(4)}, False),
        ({"deactivated": _at(5), "activated": _at(6)}, True),
        ({"deleted": _at(5), "activated": _at(6)}, True),
        ({"deleted": _at(7), "deactivated": _at(5), "activated": _at(6)}, False),
        ({}, True),
    ],
)
def test_newer_activation_is_a_change_of_mind(said: dict[str, Stamp], expected: object) -> None:
    """A source has changed its mind once it took the person back after all that is held."""
    member = _member(5, **said)
    assert changed_its_mind(member.slices["payroll"], member.holds["payroll"]) is expected


def test_stored_hold_comes_back_the_same() -> None:
    """A member with a hold and a deletion is read as it was written."""
    member = _member(5, deleted=_at(5))
    item = stored(member) | {"pk": pk("H", member.member_id), "rev": 0}
    assert member_from_item(item) == member
