"""Routes: how many members have a role or an option, and how many rules name it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Literal

from rollcall.api import auth
from rollcall.api.auth import needs
from rollcall.api.routing import make_router
from rollcall.api.shapes import Shown
from rollcall.exports.model import visible_segments
from rollcall.hubs import context
from rollcall.hubs.model import Permission
from rollcall.mapping.table import OptionTarget, RoleTarget
from rollcall.members.usage import count_usage
from rollcall.runtime.errors import NotFoundError

if TYPE_CHECKING:
    from rollcall.segments.model import Option

router = make_router()
State = Literal["in_use", "unused", "archived", "merged"]


class RoleUsageShown(Shown):
    """How many members show a role, and how many rules name it."""

    role_id: str
    members: int
    rules: int


class OptionUsageShown(Shown):
    """How many members show an option, and how many rules name it; `unused` is without either."""

    id: str
    label: str
    members: int
    rules: int
    state: State


class SegmentUsageShown(Shown):
    """How many members show a value in a segment, how many more than one, how many none; and each option's use.

    `rules_without_effect` are the rows of the data mapping table that name an option which is archived or gone.
    """

    segment_id: str
    members: int
    several: int
    missing: int
    options: list[OptionUsageShown]
    rules_without_effect: list[int]


@router.get("/hubs/<hub_id>/roles/<role_id>/usage", summary="How many have a role", tags=["Segments"])
@needs(Permission.VIEW)
def get_role_usage(hub_id: str, role_id: str) -> RoleUsageShown:
    """Count members and rules. It looks at every member of the hub: ask when a person wants to know, not in a loop."""
    ctx = context.load(hub_id)
    if role_id not in ctx.catalogue.roles_by_id:
        raise NotFoundError
    rules = sum(isinstance(rule.target, RoleTarget) and rule.target.role_id == role_id for rule in ctx.table.rules)
    return RoleUsageShown(role_id=role_id, members=count_usage(hub_id).roles[role_id], rules=rules)


@router.get("/hubs/<hub_id>/segments/<segment_id>/usage", summary="How many have which option", tags=["Segments"])
@needs(Permission.VIEW)
def get_segment_usage(hub_id: str, segment_id: str) -> SegmentUsageShown:
    """Count members and rules of each option.

    It looks at every member of the hub: ask when a person wants to know, not in a loop.
    """
    ctx = context.load(hub_id)
    permissions = auth.caller(router.current_event.raw_event).permissions(hub_id)
    visible = visible_segments(ctx.catalogue, permissions)
    segment = next((found for found in visible if found.segment_id == segment_id), None)
    if segment is None:
        raise NotFoundError
    rules: Counter[str] = Counter()
    without_effect: list[int] = []
    for rule in ctx.table.rules:
        if isinstance(rule.target, OptionTarget) and rule.target.segment_id == segment_id:
            named = segment.current(rule.target.option_id)
            rules[named.option_id if named else rule.target.option_id] += 1
            if rule.target.option_id != "*" and (named is None or named.archived):
                without_effect.append(rule.row)
    usage = count_usage(hub_id)
    return SegmentUsageShown(
        segment_id=segment_id,
        members=usage.filled[segment_id],
        several=usage.several[segment_id],
        missing=usage.members - usage.filled[segment_id],
        options=[
            OptionUsageShown(
                id=option.option_id,
                label=option.label,
                members=(members := usage.options[segment_id, option.option_id]),
                rules=(named_by := rules[option.option_id]),
                state=_state(option, members + named_by),
            )
            for option in segment.options
        ],
        rules_without_effect=without_effect,
    )


def _state(option: Option, used: int) -> State:
    if option.merged_into:
        return "merged"
    if option.archived:
        return "archived"
    return "in_use" if used else "unused"
