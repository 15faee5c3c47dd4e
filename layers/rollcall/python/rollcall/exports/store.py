"""Exports: items of the Plans table. While one is not done, a sweeper finds it in the ``due`` index.

Only the run that began last may write: whoever was overtaken, or died and comes back, finds its ``run_id`` gone.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from rollcall.exports.model import Export, State
from rollcall.runtime import dynamo, queues
from rollcall.runtime.errors import TransientError
from rollcall.runtime.ids import new_id, shard_of
from rollcall.runtime.times import expiry, from_text, to_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from rollcall.exports.model import Progress

TABLE = "PLANS_TABLE"
QUEUE = "EXPORTS_QUEUE_URL"
DUE_SHARDS = 8
# Longer than a run may take.
FIRST_SWEEP = timedelta(minutes=20)
LONGEST_SWEEP = timedelta(hours=6)
_DONE = (
    "SET #state = :state, #rows = :rows, #file_key = :file, #values_key = :values, #done_at = :at "
    "REMOVE #due_pk, #due_sk, #progress, #run_id"
)
_FAILED = "SET #state = :state, #reason = :reason, #done_at = :at REMOVE #due_pk, #due_sk, #progress, #run_id"
_UNFINISHED = "#state IN (:queued, :running)"
_STATES = {"queued": str(State.QUEUED), "running": str(State.RUNNING)}


class OvertakenError(Exception):
    """Another run of the export began in the meantime, or the export ended: this one must stop."""


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


def wake(hub_id: str, export_id: str, run: int = 0) -> None:
    """Send the pointer to the worker. If that fails the sweeper does it later.

    Parameters
    ----------
    run
        Counts the runs in a row that woke each other.
    """
    queues.send(QUEUE, {"hub_id": hub_id, "export_id": export_id, **({"run": run} if run else {})})


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


def start(export: Export, at: datetime) -> Export | None:
    """Begin a run, and return the export as it is then; nothing, if it ended or somebody else began in the meantime.

    The sweeper does not look at it while the run may take.
    """
    run_id = new_id()
    begun_at = export.begun_at or to_text(at)
    action = dynamo.update_action(
        TABLE,
        pk(export.hub_id, export.export_id),
        "-",
        "SET #state = :running, #runs = :runs, #run_id = :run_id, #begun_at = :begun_at, #due_sk = :look",
        condition=f"{_UNFINISHED} AND (attribute_not_exists(#run_id) OR #run_id = :seen)",
        values={
            "runs": export.runs + 1,
            "run_id": run_id,
            "seen": export.run_id,
            "begun_at": begun_at,
            "look": to_text(at + FIRST_SWEEP),
            **_STATES,
        },
    )
    try:
        dynamo.write([action])
    except dynamo.ConditionFailedError as exc:
        if exc.old.get(0, {}).get("run_id") != run_id:  # else it was us, and the answer got lost
            return None
    return replace(export, state=State.RUNNING, runs=export.runs + 1, run_id=run_id, begun_at=begun_at)


def note_progress(export: Export, rows: int) -> None:
    """Note how many rows are written so far; of an export that ended meanwhile nothing."""
    with suppress(dynamo.ConditionFailedError, TransientError):  # it is there to be looked at only
        dynamo.write([_in_run(export, "SET #rows = :rows", {"rows": rows})])


def checkpoint(export: Export, progress: Progress, look_at: datetime) -> Export:
    """Note how far the file is, and when the sweeper is to look; return the export as it is then.

    Raises
    ------
    OvertakenError
        If another run began in the meantime, or the export ended.
    TransientError
        If it is not certain that it is noted.
    """
    values = {"progress": progress.to_item(), "rows": progress.rows, "look": to_text(look_at)}
    try:
        dynamo.write([_in_run(export, "SET #progress = :progress, #rows = :rows, #due_sk = :look", values)])
    except dynamo.ConditionFailedError as exc:
        raise OvertakenError from exc
    return replace(export, progress=progress, rows=progress.rows)


def _in_run(export: Export, update: str, values: dict[str, Any]) -> dynamo.Action:
    """Return an update on condition that no other run began and the export has not ended."""
    return dynamo.update_action(
        TABLE,
        pk(export.hub_id, export.export_id),
        "-",
        update,
        condition=f"{_UNFINISHED} AND #run_id = :mine",
        values={"mine": export.run_id, **_STATES, **values},
    )


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
    values = {"state": str(State.DONE), "rows": rows, "file": file_key, "values": values_key, "at": at}
    try:
        dynamo.write([_in_run(export, _DONE, values), *with_it])
    except dynamo.ConditionFailedError:
        return False
    return True


def fail(export: Export, reason: str, at: str, with_it: Sequence[dynamo.Action] = ()) -> bool:
    """Settle an export as failed for good, in one transaction with what goes with it (the mail).

    ``reason`` is a stable code. Returns whether this call did it.
    """
    failed = _in_run(export, _FAILED, {"state": str(State.FAILED), "reason": reason, "at": at})
    try:
        dynamo.write([failed, *with_it])
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
