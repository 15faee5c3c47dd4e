"""Renaming, archiving and merging of roles, segments and options: ids stay, so nobody loses what they have. Pure.

A former label goes on meaning the same thing, so that HRIS values, rules and files of before still find it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from rollcall.runtime.errors import Fault, MalformedError, NotFoundError, RefusedError
from rollcall.segments.model import RESERVED_SENTENCE, Visibility, is_reserved, normalise

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rollcall.segments.model import Catalogue, Option, Role, Segment

MAX_FORMER = 50
_OPENNESS = (Visibility.HIDDEN, Visibility.PRIVATE, Visibility.PUBLIC)


def is_more_visible(old: Segment, new: Segment) -> bool:
    """Tell whether more people would see what members have in a segment; of an archived one nobody sees anything."""
    return _openness(new) > _openness(old)


def _openness(segment: Segment) -> int:
    return -1 if segment.archived else _OPENNESS.index(segment.visibility)


def rename_role(catalogue: Catalogue, role: Role, label: str) -> Role:
    """Return the role with another label.

    Raises
    ------
    RefusedError
        ``name_taken`` if another role has it.
    """
    if any(other.role_id != role.role_id and _is_same(other.label, label) for other in catalogue.roles):
        detail = "The hub has another role of this name. Choose another name."
        raise RefusedError(detail, code="name_taken")
    return replace(role, label=label, also=_former(role.label, role.also, label))


def archive_role(catalogue: Catalogue, role: Role, default_role: str) -> Role:
    """Return the role archived: nobody gets it any more, those who were given it by hand keep it.

    Raises
    ------
    RefusedError
        ``last_role`` if no other is in use, ``default_role`` if new members get it.
    """
    if all(other.archived or other.role_id == role.role_id for other in catalogue.roles):
        detail = "Every member needs a role, and this is the only one in use. Make another one first."
        raise RefusedError(detail, code="last_role")
    if role.role_id == default_role:
        detail = "New members get this role. Choose another default_role in the settings of the hub first."
        raise RefusedError(detail, code="default_role")
    return replace(role, archived=True)


def rename_segment(catalogue: Catalogue, segment: Segment, name: str) -> Segment:
    """Return the segment with another name.

    Raises
    ------
    MalformedError
        ``reserved_name`` if files need it for a column of their own.
    RefusedError
        ``name_taken`` if another segment has it, archived ones too.
    """
    if is_reserved(name):
        raise MalformedError([Fault("body.name", "reserved_name", RESERVED_SENTENCE)])
    if any(other.segment_id != segment.segment_id and _is_same(other.name, name) for other in catalogue.segments):
        detail = "The hub has another segment of this name. Choose another name."
        raise RefusedError(detail, code="name_taken")
    return replace(segment, name=name)


def set_multi(segment: Segment, *, multi: bool) -> Segment:
    """Return the segment taking one or several options.

    Raises
    ------
    RefusedError
        ``several_options`` if it took several so far: members may have them.
    """
    if segment.multi and not multi and segment.options:
        detail = "Members may have several options of this segment. Make a new segment that takes one."
        raise RefusedError(detail, code="several_options")
    return replace(segment, multi=multi)


def rename_option(segment: Segment, option_id: str, label: str) -> Segment:
    """Return the segment with another label for one of its options.

    Raises
    ------
    NotFoundError
        If there is no such option.
    RefusedError
        ``name_taken`` if another option has it; ``merged`` if it was merged.
    """
    option = _unmerged(segment, option_id)
    for other in segment.options:
        if other.option_id != option_id and not other.merged_into and _is_same(other.label, label):
            detail = f"“{other.label}” is another option of this segment. Merge the two, or choose another name."
            raise RefusedError(detail, code="name_taken")
    return _with(segment, [replace(option, label=label, also=_former(option.label, option.also, label))])


def archive_option(segment: Segment, option_id: str, *, archived: bool) -> Segment:
    """Return the segment with an option archived or brought back: rules and files do not give an archived one.

    Raises
    ------
    NotFoundError
        If there is no such option.
    RefusedError
        ``merged`` if it was merged.
    """
    return _with(segment, [replace(_unmerged(segment, option_id), archived=archived)])


def merge_option(segment: Segment, option_id: str, into: str) -> Segment:
    """Return the segment with one option merged into another; a second time changes nothing.

    Raises
    ------
    NotFoundError
        If there is no such option.
    RefusedError
        ``merged`` if it was merged into another one, ``same_option`` if the two are one, ``archived_option`` if the
        other is not in use.
    """
    option, target = segment.options_by_id.get(option_id), segment.options_by_id.get(into)
    if option is None or target is None:
        raise NotFoundError
    if option.merged_into == into:
        return segment
    option, target = _unmerged(segment, option_id), _unmerged(segment, into)
    if option_id == into:
        detail = "An option cannot be merged into itself. Name another one."
        raise RefusedError(detail, code="same_option")
    if target.archived:
        detail = f"“{target.label}” is archived. Bring it back first, or merge into another option."
        raise RefusedError(detail, code="archived_option")
    also = [*target.also, option.label, *option.also]
    moved = [replace(one, merged_into=into) for one in segment.options if one.merged_into == option_id]
    return _with(
        segment,
        [
            replace(target, also=_distinct(also, target.label)),
            replace(option, archived=True, also=(), merged_into=into),
            *moved,
        ],
    )


def _unmerged(segment: Segment, option_id: str) -> Option:
    option = segment.options_by_id.get(option_id)
    if option is None:
        raise NotFoundError
    if option.merged_into:
        detail = f"This option was merged into “{segment.options_by_id[option.merged_into].label}”. Change that one."
        raise RefusedError(detail, code="merged")
    return option


def _with(segment: Segment, changed: Iterable[Option]) -> Segment:
    by_id = {option.option_id: option for option in changed}
    return replace(segment, options=tuple(by_id.get(option.option_id, option) for option in segment.options))


def _former(old: str, also: tuple[str, ...], new: str) -> tuple[str, ...]:
    return _distinct([*also, old], new)


def _distinct(labels: Iterable[str], present: str) -> tuple[str, ...]:
    """Return former labels, each once and the present one not; the oldest go where there are too many."""
    by_form = {normalise(label): label for label in labels}
    by_form.pop(normalise(present), None)
    return tuple(by_form.values())[-MAX_FORMER:]


def _is_same(one: str, other: str) -> bool:
    return normalise(one) == normalise(other)
