"""Routes: what changed in the hub, and for one member."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from aws_lambda_powertools.event_handler.openapi.params import Query

from rollcall.activity import store
from rollcall.activity.model import Activity, Kind
from rollcall.activity.origin import from_source
from rollcall.activity.showing import ActivityShown, show_entries
from rollcall.activity.timeline import timeline
from rollcall.api import auth
from rollcall.api.auth import needs
from rollcall.api.paging import collect, from_cursor, to_cursor
from rollcall.api.routing import make_router
from rollcall.api.shapes import DEFAULT_LIMIT, Cursor, Limit, Listed
from rollcall.hubs import context
from rollcall.hubs.model import Permission
from rollcall.members.api import existing
from rollcall.runtime.errors import Fault, MalformedError
from rollcall.runtime.times import from_text, to_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from rollcall.hubs.context import HubContext

router = make_router()

OneKind = Annotated[Kind | None, Query(description="Only entries of this kind.")]
OneSource = Annotated[str, Query(max_length=26, description="Only what came from this source.")]
Since = Annotated[str, Query(max_length=40, description="RFC 3339; nothing older.")]


@router.get("/hubs/<hub_id>/members/<member_id>/activity", summary="Timeline of a member", tags=["Activity"])
@needs(Permission.VIEW)
def member_activity(  # noqa: PLR0917 - query parameters, given by name
    hub_id: str,
    member_id: str,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = "",
    kind: OneKind = None,
    since: Since = "",
    source_id: OneSource = "",
) -> Listed[ActivityShown]:
    """Return what changed of a member, what the directory said of them, and their invitation and mails, newest first.

    Events that changed nothing are there too, with their reason.
    """
    ctx = context.load(hub_id)
    member = existing(ctx, member_id)
    at = _time(since)

    def fetch(size: int, start: str) -> tuple[list[Activity], str | None]:
        return timeline(hub_id, member, limit=size, cursor=start, kind=kind, since=at)

    return _page(ctx, *_of_source(hub_id, source_id, fetch, limit, from_cursor(cursor)))


@router.get("/hubs/<hub_id>/activity", summary="What changed in the hub", tags=["Activity"])
@needs(Permission.VIEW)
def hub_activity(  # noqa: PLR0917 - query parameters, given by name
    hub_id: str,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = "",
    kind: OneKind = None,
    since: Since = "",
    source_id: OneSource = "",
) -> Listed[ActivityShown]:
    """Return what happened in the hub, newest first; what changed of roles and segments too, in plain sentences."""
    at = _time(since)

    def fetch(size: int, start: str) -> tuple[list[Activity], str | None]:
        return store.list_for_hub(hub_id, limit=size, cursor=start, kind=kind, since=at)

    return _page(context.load(hub_id), *_of_source(hub_id, source_id, fetch, limit, from_cursor(cursor)))


def _of_source(
    hub_id: str,
    source_id: str,
    fetch: Callable[[int, str], tuple[list[Activity], str | None]],
    limit: int,
    position: str,
) -> tuple[list[Activity], str | None]:
    """Return a page of what came from a source, or of everything if none is named."""
    if not source_id:
        return fetch(limit, position)

    def theirs(size: int, start: str) -> tuple[list[Activity], str | None]:
        entries, following = fetch(size, start)
        return from_source(hub_id, source_id, entries), following

    return collect(theirs, lambda _: True, limit=limit, position=position)


def _page(ctx: HubContext, entries: list[Activity], following: str | None) -> Listed[ActivityShown]:
    permissions = auth.caller(router.current_event.raw_event).permissions(ctx.hub.hub_id)
    items = show_entries(ctx, entries, permissions)
    return Listed[ActivityShown](items=items, next_cursor=to_cursor(following))


def _time(text: str) -> str:
    try:
        return to_text(from_text(text)) if text else ""
    except (ValueError, OverflowError) as exc:
        detail = "Write the time as RFC 3339, such as 2026-10-05T08:01:12Z."
        raise MalformedError([Fault("query.since", "bad_time", detail)]) from exc
