"""Routes: the data mapping table as it is now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from aws_lambda_powertools.event_handler import Response

from rollcall.api import auth, etags
from rollcall.api.auth import needs
from rollcall.api.routing import make_router
from rollcall.api.shapes import JSON, Shown
from rollcall.exports.model import visible_segments
from rollcall.hubs import context
from rollcall.hubs.model import Permission
from rollcall.mapping import store
from rollcall.mapping.table import ANY, OptionTarget, ProfileTarget, RoleTarget, Rule
from rollcall.segments.model import Visibility  # noqa: TC001 - pydantic reads it

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rollcall.segments.model import Catalogue, Segment

router = make_router()


class RuleShown(Shown):
    """One rule, in the words of the spreadsheet: HRIS field and value, then what they become in the hub."""

    row: int
    field: str
    value: str
    hub_type: Literal["Role", "Segment", "Profile field"]
    hub_field: str
    hub_attribute: str
    visibility: Visibility | None


class TableShown(Shown):
    """The published data mapping table; version 0 has no rules."""

    version: int
    plan_id: str | None
    published_at: str | None
    rules: list[RuleShown]


@router.get("/hubs/<hub_id>/mapping", summary="The data mapping table", tags=["Mapping"])
@needs(Permission.VIEW)
def get_mapping(hub_id: str) -> Response[TableShown]:
    """Return the rules that apply now; those of segments that the caller may not see are left out."""
    ctx = context.load(hub_id)
    permissions = auth.caller(router.current_event.raw_event).permissions(hub_id)
    visible = {segment.segment_id: segment for segment in visible_segments(ctx.catalogue, permissions)}
    pointer = store.published(hub_id) if ctx.table.version else None
    is_current = pointer is not None and pointer["version"] == ctx.table.version
    shown = [show_rule(rule, ctx.catalogue, visible) for rule in ctx.table.rules]
    body = TableShown(
        version=ctx.table.version,
        plan_id=pointer["plan_id"] if pointer and is_current else None,
        published_at=pointer["published_at"] if pointer and is_current else None,
        rules=[rule for rule in shown if rule is not None],
    )
    headers: dict[str, str | list[str]] = {"ETag": etags.etag(ctx.table.version)}
    return Response(status_code=200, content_type=JSON, body=body, headers=headers)


def show_rule(rule: Rule, catalogue: Catalogue, visible: Mapping[str, Segment]) -> RuleShown | None:
    """Return a rule in words; nothing if its segment is not among the visible ones, which are given by id."""
    match rule.target:
        case RoleTarget(role_id):
            label = next((role.label for role in catalogue.roles if role.role_id == role_id), role_id)
            return RuleShown(
                row=rule.row,
                field=rule.field,
                value=rule.value,
                hub_type="Role",
                hub_field="",
                hub_attribute=label,
                visibility=None,
            )
        case OptionTarget(segment_id, option_id):
            segment = visible.get(segment_id)
            if segment is None:
                return None
            option = segment.current(option_id)
            return RuleShown(
                row=rule.row,
                field=rule.field,
                value=rule.value,
                hub_type="Segment",
                hub_field=segment.name,
                hub_attribute=ANY if option_id == ANY else option.label if option else option_id,
                visibility=segment.visibility,
            )
        case ProfileTarget(name, text):
            return RuleShown(
                row=rule.row,
                field=rule.field,
                value=rule.value,
                hub_type="Profile field",
                hub_field=name,
                hub_attribute=text,
                visibility=None,
            )
