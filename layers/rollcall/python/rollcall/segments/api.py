"""Routes: roles, segments and their options."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, TypeVar

from aws_lambda_powertools.event_handler import Response
from pydantic import AfterValidator, Field, StringConstraints, ValidationError

from rollcall.activity import store as activity
from rollcall.activity.catalogue import record_catalogue
from rollcall.api import auth, etags
from rollcall.api.auth import needs
from rollcall.api.problems import ContentTypeError, from_validation
from rollcall.api.routing import make_router
from rollcall.api.shapes import JSON, Given, Listed, Shown
from rollcall.exports.model import may_see, visible_segments
from rollcall.hubs import context
from rollcall.hubs.model import Permission
from rollcall.plans import catalogue_change
from rollcall.runtime.errors import Fault, ForbiddenError, MalformedError, NotFoundError, RefusedError
from rollcall.runtime.ids import new_id
from rollcall.runtime.times import now, to_text
from rollcall.segments import changes
from rollcall.segments.model import RESERVED_SENTENCE, Role, Segment, Visibility, is_reserved
from rollcall.segments.options import MAX_LABEL, Added, add_options, clean_label, read_pasted
from rollcall.segments.store import change_catalogue

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

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


Description = Annotated[str, StringConstraints(max_length=2000)]
Order = Annotated[int, Field(ge=0, le=1_000_000)]


class NewRole(Given):
    """A role to be made."""

    label: Label
    description: Description = ""


class RoleChange(Given):
    """What is to be changed of a role; what is not named stays."""

    label: Label | None = None
    description: Description | None = None
    order: Order | None = None
    archived: bool | None = None


class RoleShown(Shown):
    """What a member can be in the hub. Former labels, `also`, still mean it in files and HRIS values."""

    role_id: str
    label: str
    description: str
    order: int
    archived: bool
    also: list[str]


class NewSegment(Given):
    """A segment to be made, with its first options."""

    name: Label
    description: Description = ""
    visibility: Visibility = Visibility.PUBLIC
    multi: bool = False
    required: bool = False
    options: list[str] = Field(default_factory=list, max_length=5000)


class SegmentChange(Given):
    """What is to be changed of a segment; what is not named stays."""

    name: Label | None = None
    description: Description | None = None
    visibility: Visibility | None = None
    multi: bool | None = None
    required: bool | None = None
    order: Order | None = None
    archived: bool | None = None


class OptionChange(Given):
    """What is to be changed of an option; what is not named stays."""

    label: Label | None = None
    archived: bool | None = None


class OptionShown(Shown):
    """One of the values a segment can take.

    Former labels and those of merged options, `also`, still mean it. One that was merged has gone on into another.
    """

    id: str
    label: str
    archived: bool
    also: list[str]
    merged_into: str


class SegmentShown(Shown):
    """A custom field with a fixed list of options."""

    segment_id: str
    name: str
    description: str
    visibility: Visibility
    multi: bool
    required: bool
    order: int
    archived: bool
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
        role = Role(role_id, body.label, order=_next_order(ctx.catalogue.roles), description=body.description)
        _change(ctx, admin, role=role, recompute=True)
        return ctx, role

    ctx, role = etags.retry(change)
    return _answer(201, _show_role(role), ctx.catalogue_version + 1)


@router.get("/hubs/<hub_id>/roles/<role_id>", summary="One role", tags=["Segments"])
@needs(Permission.VIEW)
def get_role(hub_id: str, role_id: str) -> Response[RoleShown]:
    """Return a role."""
    ctx = context.load(hub_id)
    return _answer(200, _show_role(_role_of(ctx, role_id)), ctx.catalogue_version)


@router.put("/hubs/<hub_id>/roles/<role_id>", summary="Change a role", tags=["Segments"])
@needs(Permission.MAP)
def change_role(hub_id: str, role_id: str, body: RoleChange) -> Response[RoleShown]:
    """Rename, describe, order, archive a role or bring it back; whoever has it keeps it. `If-Match` guards it."""
    return _change_role(hub_id, role_id, body)


@router.delete("/hubs/<hub_id>/roles/<role_id>", summary="Archive a role", tags=["Segments"], status_code=204)
@needs(Permission.MAP)
def delete_role(hub_id: str, role_id: str) -> Response[None]:
    """Archive a role: nothing gives it any more, who has it by hand keeps it, and it can be brought back."""
    _change_role(hub_id, role_id, RoleChange(archived=True))
    return Response(status_code=204, body=None)


def _change_role(hub_id: str, role_id: str, body: RoleChange) -> Response[RoleShown]:
    event = router.current_event
    admin = auth.caller(event.raw_event)

    def change() -> tuple[Role, int]:
        ctx = context.load(hub_id)
        etags.check(event.headers, ctx.catalogue_version)
        held = role = _role_of(ctx, role_id)
        if body.label is not None and body.label != role.label:
            role = changes.rename_role(ctx.catalogue, role, body.label)
        if body.archived is True and not role.archived:
            role = changes.archive_role(ctx.catalogue, role, ctx.hub.default_role)
        role = replace(
            role,
            archived=role.archived if body.archived is None else body.archived,
            description=role.description if body.description is None else body.description,
            order=role.order if body.order is None else body.order,
        )
        if role == held:
            return role, ctx.catalogue_version
        _change(ctx, admin, role=role, recompute=(role.label, role.archived) != (held.label, held.archived))
        return role, ctx.catalogue_version + 1

    role, version = etags.retry(change)
    return _answer(200, _show_role(role), version)


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
    admin = auth.caller(router.current_event.raw_event)

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
        _change(ctx, admin, segment=segment, recompute=False)
        return ctx, segment

    ctx, segment = etags.retry(change)
    return _answer(201, _show_segment(segment), ctx.catalogue_version + 1)


@router.get("/hubs/<hub_id>/segments/<segment_id>", summary="One segment", tags=["Segments"])
@needs(Permission.VIEW)
def get_segment(hub_id: str, segment_id: str) -> Response[SegmentShown]:
    """Return a segment, archived ones too, and its options."""
    ctx = context.load(hub_id)
    permissions = auth.caller(router.current_event.raw_event).permissions(hub_id)
    return _answer(200, _show_segment(_segment_of(ctx, segment_id, permissions)), ctx.catalogue_version)


@router.put("/hubs/<hub_id>/segments/<segment_id>", summary="Change a segment", tags=["Segments"])
@needs(Permission.MAP)
def change_segment(hub_id: str, segment_id: str, body: SegmentChange) -> Response[SegmentShown]:
    """Rename, describe, order, show, archive a segment or bring it back; `If-Match` guards it.

    Showing it to more people, or bringing it back, takes the permission to approve as well.
    """
    return _change_segment(hub_id, segment_id, partial(_with_changes, body))


@router.delete("/hubs/<hub_id>/segments/<segment_id>", summary="Archive a segment", tags=["Segments"], status_code=204)
@needs(Permission.MAP)
def delete_segment(hub_id: str, segment_id: str) -> Response[None]:
    """Archive a segment: it is shown nowhere and its rules give nothing; brought back, members have it again."""
    _change_segment(hub_id, segment_id, partial(_with_changes, SegmentChange(archived=True)))
    return Response(status_code=204, body=None)


@router.patch("/hubs/<hub_id>/segments/<segment_id>/options/<option_id>", summary="Change an option", tags=["Segments"])
@needs(Permission.MAP)
def change_option(hub_id: str, segment_id: str, option_id: str, body: OptionChange) -> Response[SegmentShown]:
    """Rename an option, archive it or bring it back; members keep it, and the former label still means it."""

    def change(_ctx: HubContext, segment: Segment) -> Segment:
        if body.label is not None:
            segment = changes.rename_option(segment, option_id, body.label)
        if body.archived is not None:
            segment = changes.archive_option(segment, option_id, archived=body.archived)
        if option_id not in segment.options_by_id:
            raise NotFoundError
        return segment

    return _change_segment(hub_id, segment_id, change)


@router.post(
    "/hubs/<hub_id>/segments/<segment_id>/options/<option_id>/merge-into/<into>",
    summary="Merge an option into another",
    tags=["Segments"],
)
@needs(Permission.MAP)
def merge_option(hub_id: str, segment_id: str, option_id: str, into: str) -> Response[SegmentShown]:
    """Let everybody who has the option have the other one instead; rules, files and invitations follow.

    Members follow within minutes. It cannot be undone.
    """
    return _change_segment(hub_id, segment_id, lambda _ctx, segment: changes.merge_option(segment, option_id, into))


def _with_changes(body: SegmentChange, ctx: HubContext, segment: Segment) -> Segment:
    if body.name is not None and body.name != segment.name:
        segment = changes.rename_segment(ctx.catalogue, segment, body.name)
    if body.multi is not None:
        segment = changes.set_multi(segment, multi=body.multi)
    named = body.model_dump(include={"description", "visibility", "required", "order", "archived"}, exclude_none=True)
    return replace(segment, **named)


def _change_segment(
    hub_id: str, segment_id: str, make: Callable[[HubContext, Segment], Segment]
) -> Response[SegmentShown]:
    event = router.current_event
    admin = auth.caller(event.raw_event)
    permissions = admin.permissions(hub_id)

    def change() -> tuple[Segment, int]:
        ctx = context.load(hub_id)
        etags.check(event.headers, ctx.catalogue_version)
        held = _segment_of(ctx, segment_id, permissions)
        segment = make(ctx, held)
        if segment == held:
            return segment, ctx.catalogue_version
        if changes.is_more_visible(held, segment) and Permission.APPROVE not in permissions:
            detail = "More people would see this of members: that takes an admin who may approve."
            raise ForbiddenError(detail)
        is_same = (segment.options, segment.multi, segment.archived) == (held.options, held.multi, held.archived)
        _change(ctx, admin, segment=segment, recompute=not is_same)
        return segment, ctx.catalogue_version + 1

    segment, version = etags.retry(change)
    return _answer(200, _show_segment(segment), version)


def _role_of(ctx: HubContext, role_id: str) -> Role:
    role = ctx.catalogue.roles_by_id.get(role_id)
    if role is None:
        raise NotFoundError
    return role


def _segment_of(ctx: HubContext, segment_id: str, permissions: Collection[Permission]) -> Segment:
    """Return a segment that the caller may see, archived ones too."""
    segment = ctx.catalogue.segments_by_id.get(segment_id)
    if segment is None or not may_see(segment, permissions):
        raise NotFoundError
    return segment


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
            _change(ctx, admin, segment=replace(segment, options=result.options), recompute=True)
        return result

    result = etags.retry(change)
    return AddedShown(
        added=[_show_option(option) for option in result.added],
        duplicates=[DuplicateShown(given=found.given, same_as=found.same_as) for found in result.duplicates],
        similar=[SimilarShown(given=found.given, near=found.near) for found in result.similar],
    )


def _change(
    ctx: HubContext, admin: Admin, *, recompute: bool, role: Role | None = None, segment: Segment | None = None
) -> None:
    """Store a role or a segment and who changed it; what rules may give already has every member computed anew."""
    hub_id, version, at = ctx.hub.hub_id, ctx.catalogue_version + 1, now()
    roles, segments = [role] if role else [], [segment] if segment else []
    entry = record_catalogue(
        hub_id,
        version,
        ctx.catalogue,
        roles,
        segments,
        actor=admin.subject,
        cause=f"catalogue:{version}",
        at=to_text(at),
    )
    together = [activity.put_action(entry)]
    if recompute:
        together.append(catalogue_change.work_action(hub_id, version, admin.subject, at))
    change_catalogue(hub_id, ctx.catalogue_version, roles, segments, together)
    if recompute:
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
    return RoleShown(
        role_id=role.role_id,
        label=role.label,
        description=role.description,
        order=role.order,
        archived=role.archived,
        also=list(role.also),
    )


def _show_segment(segment: Segment) -> SegmentShown:
    return SegmentShown(
        segment_id=segment.segment_id,
        name=segment.name,
        description=segment.description,
        visibility=segment.visibility,
        multi=segment.multi,
        required=segment.required,
        order=segment.order,
        archived=segment.archived,
        options=[_show_option(option) for option in segment.options],
    )


def _show_option(option: Option) -> OptionShown:
    return OptionShown(
        id=option.option_id,
        label=option.label,
        archived=option.archived,
        also=list(option.also),
        merged_into=option.merged_into,
    )


def _answer(status: int, body: Body, version: int) -> Response[Body]:
    headers: dict[str, str | list[str]] = {"ETag": etags.etag(version)}
    return Response(status_code=status, content_type=JSON, body=body, headers=headers)
