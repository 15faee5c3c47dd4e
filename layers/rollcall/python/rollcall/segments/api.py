"""Routes: roles, segments and their options."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, TypeVar

from aws_lambda_powertools.event_handler import Response
from pydantic import AfterValidator, Field, StringConstraints, ValidationError

from rollcall.api import auth, etags
from rollcall.api.auth import needs
from rollcall.api.problems import ContentTypeError, from_validation
from rollcall.api.routing import make_router
from rollcall.api.shapes import JSON, Given, Listed, Shown
from rollcall.exports.model import visible_segments
from rollcall.hubs import context
from rollcall.hubs.model import Permission
from rollcall.plans import catalogue_change
from rollcall.runtime.errors import Fault, MalformedError, NotFoundError, RefusedError
from rollcall.runtime.ids import new_id
from rollcall.runtime.times import now
from rollcall.segments.model import RESERVED_SENTENCE, Role, Segment, Visibility, is_reserved
from rollcall.segments.options import MAX_LABEL, Added, add_options, clean_label, read_pasted
from rollcall.segments.store import change_catalogue

if TYPE_CHECKING:
    from rollcall.hubs.context import HubContext
    from rollcall.hubs.model import Admin
    from rollcall.segments.model import Option

router = make_router()
Body = TypeVar("Body")

TEXT = "text/plain"
MAX_ROLES = 200
MAX_SEGMENTS = 100
# A segment is one item of at most 400 KB.
MAX_OPTION_BYTES = 250_000


def _label(text: str) -> str:
    label = clean_label(text)
    if not label:
        message = "Write a name"
        raise ValueError(message)
    return label


Label = Annotated[str, StringConstraints(max_length=MAX_LABEL), AfterValidator(_label)]


class NewRole(Given):
    """A role to be made."""

    label: Label


class RoleShown(Shown):
    """What a member can be in the hub."""

    role_id: str
    label: str
    archived: bool


class NewSegment(Given):
    """A segment to be made, with its first options."""

    name: Label
    description: Annotated[str, StringConstraints(max_length=2000)] = ""
    visibility: Visibility = Visibility.PUBLIC
    multi: bool = False
    required: bool = False
    options: list[str] = Field(default_factory=list, max_length=5000)


class OptionShown(Shown):
    """One of the values a segment can take."""

    id: str
    label: str
    archived: bool


class SegmentShown(Shown):
    """A custom field with a fixed list of options."""

    segment_id: str
    name: str
    description: str
    visibility: Visibility
    multi: bool
    required: bool
    options: list[OptionShown]


class NewOptions(Given):
    """Options to be added."""

    options: Annotated[list[str], Field(max_length=20_000)]


class DuplicateShown(Shown):
    """An entry that is there already, or came twice."""

    given: str
    same_as: str


class SimilarShown(Shown):
    """An entry that was added and looks like another."""

    given: str
    near: str


class AddedShown(Shown):
    """What adding options came to."""

    added: list[OptionShown]
    duplicates: list[DuplicateShown]
    similar: list[SimilarShown]


@router.get("/hubs/<hub_id>/roles", summary="Roles of the hub", tags=["Segments"])
@needs(Permission.VIEW)
def list_roles(hub_id: str) -> Response[Listed[RoleShown]]:
    """Return all roles, in the hub's order."""
    ctx = context.load(hub_id)
    roles = [_show_role(role) for role in ctx.catalogue.roles]
    return _answer(200, Listed[RoleShown](items=roles, next_cursor=None), ctx.catalogue_version)


@router.post("/hubs/<hub_id>/roles", summary="Make a role", tags=["Segments"], status_code=201)
@needs(Permission.MAP)
def create_role(hub_id: str, body: NewRole) -> Response[RoleShown]:
    """Make a role. A role of the same name, spelling aside, is refused."""
    role_id = new_id()
    admin = auth.caller(router.current_event.raw_event)

    def change() -> tuple[HubContext, Role]:
        ctx = context.load(hub_id)
        if ctx.catalogue.role(body.label):
            detail = "The hub has a role of this name already."
            raise RefusedError(detail, code="name_taken")
        if len(ctx.catalogue.roles) >= MAX_ROLES:
            detail = f"A hub has at most {MAX_ROLES} roles."
            raise RefusedError(detail, code="too_many_roles")
        role = Role(role_id, body.label, order=_next_order(ctx.catalogue.roles))
        _change_and_recompute(ctx, admin, role=role)
        return ctx, role

    ctx, role = etags.retry(change)
    return _answer(201, _show_role(role), ctx.catalogue_version + 1)


@router.get("/hubs/<hub_id>/segments", summary="Segments of the hub and their options", tags=["Segments"])
@needs(Permission.VIEW)
def list_segments(hub_id: str) -> Response[Listed[SegmentShown]]:
    """Return the segments that the caller may see, in the hub's order."""
    ctx = context.load(hub_id)
    permissions = auth.caller(router.current_event.raw_event).permissions(hub_id)
    segments = [_show_segment(segment) for segment in visible_segments(ctx.catalogue, permissions)]
    return _answer(200, Listed[SegmentShown](items=segments, next_cursor=None), ctx.catalogue_version)


@router.post("/hubs/<hub_id>/segments", summary="Make a segment", tags=["Segments"], status_code=201)
@needs(Permission.MAP)
def create_segment(hub_id: str, body: NewSegment) -> Response[SegmentShown]:
    """Make a segment. One of the same name, spelling aside, is refused."""
    if is_reserved(body.name):
        raise MalformedError([Fault("body.name", "reserved_name", RESERVED_SENTENCE)])
    options = _checked(add_options((), body.options, new_id)).options
    segment_id = new_id()

    def change() -> tuple[HubContext, Segment]:
        ctx = context.load(hub_id)
        if ctx.catalogue.segment(body.name):
            detail = "The hub has a segment of this name already."
            raise RefusedError(detail, code="name_taken")
        if len(ctx.catalogue.segments) >= MAX_SEGMENTS:
            detail = f"A hub has at most {MAX_SEGMENTS} segments."
            raise RefusedError(detail, code="too_many_segments")
        segment = Segment(
            segment_id,
            body.name,
            body.description,
            body.visibility,
            multi=body.multi,
            required=body.required,
            options=options,
            order=_next_order(ctx.catalogue.segments),
        )
        change_catalogue(hub_id, ctx.catalogue_version, [], [segment])
        return ctx, segment

    ctx, segment = etags.retry(change)
    return _answer(201, _show_segment(segment), ctx.catalogue_version + 1)


@router.post("/hubs/<hub_id>/segments/<segment_id>/options", summary="Add many options at once", tags=["Segments"])
@needs(Permission.MAP)
def create_options(hub_id: str, segment_id: str) -> AddedShown:
    """Add options: a pasted spreadsheet column as `text/plain`, or a JSON object with a list of `options`.

    Blanks and duplicates are dropped; the answer says what was added, what was a duplicate of what, and what looks
    nearly like another option.
    """
    given = _given_options()
    admin = auth.caller(router.current_event.raw_event)
    permissions = admin.permissions(hub_id)

    def change() -> Added:
        ctx = context.load(hub_id)
        visible = visible_segments(ctx.catalogue, permissions)
        segment = next((found for found in visible if found.segment_id == segment_id), None)
        if segment is None:
            raise NotFoundError
        result = _checked(add_options(segment.options, given, new_id))
        if result.added:
            _change_and_recompute(ctx, admin, segment=replace(segment, options=result.options))
        return result

    result = etags.retry(change)
    return AddedShown(
        added=[_show_option(option) for option in result.added],
        duplicates=[DuplicateShown(given=found.given, same_as=found.same_as) for found in result.duplicates],
        similar=[SimilarShown(given=found.given, near=found.near) for found in result.similar],
    )


def _change_and_recompute(
    ctx: HubContext, admin: Admin, *, role: Role | None = None, segment: Segment | None = None
) -> None:
    """Store a role or a segment that rules may give already, and have every member computed anew."""
    hub_id, version = ctx.hub.hub_id, ctx.catalogue_version + 1
    work = catalogue_change.work_action(hub_id, version, admin.subject, now())
    roles, segments = [role] if role else [], [segment] if segment else []
    change_catalogue(hub_id, ctx.catalogue_version, roles, segments, [work])
    catalogue_change.announce(hub_id, version)


def _given_options() -> list[str]:
    event = router.current_event
    content_type = event.headers.get("content-type", JSON).partition(";")[0].strip().lower()
    if content_type == TEXT:
        return read_pasted(event.decoded_body or "")
    if content_type != JSON:
        detail = "Send a pasted column as text/plain, or JSON with a list of options."
        raise ContentTypeError(detail)
    try:
        return NewOptions.model_validate(event.json_body or {}).options
    except ValidationError as exc:
        raise from_validation([{**error, "loc": ("body", *error["loc"])} for error in exc.errors()]) from exc


def _checked(result: Added) -> Added:
    if sum(len(option.label.encode()) + 60 for option in result.options) > MAX_OPTION_BYTES:
        raise MalformedError([Fault("body.options", "too_large", "These are more options than a segment can hold.")])
    return result


def _next_order(existing: tuple[Role, ...] | tuple[Segment, ...]) -> int:
    return max((found.order for found in existing), default=-1) + 1


def _show_role(role: Role) -> RoleShown:
    return RoleShown(role_id=role.role_id, label=role.label, archived=role.archived)


def _show_segment(segment: Segment) -> SegmentShown:
    return SegmentShown(
        segment_id=segment.segment_id,
        name=segment.name,
        description=segment.description,
        visibility=segment.visibility,
        multi=segment.multi,
        required=segment.required,
        options=[_show_option(option) for option in segment.options],
    )


def _show_option(option: Option) -> OptionShown:
    return OptionShown(id=option.option_id, label=option.label, archived=option.archived)


def _answer(status: int, body: Body, version: int) -> Response[Body]:
    headers: dict[str, str | list[str]] = {"ETag": etags.etag(version)}
    return Response(status_code=status, content_type=JSON, body=body, headers=headers)
