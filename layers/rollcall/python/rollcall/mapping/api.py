"""Routes: the data mapping table, its versions, rules added and taken out, and what no rule covers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

from aws_lambda_powertools.event_handler import Response
from pydantic import Field, StringConstraints

from rollcall.api import auth, etags
from rollcall.api.auth import needs
from rollcall.api.paging import BAD_CURSOR, from_cursor, to_cursor
from rollcall.api.routing import make_router
from rollcall.api.shapes import DEFAULT_LIMIT, JSON, Cursor, Given, Limit, Listed, Shown
from rollcall.exports.model import visible_segments
from rollcall.hubs import context
from rollcall.hubs.model import Permission
from rollcall.mapping import store
from rollcall.mapping.counting import count
from rollcall.mapping.drift import Suggestions
from rollcall.mapping.rules import Removal
from rollcall.mapping.sheet import LIMITS, MAX_TEXT
from rollcall.mapping.showing import HubType, RuleShown, show_rule
from rollcall.plans.api import PlanShown, accepted
from rollcall.plans.mapping_plans import plan_restore, plan_rules
from rollcall.runtime.errors import Fault, MalformedError, NotFoundError
from rollcall.segments.model import Catalogue, Visibility

if TYPE_CHECKING:
    from rollcall.mapping.drift import Entry
    from rollcall.segments.model import Segment

router = make_router()

# A request may take 25 seconds.
COUNT_SECONDS = 18.0
_COLUMNS = {"B": "field", "C": "value", "E": "hub_type", "F": "hub_field", "G": "hub_attribute", "H": "visibility"}

Text = Annotated[str, StringConstraints(max_length=MAX_TEXT)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=MAX_TEXT)]


class TableShown(Shown):
    """The published data mapping table; version 0 has no rules."""

    version: int
    plan_id: str | None
    published_at: str | None
    rules: list[RuleShown]


class VersionShown(Shown):
    """A version that is or was published, and by which plan."""

    version: int
    plan_id: str
    published_at: str
    published_by: str
    rules: int


class SuggestionShown(Shown):
    """What the value perhaps means; with a score of 1 it is the same, spelling aside."""

    hub_type: HubType
    hub_field: str
    hub_attribute: str
    score: float


class UnmappedShown(Shown):
    """An HRIS field and value that no rule covers, and how many people have it, members or not.

    `first_seen` and `last_seen` are when the oldest and the newest of what is said of them now was said. With
    `too_many_values` the field has more than 200, which are not told. Without a value the entry is about the field:
    also for who may not see HRIS values.
    """

    field: str
    value: str | None
    too_many_values: bool
    people: int
    first_seen: str
    last_seen: str
    examples: list[str]
    suggestion: SuggestionShown | None


class NewRule(Given):
    """A rule to be added, in the words of the spreadsheet.

    Value `*` takes any, `* split at comma` cuts the field's values first; several roles or options are separated by
    semicolons.
    """

    field: Name
    value: Name
    hub_type: HubType
    hub_field: Text = ""
    hub_attribute: Text = ""
    visibility: Visibility | None = None


class GoneRule(Given):
    """All rules of this HRIS field and value are to be taken out."""

    field: Name
    value: Name


class RulesChange(Given):
    """Rules to be taken out, then rules to be added: to replace one, name it in both."""

    rules: list[NewRule] = Field(default_factory=list, max_length=LIMITS.rows)
    remove: list[GoneRule] = Field(default_factory=list, max_length=LIMITS.rows)


@router.get("/hubs/<hub_id>/mapping", summary="The data mapping table", tags=["Mapping"])
@needs(Permission.VIEW)
def get_mapping(hub_id: str) -> Response[TableShown]:
    """Return the rules that apply now; those of segments that the caller may not see are left out."""
    ctx = context.load(hub_id)
    visible = _visible(ctx.catalogue, hub_id)
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


@router.get("/hubs/<hub_id>/mapping/versions", summary="Versions of the data mapping table", tags=["Mapping"])
@needs(Permission.VIEW)
def list_versions(hub_id: str, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = "") -> Listed[VersionShown]:
    """List the versions that were published, the newest first."""
    position = from_cursor(cursor)
    if position and not position.isdecimal():
        raise MalformedError([BAD_CURSOR])
    found = store.versions(hub_id, limit=limit + 1, below=int(position) if position else None)
    following = str(found[limit - 1].version) if len(found) > limit else None
    return Listed(items=[_show_version(one) for one in found[:limit]], next_cursor=to_cursor(following))


@router.get("/hubs/<hub_id>/mapping/versions/<version>", summary="One version of the table", tags=["Mapping"])
@needs(Permission.VIEW)
def get_version(hub_id: str, version: int) -> TableShown:
    """Return the rules of a version; those of segments that the caller may not see are left out."""
    known = store.version_at(hub_id, version)
    if known is None:
        raise NotFoundError
    catalogue = context.load(hub_id).catalogue
    visible = _visible(catalogue, hub_id)
    table = store.table_at(hub_id, version, known.plan_id)
    shown = [show_rule(rule, catalogue, visible) for rule in table.rules]
    return TableShown(
        version=version,
        plan_id=known.plan_id,
        published_at=known.published_at,
        rules=[rule for rule in shown if rule is not None],
    )


@router.post(
    "/hubs/<hub_id>/mapping/versions/<version>/restore",
    summary="Bring a version back",
    tags=["Mapping"],
    status_code=202,
)
@needs(Permission.MAP)
def restore_version(hub_id: str, version: int) -> Response[PlanShown]:
    """Make a plan of a new version that says what an older one said; `If-Match` names the version it is to follow."""
    ctx = context.load(hub_id)
    etags.check(router.current_event.headers, ctx.table.version)
    return accepted(hub_id, plan_restore(ctx, auth.caller(router.current_event.raw_event), version))


@router.post("/hubs/<hub_id>/mapping/rules", summary="Add or remove rules", tags=["Mapping"], status_code=202)
@needs(Permission.MAP)
def change_rules(hub_id: str, body: RulesChange) -> Response[PlanShown]:
    """Make a plan of a new version with these rules more and less; `If-Match` names the version it is to follow."""
    if not body.rules and not body.remove:
        raise MalformedError([Fault("rules", "nothing_to_change", "Name a rule to add or to remove.")])
    ctx = context.load(hub_id)
    etags.check(router.current_event.headers, ctx.table.version)
    given = [
        (rule.field, rule.value, rule.hub_type, rule.hub_field, rule.hub_attribute, str(rule.visibility or ""))
        for rule in body.rules
    ]
    removals = [Removal(rule.field, rule.value) for rule in body.remove]
    try:
        plan = plan_rules(ctx, auth.caller(router.current_event.raw_event), given, removals)
    except MalformedError as exc:
        raise MalformedError([_in_body(fault) for fault in exc.faults]) from exc
    return accepted(hub_id, plan)


@router.get("/hubs/<hub_id>/mapping/unmapped", summary="What no rule covers", tags=["Mapping"])
@needs(Permission.VIEW)
def list_unmapped(hub_id: str, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = "") -> Listed[UnmappedShown]:
    """List HRIS fields and values that no rule covers, counted now: by field, the value that most people have first."""
    position = _position(cursor)
    ctx = context.load(hub_id)
    permissions = auth.caller(router.current_event.raw_event).permissions(hub_id)
    tally = count(ctx, COUNT_SECONDS)
    entries = tally.entries() if Permission.VIEW_PRIVATE in permissions else tally.fields()
    left = [entry for entry in entries if position is None or entry.place > position]
    following = json.dumps(left[limit - 1].place, ensure_ascii=False) if len(left) > limit else None
    visible = tuple(_visible(ctx.catalogue, hub_id).values())
    suggestions = Suggestions(ctx.table, Catalogue(ctx.catalogue.roles, visible))
    items = [_show_entry(entry, suggestions) for entry in left[:limit]]
    return Listed(items=items, next_cursor=to_cursor(following))


def _visible(catalogue: Catalogue, hub_id: str) -> dict[str, Segment]:
    """Return the segments that the caller may see, by id."""
    permissions = auth.caller(router.current_event.raw_event).permissions(hub_id)
    return {segment.segment_id: segment for segment in visible_segments(catalogue, permissions)}


def _position(cursor: str) -> tuple[str, str, int, str, str] | None:
    """Return the place of the last entry that was seen; nothing for the first page."""
    text = from_cursor(cursor)
    if not text:
        return None
    try:
        name, name_id, people, value, value_id = json.loads(text)
        if not all(isinstance(part, str) for part in (name, name_id, value, value_id)):
            raise MalformedError([BAD_CURSOR])
        return name, name_id, int(people), value, value_id
    except (ValueError, TypeError) as exc:
        raise MalformedError([BAD_CURSOR]) from exc


def _in_body(fault: Fault) -> Fault:
    """Return a fault with its place in the request: ``C1`` is the value of the first rule."""
    column, number = fault.place[:1], fault.place[1:]
    if column not in _COLUMNS or not number.isdecimal():
        return fault
    return Fault(f"rules.{int(number) - 1}.{_COLUMNS[column]}", fault.code, fault.detail)


def _show_version(version: store.Version) -> VersionShown:
    return VersionShown(
        version=version.version,
        plan_id=version.plan_id,
        published_at=version.published_at,
        published_by=version.published_by,
        rules=version.rules,
    )


def _show_entry(entry: Entry, suggestions: Suggestions) -> UnmappedShown:
    found = suggestions.find(entry.field, entry.value) if entry.value is not None else None
    return UnmappedShown(
        field=entry.field,
        value=entry.value,
        too_many_values=entry.has_many,
        people=entry.people,
        first_seen=entry.first_seen,
        last_seen=entry.last_seen,
        examples=list(entry.examples),
        suggestion=SuggestionShown(
            hub_type="Segment" if found.segment else "Role",
            hub_field=found.segment,
            hub_attribute=found.label,
            score=found.score,
        )
        if found
        else None,
    )
