"""Roles, segments and options: items of the Hubs table, with one version over all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rollcall.runtime import dynamo
from rollcall.runtime.errors import ConflictError, TooLargeToStoreError
from rollcall.runtime.sizes import checked, size_of
from rollcall.segments.model import Catalogue, Option, Role, Segment, Visibility

if TYPE_CHECKING:
    from collections.abc import Sequence

TABLE = "HUBS_TABLE"
# A transaction takes 100 writes: the version, an entry of the activity and the two of a published table are others.
MAX_CHANGES = 97
MAX_BYTES = 300_000
# A transaction takes 4 MB, together with what else is in it.
MAX_CHANGE_BYTES = 3_500_000
_kept: dict[str, tuple[int, Catalogue]] = {}


def catalogue_at(hub_id: str, version: int) -> Catalogue:
    """Return the hub's roles and segments, read again only if the version moved."""
    kept = _kept.get(hub_id)
    if kept is None or kept[0] != version:
        kept = (version, _read(hub_id))
        _kept[hub_id] = kept
    return kept[1]


def _read(hub_id: str) -> Catalogue:
    items = list(
        dynamo.query_all(
            TABLE,
            hub_id,
            condition="#sk BETWEEN :first AND :last",
            values={"first": "ROLE#", "last": "SEGMENT#~"},
            consistent=True,
        )
    )
    roles = [_role(item) for item in items if item["sk"].startswith("ROLE#")]
    segments = [_segment(item) for item in items if item["sk"].startswith("SEGMENT#")]
    return Catalogue(
        roles=tuple(sorted(roles, key=lambda role: (role.order, role.role_id))),
        segments=tuple(sorted(segments, key=lambda segment: (segment.order, segment.segment_id))),
    )


def change_catalogue(
    hub_id: str,
    seen: int,
    roles: Sequence[Role],
    segments: Sequence[Segment],
    together_with: Sequence[dynamo.Action] = (),
) -> None:
    """Store new or changed roles and segments, if the catalogue is still the one that was seen.

    Parameters
    ----------
    together_with
        Writes of the same transaction.

    Raises
    ------
    ConflictError
        If somebody else changed it in the meantime.
    TooLargeToStoreError
        If a segment is larger than ``MAX_BYTES``.
    """
    actions = catalogue_actions(hub_id, seen, roles, segments)
    try:
        dynamo.write([*actions, *together_with])
    except dynamo.ConditionFailedError as exc:
        raise ConflictError from exc


def catalogue_actions(
    hub_id: str, seen: int, roles: Sequence[Role], segments: Sequence[Segment]
) -> list[dynamo.Action]:
    """Return the writes of new or changed roles and segments, for a transaction; the first one checks the version.

    Raises
    ------
    TooLargeToStoreError
        If a segment is larger than ``MAX_BYTES``, or all together than ``MAX_CHANGE_BYTES``.
    """
    head = {"pk": hub_id, "sk": "CATALOGUE", "version": seen + 1}
    condition, values = ("#version = :seen", {"seen": seen}) if seen else ("attribute_not_exists(#pk)", None)
    actions = [
        dynamo.put_action(TABLE, head, condition, values),
        *(dynamo.put_action(TABLE, _role_item(hub_id, role)) for role in roles),
        *(_put_segment(hub_id, segment) for segment in segments),
    ]
    if sum(map(size_of, actions)) > MAX_CHANGE_BYTES:
        detail = "These are too many new roles and options at once. Please create some of them first."
        raise TooLargeToStoreError(detail)
    return actions


def _put_segment(hub_id: str, segment: Segment) -> dynamo.Action:
    detail = f"The options of “{segment.name}” are more than a segment can hold. Use fewer or shorter ones."
    return checked(dynamo.put_action(TABLE, _segment_item(hub_id, segment)), MAX_BYTES, detail)


def _role_item(hub_id: str, role: Role) -> dict[str, Any]:
    return {
        "pk": hub_id,
        "sk": f"ROLE#{role.role_id}",
        "label": role.label,
        "archived": role.archived,
        "order": role.order,
        "description": role.description,
        "also": list(role.also),
    }


def _role(item: dict[str, Any]) -> Role:
    return Role(
        role_id=item["sk"].removeprefix("ROLE#"),
        label=item["label"],
        archived=item["archived"],
        order=item["order"],
        description=item.get("description", ""),
        also=tuple(item.get("also", ())),
    )


def _segment_item(hub_id: str, segment: Segment) -> dict[str, Any]:
    return {
        "pk": hub_id,
        "sk": f"SEGMENT#{segment.segment_id}",
        "name": segment.name,
        "description": segment.description,
        "visibility": str(segment.visibility),
        "multi": segment.multi,
        "required": segment.required,
        "order": segment.order,
        "archived": segment.archived,
        "options": [_option_values(option) for option in segment.options],
    }


def _segment(item: dict[str, Any]) -> Segment:
    return Segment(
        segment_id=item["sk"].removeprefix("SEGMENT#"),
        name=item["name"],
        description=item["description"],
        visibility=Visibility(item["visibility"]),
        multi=item["multi"],
        required=item["required"],
        order=item["order"],
        archived=item.get("archived", False),
        options=tuple(map(_option, item["options"])),
    )


def _option_values(option: Option) -> list[Any]:
    """Return an option as a list, the shorter one where nothing was ever renamed or merged: there may be thousands."""
    values: list[Any] = [option.option_id, option.label, option.archived]
    return [*values, list(option.also), option.merged_into] if option.also or option.merged_into else values


def _option(values: Sequence[Any]) -> Option:
    option_id, label, archived, also, merged_into = (*values, (), "")[:5]
    return Option(option_id, label, archived, tuple(also), merged_into)
