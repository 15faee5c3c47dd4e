"""Exports: items of the Plans table. While one is not done, a sweeper finds it in the ``due`` index."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from rollcall.exports.model import Export, State
from rollcall.runtime import dynamo, queues
from rollcall.runtime.errors import TransientError
from rollcall.runtime.ids import shard_of
from rollcall.runtime.times import expiry, from_text, to_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

TABLE = "PLANS_TABLE"
QUEUE = "EXPORTS_QUEUE_URL"
DUE_SHARDS = 8
# Longer than a run may take.
FIRST_SWEEP = timedelta(minutes=20)
LONGEST_SWEEP = timedelta(hours=6)
_DONE = (
    "SET #state = :state, #rows = :rows, #file_key = :file, #values_key = :values, #done_at = :at "
    "REMOVE #due_pk, #due_sk"
)
_UNFINISHED = "#state IN (:queued, :running)"
_STATES = {"queued": str(State.QUEUED), "running": str(State.RUNNING)}


def pk(hub_id: str, export_id: str) -> str:
    """Return the key of an export."""
    return f"{hub_id}#X#{export_id}"


def create(export: Export) -> None:
    """Store a new export; only then may the admin be told that it was accepted.

    Raises
    ------
    ConditionFailedError
        If the id is taken.
    TransientError
        If it is not certain that it is stored.
    """
    item: dict[str, Any] = {
        "pk": pk(export.hub_id, export.export_id),
        "sk": "-",
        **export.to_item(),
        "expires": expiry(export.created_at),
        "by_hub_pk": f"{export.hub_id}#export",
        "by_hub_sk": f"{export.created_at}#{export.export_id}",
        "due_pk": f"export#{shard_of(export.export_id) % DUE_SHARDS}",
        "due_sk": to_text(from_text(export.created_at) + FIRST_SWEEP),
    }
    dynamo.write([dynamo.put_action(TABLE, item, "attribute_not_exists(#pk)")])


def wake(hub_id: str, export_id: str) -> None:
    """Send the pointer to the worker. If that fails the sweeper does it later."""
    queues.send(QUEUE, {"hub_id": hub_id, "export_id": export_id})


def get(hub_id: str, export_id: str) -> Export | None:
    """Return an export of the hub, read consistently, or nothing."""
    item = dynamo.get(TABLE, pk(hub_id, export_id))
    return Export.from_item(item) if item else None


def list_exports(hub_id: str, *, limit: int, cursor: str = "") -> tuple[list[Export], str | None]:
    """Return the newest exports of the hub, and the cursor of the next page."""
    condition, values = ("#by_hub_sk < :cursor", {"cursor": cursor}) if cursor else ("", {})
    page = dynamo.query(
        TABLE, f"{hub_id}#export", index="by_hub", condition=condition, values=values, forward=False, limit=limit
    )
    more = page.next_position is not None and bool(page.items)
    return [Export.from_item(item) for item in page.items], str(page.items[-1]["by_hub_sk"]) if more else None


def start(export: Export) -> bool:
    """Note that the file is being written. Returns whether it is still to be done."""
    action = dynamo.update_action(
        TABLE,
        pk(export.hub_id, export.export_id),
        "-",
        "SET #state = :running",
        condition=_UNFINISHED,
        values=_STATES,
    )
    try:
        dynamo.write([action])
    except dynamo.ConditionFailedError:
        return False
    return True


def note_progress(export: Export, rows: int) -> None:
    """Note how many rows are written so far; of an export that ended meanwhile nothing."""
    action = dynamo.update_action(
        TABLE,
        pk(export.hub_id, export.export_id),
        "-",
        "SET #rows = :rows",
        condition="#state = :running",
        values={"rows": rows, "running": str(State.RUNNING)},
    )
    with suppress(dynamo.ConditionFailedError, TransientError):  # it is there to be looked at only
        dynamo.write([action])


def finish(
    export: Export,
    file_key: str,
    rows: int,
    at: str,
    with_it: Sequence[dynamo.Action] = (),
    *,
    values_key: str = "",
) -> bool:
    """Settle an export as done, in one transaction with what goes with it (the mail).

    Returns whether this call did it; if another worker was faster nothing is written.
    """
    action = dynamo.update_action(
        TABLE,
        pk(export.hub_id, export.export_id),
        "-",
        _DONE,
        condition=_UNFINISHED,
        values={
            "state": str(State.DONE),
            "rows": rows,
            "file": file_key,
            "values": values_key,
            "at": at,
            **_STATES,
        },
    )
    try:
        dynamo.write([action, *with_it])
    except dynamo.ConditionFailedError:
        return False
    return True


def fail(export: Export, reason: str, at: str) -> bool:
    """Settle an export as failed for good; ``reason`` is a stable code. Returns whether this call did it."""
    action = dynamo.update_action(
        TABLE,
        pk(export.hub_id, export.export_id),
        "-",
        "SET #state = :state, #reason = :reason, #done_at = :at REMOVE #due_pk, #due_sk",
        condition=_UNFINISHED,
        values={"state": str(State.FAILED), "reason": reason, "at": at, **_STATES},
    )
    try:
        dynamo.write([action])
    except dynamo.ConditionFailedError:
        return False
    return True


def due(shard: int, at: str, limit: int = 200) -> list[tuple[str, str]]:
    """Return hub id and export id of exports of one shard (0..7) that should have been done by now, oldest first."""
    page = dynamo.query(
        TABLE, f"export#{shard}", index="due", condition="#due_sk <= :now", values={"now": at}, limit=limit
    )
    found = [item["pk"].split("#X#") for item in page.items]
    return [(hub_id, export_id) for hub_id, export_id in found]


def look_later(hub_id: str, export_id: str, now: datetime) -> bool:
    """Put off the next look of the sweeper, longer each time; tell whether the pointer must be sent again."""
    export = get(hub_id, export_id)
    if export is None or export.done_at:
        return False
    waited = max(now - from_text(export.created_at), FIRST_SWEEP)
    action = dynamo.update_action(
        TABLE,
        pk(hub_id, export_id),
        "-",
        "SET #due_sk = :later",
        condition="attribute_exists(#due_pk)",
        values={"later": to_text(now + min(waited, LONGEST_SWEEP))},
    )
    try:
        dynamo.write([action])
    except dynamo.ConditionFailedError:
        return False
    return True
