"""The activity: the Activity table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rollcall.activity.model import Activity, Kind
from rollcall.runtime import dynamo, lists
from rollcall.runtime.ids import shard_of
from rollcall.runtime.times import expiry

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

TABLE = "ACTIVITY_TABLE"


def pk(hub_id: str, subject: str) -> str:
    """Return the partition of what happened to a member or person."""
    return f"{hub_id}#{subject}"


def put_entries(entries: Iterable[Activity]) -> None:
    """Store entries; one that is there already is written over with the same.

    Raises
    ------
    TransientError
        If AWS could not be reached; some may have been stored.
    """
    for entry in entries:
        dynamo.write([put_action(entry)])


def put_action(entry: Activity) -> dynamo.Action:
    """Return the put of an entry, for the transaction of the change that it tells of."""
    return dynamo.put_action(TABLE, _item(entry))


def _item(entry: Activity) -> dict[str, Any]:
    order = f"{entry.at}#{entry.activity_id}"
    return {
        "pk": pk(entry.hub_id, entry.subject),
        "sk": order,
        **entry.to_item(),
        "by_hub_pk": f"{entry.hub_id}#{shard_of(entry.subject)}",
        "by_hub_sk": order,
        "expires": expiry(entry.at),
    }


def list_for(hub_id: str, subject: str, *, limit: int, cursor: str = "") -> tuple[list[Activity], str | None]:
    """Return what happened to a member or person, newest first, and the cursor of the next page."""
    condition, values = ("#sk < :cursor", {"cursor": cursor}) if cursor else ("", {})
    page = dynamo.query(TABLE, pk(hub_id, subject), condition=condition, values=values, forward=False, limit=limit)
    more = page.next_position is not None and bool(page.items)
    return [Activity.from_item(item) for item in page.items], str(page.items[-1]["sk"]) if more else None


def between(hub_id: str, subject: str, since: str, until: str) -> Iterator[Activity]:
    """Yield what happened to a member or person from one time to another, the oldest first; memory holds one page."""
    values = {"since": since, "until": f"{until}~"}
    for item in dynamo.query_all(TABLE, pk(hub_id, subject), condition="#sk BETWEEN :since AND :until", values=values):
        yield Activity.from_item(item)


def list_for_hub(
    hub_id: str, *, limit: int, cursor: str = "", kind: Kind | None = None, since: str = ""
) -> tuple[list[Activity], str | None]:
    """Return what happened in the hub, newest first, and the cursor of the next page.

    Parameters
    ----------
    kind
        Only entries of this kind; a page may then hold fewer than there are.
    since
        RFC 3339 with milliseconds; older entries are left out and end the list.
    """
    items, next_cursor = lists.page(
        TABLE,
        hub_id,
        "by_hub",
        limit=limit,
        cursor=cursor,
        newest_first=True,
        keep=lambda item: (kind is None or item["kind"] == str(kind)) and item["at"] >= since,
    )
    if next_cursor is not None and next_cursor < since:
        next_cursor = None
    return [Activity.from_item(item) for item in items], next_cursor
