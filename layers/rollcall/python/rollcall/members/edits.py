"""What an edited value of a member changes: the manual part and the admin's decisions, not what a source says. Pure.

A column is what an admin edits: ``status``, ``roles``, ``segment:<id>``, ``profile:<name>``, ``first_name``,
``last_name``. Its value is a tuple: ids of roles or options, or one text; empty for no value (``version_token``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from rollcall.members import projection
from rollcall.members.model import Manual, Member, Status
from rollcall.members.projection import single_valued, view
from rollcall.members.version_token import column_values, moved
from rollcall.people.events import Stamp

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rollcall.hubs.model import Hub
    from rollcall.privacy.hashing import HubKey
    from rollcall.segments.model import Catalogue, Option, Role

Value = tuple[str, ...]
SEGMENT, PROFILE = "segment:", "profile:"
# Not a column of the file: beside "status", it lets the token tell which deactivation was seen.
_DEACTIVATION = "deactivation"
# Sorts after every event id: one deactivation may be told by several events.
_LAST_OF_ITS_TIME = "~"


class Verdict(StrEnum):
    """What a cell of an uploaded members file asks for."""

    UNCHANGED = "unchanged"
    EDITED = "edited"
    CONFLICT = "conflict"


@dataclass(frozen=True, slots=True, repr=False)
class ColumnEdit:
    """One column of one member: what it showed when it was planned, and what it is to show.

    Attributes
    ----------
    seen
        For a status: the time of the newest deactivation when it was planned. A reactivation undoes those up to it
        and none after it; ``None`` takes the member's newest.
    """

    column: str
    old: Value
    new: Value
    seen: str | None = None

    @property
    def reactivates(self) -> bool:
        """Sets the status to active."""
        return self.column == "status" and self.new == (str(Status.ACTIVE),)


def judge(token: str, key: HubKey, member_id: str, column: str, *, current: Value, given: Value) -> Verdict:
    """Tell whether a cell was edited, and whether the member moved meanwhile.

    A cell that says what was exported was not edited, whatever the member shows now. Without a token (a file made by
    hand) every difference is an edit of what is there now.
    """
    if set(given) == set(current):
        return Verdict.UNCHANGED
    if not moved(token, key, member_id, column, current):
        return Verdict.EDITED
    was_edited = moved(token, key, member_id, column, given)
    return Verdict.CONFLICT if was_edited else Verdict.UNCHANGED


def newest_deactivation(member: Member) -> str | None:
    """Return the time at which the directory last deactivated the member; nothing if it never did, or that is held."""
    newest = projection.newest_deactivation(member)
    return newest.at if newest else None


def deactivation_value(member: Member) -> dict[str, Value]:
    """Return what the token of a members file holds beside the columns: which deactivation the file shows."""
    newest = newest_deactivation(member)
    return {_DEACTIVATION: (newest,) if newest else ()}


def was_deactivated_since(token: str, key: HubKey, member: Member) -> bool:
    """Tell whether the directory deactivated the member after the file was downloaded; not, without a token."""
    return bool(moved(token, key, member.member_id, _DEACTIVATION, deactivation_value(member)[_DEACTIVATION]))


def current_values(member: Member, columns: Iterable[str], hub: Hub, catalogue: Catalogue) -> dict[str, Value]:
    """Return what the member shows in the columns; sorted, empty for no value."""
    wanted = list(columns)
    segments = [column.removeprefix(SEGMENT) for column in wanted if column.startswith(SEGMENT)]
    profile = [column.removeprefix(PROFILE) for column in wanted if column.startswith(PROFILE)]
    values = column_values(view(member, hub, single_valued(catalogue)), segments, profile)
    return {column: values[column] for column in wanted}


def by_hand(member: Member, column: str) -> list[Any]:
    """Return what admins decided about a column, beside what the directory says; plain JSON values.

    Of a status it is ``[suspended, reactivated]``.
    """
    manual = member.manual
    what, _, name = column.partition(":")
    match what:
        case "status":
            stamp = member.reactivated
            return [member.suspended, [stamp.at, stamp.event_id] if stamp else None]
        case "roles":
            return list(manual.roles)
        case "first_name":
            return [manual.first_name]
        case "last_name":
            return [manual.last_name]
        case "segment":
            return list(manual.segments.get(name, ()))
        case _:
            return [manual.profile[name]] if name in manual.profile else []


def with_by_hand(member: Member, column: str, value: Sequence[Any]) -> Member:
    """Return the member with what ``by_hand`` gave before in place of what it gives now."""
    manual = member.manual
    what, _, name = column.partition(":")
    match what:
        case "status":
            suspended, stamp = value
            return replace(member, suspended=suspended, reactivated=Stamp(*stamp) if stamp else None)
        case "roles":
            return replace(member, manual=replace(manual, roles=tuple(value)))
        case "first_name":
            return replace(member, manual=replace(manual, first_name=value[0]))
        case "last_name":
            return replace(member, manual=replace(manual, last_name=value[0]))
        case "segment":
            return _with_segment(member, name, tuple(value))
        case _:
            profile = {key: text for key, text in manual.profile.items() if key != name}
            return replace(member, manual=replace(manual, profile=profile | ({name: value[0]} if value else {})))


def reversible(member: Member, hand: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
    """Return what of a change can be taken back: column → what is decided now, and what was before the change.

    Parameters
    ----------
    hand
        Column → what was decided by hand before the change, and after it. A column of which admins decided anew since
        is left out.
    """
    return {column: [after, before] for column, (before, after) in hand.items() if by_hand(member, column) == after}


def reverse(member: Member, hand: Mapping[str, Sequence[Any]]) -> Member:
    """Return the member with what ``reversible`` gave taken back."""
    for column, (_, before) in hand.items():
        member = with_by_hand(member, column, before)
    return member


def edit_member(
    member: Member, edits: Iterable[ColumnEdit], hub: Hub, catalogue: Catalogue, at: str
) -> tuple[Member, tuple[str, ...]]:
    """Return the member with the edits made, and the columns where it cannot show what was asked for.

    A column is refused where a source of the directory says otherwise: its role or option cannot be taken away here,
    nor its name replaced. A member must keep a role. If any column is refused, the member must not be stored.

    Parameters
    ----------
    at
        Time of the edit: of a suspension.
    """
    wanted = [_with_current_options(edit, catalogue) for edit in edits]
    edited = replace(member, manual=projection.with_current_options(member.manual, catalogue))
    for edit in wanted:
        edited = _edit(edited, edit, hub, catalogue, at)
    shown = current_values(edited, [edit.column for edit in wanted], hub, catalogue)
    refused = tuple(edit.column for edit in wanted if set(shown[edit.column]) != set(edit.new))
    if any(edit.column == "roles" and not edit.new for edit in wanted) and "roles" not in refused:
        refused = (*refused, "roles")
    return edited, refused


def _with_current_options(edit: ColumnEdit, catalogue: Catalogue) -> ColumnEdit:
    """Return the edit with the options that those it names were merged into since it was planned."""
    segment = catalogue.segments_by_id.get(edit.column.removeprefix(SEGMENT))
    if segment is None or not edit.column.startswith(SEGMENT):
        return edit
    return replace(edit, new=segment.current_ids(edit.new))


def given_archived(edit: ColumnEdit, catalogue: Catalogue) -> list[str]:
    """Return the labels of archived roles or options that an edit gives to somebody who does not have them."""
    segment = catalogue.segments_by_id.get(edit.column.removeprefix(SEGMENT))
    known: Mapping[str, Role | Option] = catalogue.roles_by_id if edit.column == "roles" else {}
    if segment is not None and edit.column.startswith(SEGMENT):
        known = segment.options_by_id
    added = [known[given] for given in edit.new if given in known and given not in edit.old]
    return [thing.label for thing in added if thing.archived]


def in_archive(label: str) -> str:
    """Return the sentence for a role or option that nobody can be given."""
    return f"“{label[:60]}” is archived, so nobody can be given it. Choose another one, or bring it back first."


def _edit(member: Member, edit: ColumnEdit, hub: Hub, catalogue: Catalogue, at: str) -> Member:
    manual = member.manual
    if edit.column == "status":
        return _set_status(member, edit, at)
    if edit.column == "roles":
        derived = {role for part in member.slices.values() for role in part.roles}
        return replace(member, manual=replace(manual, roles=_grants(edit.new, manual.roles, derived)))
    if edit.column in ("first_name", "last_name"):
        text = edit.new[0] if edit.new else ""
        first, last = (text, manual.last_name) if edit.column == "first_name" else (manual.first_name, text)
        return replace(member, manual=replace(manual, first_name=first, last_name=last))
    name = edit.column.partition(":")[2]
    if edit.column.startswith(SEGMENT):
        return _set_segment(member, edit, name, hub, catalogue)
    return _set_profile(member, edit, name, hub, catalogue)


def _set_status(member: Member, edit: ColumnEdit, at: str) -> Member:
    if edit.new == (str(Status.INACTIVE),):
        return replace(member, suspended=member.suspended or at)
    if not edit.reactivates:
        return member
    seen = edit.seen or newest_deactivation(member)
    stamps = [member.reactivated, Stamp(seen, _LAST_OF_ITS_TIME) if seen else None]
    return replace(member, suspended=None, reactivated=max(filter(None, stamps), default=None))


def _set_segment(member: Member, edit: ColumnEdit, name: str, hub: Hub, catalogue: Catalogue) -> Member:
    manual = member.manual
    bare = _with_segment(member, name, ())
    if name in single_valued(catalogue):
        given = current_values(bare, [edit.column], hub, catalogue)[edit.column]
        return bare if set(given) == set(edit.new) else _with_segment(member, name, edit.new)
    derived = {option for part in member.slices.values() for option in part.segments.get(name, ())}
    return _with_segment(member, name, _grants(edit.new, manual.segments.get(name, ()), derived))


def _set_profile(member: Member, edit: ColumnEdit, name: str, hub: Hub, catalogue: Catalogue) -> Member:
    others = {key: text for key, text in member.manual.profile.items() if key != name}
    bare = replace(member, manual=replace(member.manual, profile=others))
    given = current_values(bare, [edit.column], hub, catalogue)[edit.column]
    if set(given) == set(edit.new):
        return bare
    return replace(member, manual=replace(member.manual, profile={**others, name: "".join(edit.new)}))


def _with_segment(member: Member, name: str, options: Value) -> Member:
    segments: Mapping[str, Value] = {key: value for key, value in member.manual.segments.items() if key != name}
    manual: Manual = replace(member.manual, segments={**segments, name: options} if options else segments)
    return replace(member, manual=manual)


def _grants(wanted: Value, before: Value, derived: set[str]) -> Value:
    """Return what is granted by hand: what the directory does not give, and grants of before that are still wanted."""
    return tuple(value for value in wanted if value not in derived or value in before)
