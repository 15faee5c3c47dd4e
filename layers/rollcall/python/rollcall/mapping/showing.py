"""How a rule of the data mapping table is shown to an admin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from rollcall.api.shapes import Shown
from rollcall.mapping.table import ANY, OptionTarget, ProfileTarget, RoleTarget, Rule
from rollcall.segments.model import Visibility  # noqa: TC001 - pydantic reads it

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rollcall.segments.model import Catalogue, Segment

HubType = Literal["Role", "Segment", "Profile field"]


class RuleShown(Shown):
    """One rule, in the words of the spreadsheet: HRIS field and value, then what they become in the hub.

    Where there is a `separator`, the values of the field are cut there first.
    """

    row: int
    field: str
    value: str
    separator: str
    hub_type: HubType
    hub_field: str
    hub_attribute: str
    visibility: Visibility | None


def show_rule(rule: Rule, catalogue: Catalogue, visible: Mapping[str, Segment]) -> RuleShown | None:
    """Return a rule in words; nothing if its segment is not among the visible ones, which are given by id."""
    hub_type: HubType
    visibility = None
    match rule.target:
        case RoleTarget(role_id):
            label = next((role.label for role in catalogue.roles if role.role_id == role_id), role_id)
            hub_type, name, text = "Role", "", label
        case OptionTarget(segment_id, option_id):
            segment = visible.get(segment_id)
            if segment is None:
                return None
            option = segment.current(option_id)
            label = ANY if option_id == ANY else option.label if option else option_id
            hub_type, name, text, visibility = "Segment", segment.name, label, segment.visibility
        case ProfileTarget(field_name, value):
            hub_type, name, text = "Profile field", field_name, value
    return RuleShown(
        row=rule.row,
        field=rule.field,
        value=rule.value,
        separator=rule.separator,
        hub_type=hub_type,
        hub_field=name,
        hub_attribute=text,
        visibility=visibility,
    )
