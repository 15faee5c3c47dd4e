"""Routes: persons as the directories have them, and the event log."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import Field, StringConstraints

from rollcall.activity.origin import of_event
from rollcall.activity.showing import PUBLIC_FIELDS, ActivityShown, show_entries
from rollcall.api import auth
from rollcall.api.auth import needs
from rollcall.api.paging import collect, from_cursor, to_cursor
from rollcall.api.presence import gone_persons
from rollcall.api.routing import make_router
from rollcall.api.shapes import DEFAULT_LIMIT, JSON, MAX_LIMIT, Cursor, Given, Limit, Listed, Shown
from rollcall.hubs import context
from rollcall.hubs import store as hubs
from rollcall.hubs.model import Permission
from rollcall.people import event_log, replays, store
from rollcall.people.events import Kind  # noqa: TC001 - pydantic reads it
from rollcall.people.merge import DirectoryStatus
from rollcall.people.model import EventState  # noqa: TC001 - pydantic reads it
from rollcall.people.reach import email_statuses
from rollcall.privacy.emails import usable_email
from rollcall.runtime import dynamo
from rollcall.runtime.errors import Fault, MalformedError, NotFoundError, RefusedError, TransientError
from rollcall.runtime.ids import is_event_id, is_hash, is_ulid
from rollcall.runtime.observability import describe, log
from rollcall.runtime.times import from_text, now, to_text
from rollcall.sources.policy import is_meant

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from rollcall.hubs.context import HubContext
    from rollcall.people.model import LoggedEvent, PersonRecord
    from rollcall.sources.policy import Policy

router = make_router()


class PersonState(StrEnum):
    """What a person is for the hub; `not_meant` are those whom the policy of their source leaves out, or not yet in."""

    POTENTIAL = "potential"
    NOT_MEANT = "not_meant"
    MEMBER = "member"
    DEACTIVATED = "deactivated"


class PersonShown(Shown):
    """What a source says about somebody. HRIS attributes only for those who may see private things.

    `email_status` is `bounced` or `complained` where no more mail goes to their address, else empty.
    """

    person_id: str
    external_id: str
    source_id: str
    email: str | None
    email_status: str
    first_name: str
    last_name: str
    attributes: dict[str, str | list[str]]
    state: PersonState
    member_id: str | None


class EventShown(Shown):
    """One directory event: what it did, and why."""

    event_id: str
    source_id: str
    state: EventState
    reason: str
    detail: str
    received_at: str
    settled_at: str | None
    person_id: str | None
    kind: Kind | None
    occurred_at: str | None


class ReplayAsked(Given):
    """Which events to apply again: a selection, or all received in a window (`until` is now, if it is left out)."""

    event_ids: Annotated[tuple[str, ...], Field(max_length=500)] = ()
    since: Annotated[str, StringConstraints(max_length=40)] = ""
    until: Annotated[str, StringConstraints(max_length=40)] = ""
    source_id: Annotated[str, StringConstraints(max_length=26)] = ""
    state: EventState | None = None


class ReplayShown(Shown):
    """A replay: `finding` the events, `applying` them, `done`. `counts` says what they did, by state.

    `waiting` are events that were about to be applied anyway, `skipped` those that hold nothing to apply.
    """

    replay_id: str
    state: replays.ReplayState
    progress: dict[str, int]
    counts: dict[str, int]
    since: str | None
    until: str | None
    source_id: str | None
    created_by: str
    created_at: str


class EventDetails(EventShown):
    """One directory event with what it says and what it changed."""

    external_id: str | None
    complete: bool | None
    fields: dict[str, str | None]
    attributes: dict[str, str | list[str] | None]
    changes: list[ActivityShown]


@router.get("/hubs/<hub_id>/people", summary="Persons in the directories", tags=["People"])
@needs(Permission.VIEW)
def list_people(  # noqa: PLR0917 - query parameters, given by name
    hub_id: str,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = "",
    state: Annotated[PersonState | None, Query(description="Only persons in this state.")] = None,
    source_id: Annotated[str, Query(max_length=26, description="Only persons of this source.")] = "",
    q: Annotated[
        str, Query(max_length=256, description="A whole e-mail address or external id, or how the last name begins.")
    ] = "",
) -> Listed[PersonShown]:
    """Return persons by name."""
    permissions = auth.caller(router.current_event.raw_event).permissions(hub_id)
    ctx = context.load(hub_id)

    policies = hubs.policies(hub_id)

    def keep(record: PersonRecord) -> bool:
        return (state is None or _state(record, policies) is state) and source_id in ("", record.person.source_id)

    exact = [record for record in _exactly(ctx, q) if _is_there(record) and keep(record)] if q else []
    if exact or "@" in q:
        return Listed[PersonShown](items=_show_all(ctx, exact, permissions, policies), next_cursor=None)
    prefix = store.sort_name("", q, "")[:-1] if q else ""
    records, following = collect(
        lambda size, start: _fetch(hub_id, size, start, prefix),
        keep,
        limit=limit,
        position=from_cursor(cursor) or prefix,
    )
    return Listed[PersonShown](items=_show_all(ctx, records, permissions, policies), next_cursor=to_cursor(following))


@router.get("/hubs/<hub_id>/people/<person_id>", summary="One person", tags=["People"])
@needs(Permission.VIEW)
def get_person(hub_id: str, person_id: str) -> PersonShown:
    """Return a person. Deleted ones are gone at once."""
    record = store.get_person(hub_id, person_id) if is_hash(person_id) else None
    if record is None or not _is_there(record):
        raise NotFoundError
    permissions = auth.caller(router.current_event.raw_event).permissions(hub_id)
    return _show_all(context.load(hub_id), [record], permissions, hubs.policies(hub_id))[0]


@router.get("/hubs/<hub_id>/events", summary="Directory events", tags=["Events"])
@needs(Permission.VIEW)
def list_events(  # noqa: PLR0917 - query parameters, given by name
    hub_id: str,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = "",
    state: Annotated[EventState | None, Query(description="Only events in this state.")] = None,
    reason: Annotated[str, Query(max_length=100, description="Only events with this reason code.")] = "",
    kind: Annotated[Kind | None, Query(description="Only events of this kind.")] = None,
    source_id: Annotated[str, Query(max_length=26, description="Only events of this source.")] = "",
    person_id: Annotated[str, Query(max_length=32, description="Only events of this person.")] = "",
    external_id: Annotated[str, Query(max_length=256, description="Only events of who has this external id.")] = "",
    email: Annotated[str, Query(max_length=254, description="Only events of who has this e-mail address now.")] = "",
    since: Annotated[str, Query(max_length=40, description="RFC 3339; received at this time or later.")] = "",
    until: Annotated[str, Query(max_length=40, description="RFC 3339; received before this time.")] = "",
) -> Listed[EventShown]:
    """Return what was received, newest first, and what each did."""
    search = event_log.Search(
        state=state,
        reason=reason,
        kind=kind,
        source_id=source_id,
        person_ids=_searched(context.load(hub_id), person_id, external_id, email),
        since=_time("query.since", since),
        until=_time("query.until", until),
    )
    events, following = collect(
        lambda size, start: event_log.list_events(hub_id, limit=size, cursor=start, search=search),
        lambda _: True,
        limit=limit,
        position=from_cursor(cursor),
    )
    return Listed[EventShown](items=[_show_event(logged) for logged in events], next_cursor=to_cursor(following))


@router.get("/hubs/<hub_id>/events/<event_id>", summary="One directory event", tags=["Events"])
@needs(Permission.VIEW)
def get_event(hub_id: str, event_id: str) -> EventDetails:
    """Return an event, what it said and what it changed, old and new. What it said of deleted people is left out."""
    logged = _existing(hub_id, event_id)
    permissions = auth.caller(router.current_event.raw_event).permissions(hub_id)
    ctx = context.load(hub_id)
    event = logged.event
    person_id = logged.person_id or ""
    entries = of_event(hub_id, logged, person_id, MAX_LIMIT) if person_id else []
    said = None if event is None or gone_persons(ctx, [person_id]) else event
    sees_private = Permission.VIEW_PRIVATE in permissions
    attributes = said.attributes if said and sees_private else {}
    fields = said.fields if said else {}
    return EventDetails(
        **_show_event(logged).model_dump(),
        external_id=said.external_id if said else None,
        complete=event.complete if event else None,
        fields={name: text for name, text in fields.items() if sees_private or name in PUBLIC_FIELDS},
        attributes={name: list(value) if isinstance(value, tuple) else value for name, value in attributes.items()},
        changes=show_entries(ctx, entries, permissions),
    )


@router.post(
    "/hubs/<hub_id>/events/<event_id>/replay", summary="Apply an event again", tags=["Events"], status_code=202
)
@needs(Permission.ADMIN)
def replay_event(hub_id: str, event_id: str) -> Response[EventShown]:
    """Apply an event once more; the merge makes that safe."""
    logged = _existing(hub_id, event_id)
    try:
        event_log.reopen_event(hub_id, event_id, now())
    except dynamo.ConditionFailedError as exc:
        detail = "This event holds nothing that could be applied."
        raise RefusedError(detail, code="nothing_to_apply") from exc
    try:
        event_log.wake(hub_id, logged.source_id, [event_id])
    except TransientError as exc:
        log.warning("wake_failed", **describe(exc), hub_id=hub_id, source_id=logged.source_id, event_id=event_id)
    headers: dict[str, str | list[str]] = {"Location": f"/hubs/{hub_id}/events/{event_id}"}
    body = _show_event(_existing(hub_id, event_id))
    return Response(status_code=202, content_type=JSON, body=body, headers=headers)


@router.post("/hubs/<hub_id>/events/replay", summary="Apply events again", tags=["Events"], status_code=202)
@needs(Permission.ADMIN)
def replay_events(hub_id: str, body: ReplayAsked) -> Response[ReplayShown]:
    """Apply a selection of events, or all received in a time window, once more; the merge makes that safe.

    What is newer stays, and who was deleted or erased stays so. Nothing comes twice, however often it is asked for.
    """
    admin = auth.caller(router.current_event.raw_event)
    wanted = replays.Wanted(
        event_ids=tuple(dict.fromkeys(body.event_ids)),
        since=_time("body.since", body.since),
        until=_time("body.until", body.until) or to_text(now()),
        source_id=body.source_id,
        state=body.state or "",
    )
    if bool(wanted.event_ids) == bool(wanted.since):
        detail = "Name either the events (event_ids) or a time window (since, until)."
        raise MalformedError([Fault("body", "events_or_window", detail)])
    if not all(is_event_id(event_id) for event_id in wanted.event_ids):
        raise MalformedError([Fault("body.event_ids", "bad_id", "Take the ids from the list of events.")])
    replay = replays.start_replay(hub_id, wanted, admin.subject)
    headers: dict[str, str | list[str]] = {"Location": f"/hubs/{hub_id}/replays/{replay.replay_id}"}
    return Response(status_code=202, content_type=JSON, body=_show_replay(replay), headers=headers)


@router.get("/hubs/<hub_id>/replays", summary="Replays", tags=["Events"])
@needs(Permission.VIEW)
def list_replays(hub_id: str, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = "") -> Listed[ReplayShown]:
    """Return the replays of the hub, newest first."""
    found, following = replays.list_replays(hub_id, limit=limit, cursor=from_cursor(cursor))
    return Listed[ReplayShown](items=[_show_replay(replay) for replay in found], next_cursor=to_cursor(following))


@router.get("/hubs/<hub_id>/replays/<replay_id>", summary="One replay", tags=["Events"])
@needs(Permission.VIEW)
def get_replay(hub_id: str, replay_id: str) -> ReplayShown:
    """Return a replay, how far it is and what its events did."""
    replay = replays.get_replay(hub_id, replay_id) if is_ulid(replay_id) else None
    if replay is None:
        raise NotFoundError
    return _show_replay(replay)


def _show_replay(replay: replays.Replay) -> ReplayShown:
    return ReplayShown(
        replay_id=replay.replay_id,
        state=replay.state,
        progress={"done": replay.done, "total": replay.found},
        counts={**replay.outcomes, "waiting": replay.waiting, "skipped": replay.skipped},
        since=replay.wanted.since or None,
        until=replay.wanted.until if replay.wanted.since else None,
        source_id=replay.wanted.source_id or None,
        created_by=replay.created_by,
        created_at=replay.created_at,
    )


def _searched(ctx: HubContext, person_id: str, external_id: str, email: str) -> tuple[str, ...] | None:
    """Return whose events are wanted: of the persons that fit everything given; nothing if nothing was given."""
    wanted: list[set[str]] = []
    if person_id:
        wanted.append({person_id})
    if external_id:
        sources = hubs.list_sources(ctx.hub.hub_id)
        wanted.append({ctx.key.person_id(source.source_id, external_id.strip()) for source in sources})
    if email:
        usable = usable_email(email)
        wanted.append(store.persons_at(ctx.hub.hub_id, ctx.key.address_id(usable)) if usable else set())
    return tuple(sorted(set.intersection(*wanted))) if wanted else None


def _time(place: str, text: str) -> str:
    try:
        return to_text(from_text(text)) if text else ""
    except (ValueError, OverflowError) as exc:
        detail = "Write the time as RFC 3339, such as 2026-10-05T08:01:12Z."
        raise MalformedError([Fault(place, "bad_time", detail)]) from exc


def _existing(hub_id: str, event_id: str) -> LoggedEvent:
    logged = event_log.get_event(hub_id, event_id) if is_event_id(event_id) else None
    if logged is None:
        raise NotFoundError
    return logged


def _is_there(record: PersonRecord) -> bool:
    return record.person.status in (DirectoryStatus.ACTIVE, DirectoryStatus.INACTIVE)


def _state(record: PersonRecord, policies: Mapping[str, Policy]) -> PersonState:
    if record.person.status is DirectoryStatus.INACTIVE:
        return PersonState.DEACTIVATED
    if record.member_id:
        return PersonState.MEMBER
    today = to_text(now())[:10]
    return PersonState.POTENTIAL if is_meant(record.person, policies, today) else PersonState.NOT_MEANT


def _fetch(hub_id: str, size: int, start: str, prefix: str) -> tuple[list[PersonRecord], str | None]:
    """Return a page of those persons whose place by name begins so; nothing follows where others come."""
    listed, following = store.list_persons(hub_id, limit=size, cursor=start)
    records = [record for place, record in listed if place.startswith(prefix)]
    return records, following if len(records) == len(listed) else None


def _exactly(ctx: HubContext, q: str) -> list[PersonRecord]:
    """Return the persons whose e-mail address or external id this is."""
    hub_id = ctx.hub.hub_id
    email = usable_email(q)
    if email:
        address = store.get_address(hub_id, ctx.key.address_id(email))
        wanted = [holder.person_id for holder in address.holders.values()]
    else:
        wanted = [ctx.key.person_id(source.source_id, q.strip()) for source in hubs.list_sources(hub_id)]
    found = store.get_persons(hub_id, wanted)
    return [found[person_id] for person_id in wanted if person_id in found]


def _show_all(
    ctx: HubContext,
    records: Collection[PersonRecord],
    permissions: Collection[Permission],
    policies: Mapping[str, Policy],
) -> list[PersonShown]:
    statuses = email_statuses(ctx, [record.person.text("email") for record in records])
    states = [_state(record, policies) for record in records]
    return [
        _show(record, permissions, state, statuses.get(record.person.text("email"), ""))
        for record, state in zip(records, states, strict=True)
    ]


def _show(
    record: PersonRecord, permissions: Collection[Permission], state: PersonState, email_status: str
) -> PersonShown:
    person = record.person
    values = person.values() if Permission.VIEW_PRIVATE in permissions else {}
    return PersonShown(
        person_id=record.person_id,
        external_id=person.external_id,
        source_id=person.source_id,
        email=person.text("email") or None,
        email_status=email_status,
        first_name=person.text("first_name"),
        last_name=person.text("last_name"),
        attributes={name: list(value) if isinstance(value, tuple) else value for name, value in values.items()},
        state=state,
        member_id=record.member_id,
    )


def _show_event(logged: LoggedEvent) -> EventShown:
    return EventShown(
        event_id=logged.event_id,
        source_id=logged.source_id,
        state=logged.state,
        reason=logged.reason,
        detail=logged.detail,
        received_at=logged.received_at,
        settled_at=logged.settled_at,
        person_id=logged.person_id,
        kind=logged.event.kind if logged.event else None,
        occurred_at=logged.event.occurred_at if logged.event else None,
    )
