"""Routes: members as the hub sees them, and edits by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated
from urllib.parse import parse_qsl

from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import Field, StringConstraints

from rollcall.activity import store as activity
from rollcall.api import auth
from rollcall.api.auth import needs
from rollcall.api.etags import retry
from rollcall.api.paging import collect, from_cursor, to_cursor
from rollcall.api.routing import make_router
from rollcall.api.shapes import DEFAULT_LIMIT, Cursor, Given, Limit, Listed, Shown
from rollcall.exports.model import Only, read_only, visible_segments
from rollcall.hubs import context
from rollcall.hubs.model import Permission
from rollcall.mapping.showing import RuleShown, show_rule
from rollcall.members import store
from rollcall.members.edits import PROFILE, SEGMENT, ColumnEdit, current_values, edit_member, given_archived, in_archive
from rollcall.members.model import Change, Member, Status
from rollcall.members.projection import View, single_valued, view
from rollcall.members.recompute import follow
from rollcall.members.why import Reason, brought_by, explain
from rollcall.people import store as people
from rollcall.people.reach import email_statuses
from rollcall.people.schedule import purge_at
from rollcall.privacy.emails import usable_email
from rollcall.runtime import dynamo
from rollcall.runtime.errors import ConflictError, Fault, MalformedError, NotFoundError, RefusedError
from rollcall.runtime.ids import is_hash
from rollcall.runtime.times import now, to_text

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from rollcall.activity.model import Activity
    from rollcall.hubs.context import HubContext
    from rollcall.hubs.model import Admin
    from rollcall.segments.model import Segment

router = make_router()

Label = Annotated[str, StringConstraints(min_length=1, max_length=200)]
ProfileName = Annotated[str, StringConstraints(min_length=1, max_length=100)]
ProfileText = Annotated[str, StringConstraints(max_length=2000)]
PersonName = Annotated[str, StringConstraints(max_length=200)]
# A member's timeline is short; a value set by hand before these many entries has no name beside it.
MOST_ENTRIES = 500
_OWNED = "The directory says so: change it in the HR system or in the data mapping table."


class MemberShown(Shown):
    """A member as the caller may see them; `provenance` says where each value comes from.

    `status_reason` is empty for active members, else `directory`, `leave` (the directory, because they are on leave),
    `suspended` (an admin) or `deleted`. `email_status` is `bounced` or `complained` where no more mail goes to their
    address, else empty: they stay active.
    """

    member_id: str
    email: str
    email_status: str
    first_name: str
    last_name: str
    status: Status
    status_reason: str
    roles: list[str]
    segments: dict[str, list[str]]
    profile: dict[str, str]
    provenance: dict[str, list[str]]
    deleted_at: str | None = None
    purge_at: str | None = None


class WhyShown(Shown):
    """Why one value is shown.

    `part` is `directory`, `manual`, `kept` (a last role that the directory would have taken), `suspended` or
    `default`. Of the directory: the source, the event that set the HRIS value and when it happened, the HRIS field and
    value, and the rule with the version of its table. Of what people did: the cause, who, and when.
    """

    field: str
    value: str
    part: str
    source_id: str | None = None
    event_id: str | None = None
    at: str | None = None
    hris_field: str | None = None
    hris_value: str | None = None
    rule: RuleShown | None = None
    table_version: int | None = None
    cause: str | None = None
    actor: str | None = None


class MemberEdit(Given):
    """What to change by hand; what is left out stays. A segment without options is emptied."""

    roles: Annotated[list[Label], Field(max_length=50)] | None = None
    segments: Annotated[dict[Label, Annotated[list[Label], Field(max_length=200)]], Field(max_length=100)] | None = None
    profile: Annotated[dict[ProfileName, ProfileText], Field(max_length=100)] | None = None
    first_name: PersonName | None = None
    last_name: PersonName | None = None


@router.get("/hubs/<hub_id>/members", summary="Members of the hub", tags=["Members"])
@needs(Permission.VIEW)
def list_members(  # noqa: PLR0917 - query parameters, given by name
    hub_id: str,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = "",
    status: Annotated[Status | None, Query(description="`deleted` needs the privacy permission.")] = None,
    role: Annotated[str, Query(max_length=200, description="Label of a role.")] = "",
    q: Annotated[str, Query(max_length=254, description="A whole e-mail address, or how the last name begins.")] = "",
) -> Listed[MemberShown]:
    """Return members by name. Also filters by segment: `segment.Location=London`."""
    admin = auth.caller(router.current_event.raw_event)
    ctx = context.load(hub_id)
    permissions = admin.permissions(hub_id)
    if status is Status.DELETED:
        auth.demand(admin, hub_id, Permission.PRIVACY)
        found, following = store.list_deleted(hub_id, limit=limit, cursor=from_cursor(cursor))
        return Listed[MemberShown](items=_show_deleted(ctx, found, permissions), next_cursor=to_cursor(following))
    wanted = _read_filter(ctx, permissions, status, role)
    if "@" in q:
        one_member = _by_email(ctx, q)
        shown = [view_of(ctx, one_member)] if one_member else []
        shown = [one for one in shown if one.status is not Status.DELETED and wanted.keeps(one)]
        return Listed[MemberShown](items=show_all(ctx, shown, permissions), next_cursor=None)
    position = from_cursor(cursor)
    prefix = people.sort_name("", q, "")[:-1] if q else ""
    views, following = collect(
        lambda size, start: _fetch(ctx, size, start, prefix),
        wanted.keeps,
        limit=limit,
        position=position or prefix,
    )
    return Listed[MemberShown](items=show_all(ctx, views, permissions), next_cursor=to_cursor(following))


@router.get("/hubs/<hub_id>/members/<member_id>", summary="One member", tags=["Members"])
@needs(Permission.VIEW)
def get_member(hub_id: str, member_id: str) -> MemberShown:
    """Return a member. Deleted ones are gone at once."""
    admin = auth.caller(router.current_event.raw_event)
    ctx = context.load(hub_id)
    return show(ctx, view_of(ctx, existing(ctx, member_id)), admin.permissions(hub_id))


@router.get("/hubs/<hub_id>/members/<member_id>/why", summary="Why a member shows what they show", tags=["Members"])
@needs(Permission.VIEW)
def get_why(hub_id: str, member_id: str) -> Listed[WhyShown]:
    """Return for each value who or what says so; a value that several parts give is there once for each of them."""
    permissions = auth.caller(router.current_event.raw_event).permissions(hub_id)
    ctx = context.load(hub_id)
    member = existing(ctx, member_id)
    records = people.get_persons(hub_id, [part.person_id for part in member.slices.values()])
    persons = {record.person.source_id: record.person for record in records.values()}
    reasons = explain(member, persons, ctx.hub, ctx.catalogue, ctx.table)
    entries: list[Activity] = []
    if any(reason.part not in ("directory", "default") for reason in reasons):
        entries, _ = activity.list_for(hub_id, member_id, limit=MOST_ENTRIES)
    shown = show(ctx, view_of(ctx, member), permissions)
    items = [_show_reason(ctx, reason, shown, entries, permissions) for reason in reasons]
    return Listed[WhyShown](items=[item for item in items if item is not None], next_cursor=None)


@router.patch("/hubs/<hub_id>/members/<member_id>", summary="Edit a member by hand", tags=["Members"])
@needs(Permission.ADMIN)
def patch_member(hub_id: str, member_id: str, body: MemberEdit) -> MemberShown:
    """Set roles, segments, profile fields or name by hand. What the directory says cannot be taken away here."""
    admin = auth.caller(router.current_event.raw_event)

    def change() -> tuple[HubContext, Member]:
        ctx = context.load(hub_id)
        member = existing(ctx, member_id)
        return ctx, _edit(ctx, member, body, admin)

    ctx, member = retry(change)
    return show(ctx, view_of(ctx, member), admin.permissions(hub_id))


@router.post("/hubs/<hub_id>/members/<member_id>/suspend", summary="Suspend a member", tags=["Members"])
@needs(Permission.ADMIN)
def suspend_member(hub_id: str, member_id: str) -> MemberShown:
    """Make a member inactive by hand: no event undoes it, only an admin. Suspending twice changes nothing."""
    return _set_status(hub_id, member_id, Status.INACTIVE)


@router.post("/hubs/<hub_id>/members/<member_id>/reactivate", summary="Take a member back", tags=["Members"])
@needs(Permission.ADMIN)
def reactivate_member(hub_id: str, member_id: str) -> MemberShown:
    """Lift a suspension, and undo what the directory has deactivated so far; a later deactivation counts again."""
    return _set_status(hub_id, member_id, Status.ACTIVE)


def _set_status(hub_id: str, member_id: str, wanted: Status) -> MemberShown:
    admin = auth.caller(router.current_event.raw_event)

    def change() -> tuple[HubContext, Member]:
        ctx = context.load(hub_id)
        member = existing(ctx, member_id)
        at = to_text(now())
        edit = ColumnEdit("status", (str(view_of(ctx, member).status),), (str(wanted),))
        edited, _ = edit_member(member, [edit], ctx.hub, ctx.catalogue, at)
        if edited == member or (wanted is Status.ACTIVE and edit.old == edit.new):
            return ctx, member
        edited = replace(edited, change=Change("admin", admin.subject, at))
        try:
            dynamo.write([store.put_member(hub_id, edited, view_of(ctx, edited))])
        except dynamo.ConditionFailedError as exc:
            raise ConflictError from exc
        follow(ctx, member_id, edited.change)
        return ctx, edited

    ctx, member = retry(change)
    return show(ctx, view_of(ctx, member), admin.permissions(hub_id))


def existing(ctx: HubContext, member_id: str) -> Member:
    """Return a member that is not deleted, read consistently.

    Raises
    ------
    NotFoundError
        If there is none.
    """
    member = store.get_member(ctx.hub.hub_id, member_id) if is_hash(member_id) else None
    if member is None or view_of(ctx, member).status is Status.DELETED:
        raise NotFoundError
    return member


def show(ctx: HubContext, shown: View, permissions: Collection[Permission]) -> MemberShown:
    """Return one member; see ``show_all``."""
    return show_all(ctx, [shown], permissions)[0]


def show_all(ctx: HubContext, views: Collection[View], permissions: Collection[Permission]) -> list[MemberShown]:
    """Return members with their labels and with whether mail reaches them."""
    statuses = email_statuses(ctx, [shown.email for shown in views])
    return [_show(ctx, shown, permissions, statuses.get(shown.email, "")) for shown in views]


def _show(ctx: HubContext, shown: View, permissions: Collection[Permission], email_status: str) -> MemberShown:
    """Return a member with the labels of roles and options, and of those only what the caller may see.

    Profile fields come from HRIS attributes: they need the permission to see private things.
    """
    roles = {role.role_id: role.label for role in ctx.catalogue.roles}
    segments = visible_segments(ctx.catalogue, permissions)
    profile = dict(shown.profile) if Permission.VIEW_PRIVATE in permissions else {}
    names = {f"roles.{role_id}": f"roles.{label}" for role_id, label in roles.items()}
    names |= {f"profile.{name}": f"profile.{name}" for name in profile}
    for segment in segments:
        for option in segment.options:
            start = f"segments.{segment.segment_id}.{option.option_id}"
            names[start] = f"segments.{segment.name}.{option.label}"
    return MemberShown(
        member_id=shown.member_id,
        email=shown.email,
        email_status=email_status,
        first_name=shown.first_name,
        last_name=shown.last_name,
        status=shown.status,
        status_reason=shown.status_reason,
        roles=[roles[role_id] for role_id in shown.roles if role_id in roles],
        segments={
            segment.name: labels
            for segment in segments
            if (labels := _labels(segment, shown.segments.get(segment.segment_id, ())))
        },
        profile=profile,
        provenance={names[key]: list(parts) for key, parts in shown.provenance.items() if key in names},
    )


def _show_deleted(ctx: HubContext, listed: list[Member], permissions: Collection[Permission]) -> list[MemberShown]:
    """Return deleted members with the time of their deletion and of their purge; restored and purged ones left out."""
    asked = [part.person_id for member in listed for part in member.slices.values()]
    records = people.get_persons(ctx.hub.hub_id, asked)
    shown: list[MemberShown] = []
    for member in listed:
        seen = view_of(ctx, member)
        if seen.status is not Status.DELETED:
            continue
        own = [records[part.person_id] for part in member.slices.values() if part.person_id in records]
        since = min((record.deleted_at for record in own if record.deleted_at), default="")
        times = {"deleted_at": since, "purge_at": purge_at(since, ctx.hub)} if since else {}
        shown.append(show(ctx, seen, permissions).model_copy(update=times))
    return shown


def _show_reason(
    ctx: HubContext, reason: Reason, shown: MemberShown, entries: list[Activity], permissions: Collection[Permission]
) -> WhyShown | None:
    """Return a reason in words, without what the caller may not see: a value of theirs, or the HRIS value behind it."""
    visible = {segment.segment_id: segment for segment in visible_segments(ctx.catalogue, permissions)}
    named = _in_words(ctx, reason.key, shown, visible)
    if named is None:
        return None
    found = WhyShown(field=named[0], value=named[1], part=reason.part, source_id=reason.source_id or None)
    said: dict[str, object] = {}
    if reason.part not in ("directory", "default"):
        entry = brought_by(entries, reason)
        said = {"cause": entry.cause, "actor": entry.actor, "at": entry.at} if entry else {}
    elif reason.stamp:
        said = {"event_id": reason.stamp.event_id, "at": reason.stamp.at}
    if reason.hit and Permission.VIEW_PRIVATE in permissions:
        said |= {
            "hris_field": reason.hit.field,
            "hris_value": reason.hit.value,
            "rule": show_rule(reason.hit.rule, ctx.catalogue, visible),
            "table_version": reason.table_version,
        }
    return found.model_copy(update=said)


def _in_words(ctx: HubContext, key: str, shown: MemberShown, visible: Mapping[str, Segment]) -> tuple[str, str] | None:
    """Return field and value with labels in place of ids; nothing if the caller may not see them."""
    place, _, rest = key.partition(".")
    match place:
        case "roles":
            label = next((role.label for role in ctx.catalogue.roles if role.role_id == rest), None)
            return ("roles", label) if label else None
        case "segments":
            segment_id, _, option_id = rest.partition(".")
            option = visible[segment_id].options_by_id.get(option_id) if segment_id in visible else None
            return (f"{SEGMENT}{visible[segment_id].name}", option.label) if option else None
        case "profile":
            return (f"{PROFILE}{rest}", shown.profile[rest]) if rest in shown.profile else None
        case _:
            return place, str(getattr(shown, place))


def view_of(ctx: HubContext, member: Member) -> View:
    """Return a member as shown, of whatever status."""
    return view(member, ctx.hub, single_valued(ctx.catalogue))


def _labels(segment: Segment, option_ids: Collection[str]) -> list[str]:
    return [option.label for option in segment.options if option.option_id in option_ids]


def _fetch(ctx: HubContext, size: int, start: str, prefix: str) -> tuple[list[View], str | None]:
    """Return a page of those members whose place by name begins so; nothing follows where others come."""
    listed, following = store.list_members(ctx.hub.hub_id, limit=size, cursor=start)
    views = [view_of(ctx, member) for place, member in listed if place.startswith(prefix)]
    shown = [one for one in views if one.status is not Status.DELETED]
    return shown, following if len(views) == len(listed) else None


def _by_email(ctx: HubContext, text: str) -> Member | None:
    email = usable_email(text)
    if email is None:
        return None
    address = people.get_address(ctx.hub.hub_id, ctx.key.address_id(email))
    return store.get_member(ctx.hub.hub_id, address.member_id) if address.member_id else None


def _read_filter(ctx: HubContext, permissions: Collection[Permission], status: Status | None, role: str) -> Only:
    """Read the filters of the query."""
    query = parse_qsl(str(router.current_event.get("rawQueryString") or ""), keep_blank_values=True)
    segments = [(key.removeprefix("segment."), text) for key, text in query if key.startswith("segment.")]
    wanted = read_only(ctx.catalogue, permissions, status=str(status or ""), role=role, segments=segments)
    if not isinstance(wanted, Only):
        raise MalformedError([replace(fault, place=f"query.{fault.place}") for fault in wanted])
    return wanted


def _edit(ctx: HubContext, member: Member, body: MemberEdit, admin: Admin) -> Member:
    wanted = _wanted(ctx, body, admin.permissions(ctx.hub.hub_id))
    current = current_values(member, wanted, ctx.hub, ctx.catalogue)
    edits = [
        ColumnEdit(column, current[column], new) for column, new in wanted.items() if set(current[column]) != set(new)
    ]
    if not edits:
        return member
    archived = [label for edit in edits for label in given_archived(edit, ctx.catalogue)]
    if archived:
        raise RefusedError(in_archive(archived[0]), code="archived")
    at = to_text(now())
    edited, refused = edit_member(member, edits, ctx.hub, ctx.catalogue, at)
    if refused:
        detail = _OWNED if any(set(wanted[column]) for column in refused) else f"{_OWNED} A member keeps one role."
        raise RefusedError(detail, code="owned_by_directory")
    edited = replace(edited, change=Change("admin", admin.subject, at))
    try:
        dynamo.write([store.put_member(ctx.hub.hub_id, edited, view_of(ctx, edited))])
    except dynamo.ConditionFailedError as exc:
        raise ConflictError from exc
    follow(ctx, member.member_id, edited.change)
    return edited


def _wanted(ctx: HubContext, body: MemberEdit, permissions: Collection[Permission]) -> dict[str, tuple[str, ...]]:
    """Return the columns to set, with ids in place of labels."""
    faults: list[Fault] = []
    wanted: dict[str, tuple[str, ...]] = {}
    if body.roles is not None:
        found = [ctx.catalogue.role(label) for label in body.roles]
        faults += [
            Fault(f"body.roles.{n}", "unknown_role", "The hub has no role of this name.")
            for n, role in enumerate(found)
            if role is None
        ]
        if not body.roles:
            faults.append(Fault("body.roles", "no_role", "A member has at least one role."))
        wanted["roles"] = tuple(dict.fromkeys(role.role_id for role in found if role))
    visible = {segment.segment_id for segment in visible_segments(ctx.catalogue, permissions)}
    for title, labels in (body.segments or {}).items():
        segment = ctx.catalogue.segment(title)
        if segment is None or segment.segment_id not in visible:
            faults.append(Fault("body.segments", "unknown_segment", "The hub has no segment of this name."))
            continue
        options = [segment.option(label) for label in labels]
        faults += [
            Fault(f"body.segments.{segment.name}.{n}", "unknown_option", "The segment has no option of this name.")
            for n, option in enumerate(options)
            if option is None
        ]
        ids = tuple(dict.fromkeys(option.option_id for option in options if option))
        if len(ids) > 1 and not segment.multi:
            faults.append(Fault(f"body.segments.{segment.name}", "too_many_values", "This segment takes one option."))
        wanted[f"{SEGMENT}{segment.segment_id}"] = ids
    for field, text in (body.profile or {}).items():
        wanted[f"{PROFILE}{field}"] = (text,) if text else ()
    for column, name in (("first_name", body.first_name), ("last_name", body.last_name)):
        if name is not None:
            wanted[column] = (name,) if name else ()
    if faults:
        raise MalformedError(faults)
    return wanted
