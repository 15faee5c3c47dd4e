"""What edits of members must hold, whatever the member, the directory and the order."""

from __future__ import annotations

import json
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from rollcall.hubs.model import Hub
from rollcall.members.edits import (
    ColumnEdit,
    Verdict,
    by_hand,
    current_values,
    edit_member,
    judge,
    reverse,
    reversible,
)
from rollcall.members.model import Manual, Member, Slice
from rollcall.members.projection import single_valued, view, with_slice
from rollcall.members.version_token import make_token
from rollcall.people.events import Stamp
from rollcall.privacy.hashing import derive
from rollcall.segments.model import Catalogue, Option, Role, Segment

HUB = Hub("01J00000000000000000000001", "Mentors", "00")
KEY = derive("0" * 64, "00")
ROLES = ("r1", "r2", "r3")
OPTIONS = ("o1", "o2", "o3")
CATALOGUE = Catalogue(
    roles=tuple(Role(role, role) for role in ROLES),
    segments=(
        Segment("one", "Location", options=tuple(Option(o, o) for o in OPTIONS)),
        Segment("many", "Languages", multi=True, options=tuple(Option(o, o) for o in OPTIONS)),
    ),
)
COLUMNS = ("status", "roles", "segment:one", "segment:many", "profile:Job title", "first_name")
AT = "2026-10-05T08:00:00.000Z"

subsets = st.lists(st.sampled_from(OPTIONS), unique=True, max_size=3).map(tuple)
roles = st.lists(st.sampled_from(ROLES), unique=True, max_size=3).map(tuple)
texts = st.sampled_from(["", "Coach", "Łukasz", "久美子"])
times = st.sampled_from(["2026-10-01T00:00:00.000Z", "2026-10-05T08:00:00.000Z", "2026-11-01T00:00:00.000Z"])
stamps = st.one_of(st.none(), st.builds(Stamp, times, st.sampled_from(["aa", "ff"])))


@st.composite
def slices(draw: st.DrawFn, source_id: str) -> Slice:
    one = draw(subsets)[:1]
    return Slice(
        source_id,
        "p" + source_id,
        1,
        1,
        first_name=draw(texts),
        roles=draw(roles),
        segments={"one": one, "many": draw(subsets)},
        profile={"Job title": draw(texts)},
        activated=draw(stamps),
        deactivated=draw(stamps),
    )


@st.composite
def members(draw: st.DrawFn) -> Member:
    manual = Manual(
        roles=draw(roles),
        segments={"one": draw(subsets)[:1], "many": draw(subsets)},
        profile={"Job title": draw(texts)},
        first_name=draw(texts),
    )
    parts = [draw(slices(source_id)) for source_id in draw(st.sampled_from([(), ("s1",), ("s1", "s2")]))]
    return Member(
        "m" * 32,
        "a" * 32,
        {part.source_id: part for part in parts},
        manual,
        kept_roles=("r1",),
        suspended=draw(st.one_of(st.none(), times)),
    )


@st.composite
def edits(draw: st.DrawFn) -> list[ColumnEdit]:
    new = {
        "status": st.sampled_from([("active",), ("inactive",)]),
        "roles": roles,
        "segment:one": subsets.map(lambda value: value[:1]),
        "segment:many": subsets,
        "profile:Job title": texts.map(lambda text: (text,) if text else ()),
        "first_name": texts.map(lambda text: (text,) if text else ()),
    }
    columns = draw(st.lists(st.sampled_from(COLUMNS), unique=True))
    return [ColumnEdit(column, (), draw(new[column])) for column in columns]


@given(members(), edits())
def test_an_edit_that_is_not_refused_is_what_the_member_then_shows(member: Member, wanted: list[ColumnEdit]) -> None:
    """Every column shows what was asked for, or is named as refused; the others show what they did."""
    before = current_values(member, COLUMNS, HUB, CATALOGUE)
    edited, refused = edit_member(member, wanted, HUB, CATALOGUE, AT)
    after = current_values(edited, COLUMNS, HUB, CATALOGUE)
    asked = {edit.column: edit.new for edit in wanted}
    for column in COLUMNS:
        if column in refused:
            continue
        assert set(after[column]) == set(asked.get(column, before[column]))
    assert "roles" not in asked or asked["roles"] or "roles" in refused


@given(members(), edits())
def test_an_edit_never_touches_what_a_source_says(member: Member, wanted: list[ColumnEdit]) -> None:
    """Slices, ids and kept roles are as before, so that sync goes on from what the directory says."""
    edited, _ = edit_member(member, wanted, HUB, CATALOGUE, AT)
    assert (edited.slices, edited.member_id, edited.address_id) == (member.slices, member.member_id, member.address_id)


@given(members(), edits())
def test_the_same_edit_again_changes_nothing(member: Member, wanted: list[ColumnEdit]) -> None:
    """A second run of an edit, later, gives the member that the first run gave, but for no earlier reactivation."""
    once, _ = edit_member(member, wanted, HUB, CATALOGUE, AT)
    twice, _ = edit_member(once, wanted, HUB, CATALOGUE, AT)
    assert twice == once


@given(members(), edits(), slices("s1"))
def test_a_sync_after_an_edit_keeps_what_was_set_by_hand(
    member: Member, wanted: list[ColumnEdit], coming: Slice
) -> None:
    """Grants that the edit made survive a later update from the directory."""
    edited, refused = edit_member(member, wanted, HUB, CATALOGUE, AT)
    synced = with_slice(edited, replace(coming, person_rev=2), HUB, single_valued(CATALOGUE))
    assert synced.manual == edited.manual
    if not refused:
        assert set(edited.manual.roles) <= set(view(synced, HUB, single_valued(CATALOGUE)).roles)


@given(members(), members(), st.sampled_from(COLUMNS))
def test_a_cell_that_nobody_edited_is_never_an_edit(exported: Member, current: Member, column: str) -> None:
    """Whatever the member became since the download, the exported value is no edit and no conflict."""
    then = current_values(exported, COLUMNS, HUB, CATALOGUE)
    now = current_values(current, COLUMNS, HUB, CATALOGUE)
    token = make_token(KEY, exported.member_id, then)
    found = judge(token, KEY, exported.member_id, column, current=now[column], given=then[column])
    assert found is Verdict.UNCHANGED


@given(members(), members(), st.sampled_from(COLUMNS), subsets)
def test_an_edited_cell_is_a_conflict_exactly_if_the_value_moved(
    exported: Member, current: Member, column: str, given_value: tuple[str, ...]
) -> None:
    """An edit that differs from both is taken where the member stayed, and is a conflict where it moved."""
    then = current_values(exported, COLUMNS, HUB, CATALOGUE)
    now = current_values(current, COLUMNS, HUB, CATALOGUE)
    if set(given_value) in (set(then[column]), set(now[column])):
        return
    token = make_token(KEY, exported.member_id, then)
    found = judge(token, KEY, exported.member_id, column, current=now[column], given=given_value)
    assert found is (Verdict.EDITED if then[column] == now[column] else Verdict.CONFLICT)


def _essence(member: Member) -> Member:
    """Return the member without empty values, which say the same as none."""
    segments = {name: options for name, options in member.manual.segments.items() if options}
    return replace(member, manual=replace(member.manual, segments=segments))


def _hand(before: Member, after: Member, wanted: list[ColumnEdit]) -> dict[str, list[object]]:
    pairs = {edit.column: [by_hand(before, edit.column), by_hand(after, edit.column)] for edit in wanted}
    stored: dict[str, list[object]] = json.loads(json.dumps(pairs))
    return stored


@given(members(), edits(), st.lists(slices("s1"), max_size=1), stamps)
def test_undoing_an_edit_is_the_identity_where_nobody_edited_since(
    member: Member, wanted: list[ColumnEdit], told: list[Slice], reactivated: Stamp | None
) -> None:
    """What admins had decided is back, whatever the directory said in between; what it said is as it said."""
    member = replace(member, reactivated=reactivated)
    edited, _ = edit_member(member, wanted, HUB, CATALOGUE, AT)
    hand = _hand(member, edited, wanted)
    since = edited
    for part in told:
        since = replace(since, slices={**since.slices, "s1": part})
    undone = reverse(since, reversible(since, hand))
    assert _essence(undone) == _essence(replace(member, slices=since.slices))
    again = reverse(undone, reversible(undone, _hand(since, undone, wanted)))
    assert _essence(again) == _essence(since)


@given(members(), edits(), edits())
def test_undoing_an_edit_never_touches_what_somebody_edited_since(
    member: Member, wanted: list[ColumnEdit], later: list[ColumnEdit]
) -> None:
    """A column on which an admin decided anew keeps that; every other column is as before the edit."""
    edited, _ = edit_member(member, wanted, HUB, CATALOGUE, AT)
    since, _ = edit_member(edited, later, HUB, CATALOGUE, "2026-12-01T00:00:00.000Z")
    undone = reverse(since, reversible(since, _hand(member, edited, wanted)))
    asked = {edit.column for edit in wanted}
    for column in COLUMNS:
        is_decided_anew = by_hand(since, column) != by_hand(edited, column)
        kept = since if is_decided_anew or column not in asked else member
        assert by_hand(undone, column) == by_hand(kept, column)
