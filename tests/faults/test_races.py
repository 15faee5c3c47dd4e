"""Every pair of writers of members and people that can meet: neither overwrites what the other did."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from rollcall.members import store as members
from rollcall.people import store as people
from rollcall.runtime import dynamo
from tests.support.races import BASES, PAIRS, Races

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.usefixtures("aws")

SAMPLE = [
    ("member", "event_office", "event_title"),
    ("member", "event_office", "event_other_source"),
    ("member", "event_address", "event_wants_address"),
    ("member", "event_office", "patch_roles"),
    ("member", "event_office", "plan_edit"),
    ("member", "event_office", "publish"),
    ("member", "patch_hobby", "patch_city"),
    ("member", "erase", "event_office"),
    ("left", "plan_activate", "event_office"),
    ("suspended", "event_left", "plan_activate"),
    ("deleted", "restore", "event_office"),
    ("held", "release", "event_returned"),
    ("colliding", "same_person", "event_returned"),
    ("invited", "accept", "event_office"),
    ("invited", "event_left", "accept"),
    ("invited", "accept", "publish"),
    ("invited", "accept", "accept"),
]


def _some(calls: int) -> list[int]:
    """Return two places of the calls: around the write that counts. Every place is tried in the long run."""
    return [calls // 2, calls - 1]


@pytest.mark.parametrize(("base", "one", "two"), SAMPLE)
def test_second_writer_in_between_loses_nothing(base: str, one: str, two: str) -> None:
    """Whatever the second writer commits while the first is at work, the end is one that either order alone gives."""
    assert Races().check(base, one, two, _some) >= 2


WHOLE = [
    ("member", "event_office", "event_back"),
    ("colliding", "event_office", "give_address"),
    ("colliding", "same_person", "give_address"),
    ("held", "event_returned", "release"),
    ("held", "event_deleted", "publish"),
    ("left", "event_returned", "settings"),
    ("deleted", "event_wants_address", "publish"),
]


@pytest.mark.parametrize(("base", "one", "two"), WHOLE)
def test_what_was_decided_between_two_reads_of_another_writer_stays(base: str, one: str, two: str) -> None:
    """At every call, of pairs that once went wrong at one.

    An address that was given away is not brought back, and a second decision is no error. An address that was barred
    is free for somebody who is back. A deletion that is held is told so, although rules were published meanwhile.
    Who was deleted follows no new rules, be they published while somebody asks for their address.
    """
    assert Races().check(base, one, two) >= 10


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("base", "one"), sorted({(base, one) for base, one, _ in PAIRS}))
def test_any_second_writer_at_every_call_loses_nothing(base: str, one: str, figure: Callable[[str], None]) -> None:
    """The same for every pair that can meet, at each AWS call of the first."""
    races = Races()
    seconds = [two for pair_base, pair_one, two in PAIRS if (pair_base, pair_one) == (base, one)]
    runs = sum(races.check(base, one, two) for two in seconds)
    assert runs >= 5 * len(seconds)
    figure(f"races, {base}: {one} met {len(seconds)} other writers, {runs} races, no lost update")


def test_writers_that_meet_change_different_things() -> None:
    """Each writer of a base does something alone: a pair that changes nothing would prove nothing."""
    races = Races()
    for base, (_, writers) in BASES.items():
        for name in writers:
            is_seen = races.alone(base, name) != races.untouched(base)
            assert is_seen or (base, name) in MEET_ONLY, f"{name} in {base}"


# Where nobody is a member yet, or any more, new rules change nobody; and one who is invited is not invited twice.
MEET_ONLY = {
    ("invited", "publish"),
    ("invited", "add_option"),
    ("invited", "invite_again"),
    ("deleted", "publish"),
    # Whom no event has taken back yet is as inactive by one setting as by the other.
    ("left", "settings"),
    ("suspended", "settings"),
    ("held", "settings"),
}

LOST = [
    (members, "member", "patch_hobby", "patch_city"),
    (members, "member", "patch_hobby", "event_office"),
    (people, "member", "event_office", "event_title"),
    (people, "invited", "accept", "event_office"),
]


@pytest.mark.parametrize(("module", "base", "one", "two"), LOST)
def test_without_the_revision_check_an_update_is_lost(
    module: Any, base: str, one: str, two: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The races above would notice: with the condition on the revision taken out, the same check fails."""
    without_revision_check(monkeypatch, module.TABLE)
    with pytest.raises(AssertionError, match="before call"):
        Races().check(base, one, two)


def without_revision_check(monkeypatch: pytest.MonkeyPatch, table: str) -> None:
    """Take the condition on the revision out of every write of a table."""
    plain = dynamo.put_action

    def put(name: str, item: dynamo.Item, condition: str = "", values: Any = None) -> dynamo.Action:
        return plain(name, item) if name == table else plain(name, item, condition, values)

    monkeypatch.setattr(dynamo, "put_action", put)
