"""Roles, options or settings of the hub changed, and what is shown with them: every member is computed anew, by shards.

Settings that decide what is shown raise the version of the catalogue too, so whoever writes a member looks again. The
work is one item for each version of the catalogue, written together with it, which names the shards that are
still to be done. It is gone once none is; as long as it is there, the sweeper points at its shards again.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from rollcall.hubs import context
from rollcall.members.model import Change
from rollcall.members.recompute import recompute_shard
from rollcall.plans.model import DUE_SHARDS
from rollcall.runtime import dynamo, queues
from rollcall.runtime.errors import NotFoundError, TransientError
from rollcall.runtime.ids import SHARDS, shard_of
from rollcall.runtime.observability import log
from rollcall.runtime.times import now, to_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

TABLE = "PLANS_TABLE"
QUEUE = "PLAN_PARTS_QUEUE_URL"
LOOK_AGAIN = timedelta(minutes=10)


def pk(hub_id: str, version: int) -> str:
    """Return the key of the work that a version of the catalogue makes."""
    return f"{hub_id}#C#{version}"


def work_action(hub_id: str, version: int, actor: str, at: datetime, cause: str = "") -> dynamo.Action:
    """Return the write of the work, for the transaction that writes this version of the catalogue.

    Parameters
    ----------
    cause
        What the activity names; ``catalogue:<version>`` unless told.
    """
    item = {
        "pk": pk(hub_id, version),
        "sk": "-",
        "actor": actor,
        "cause": cause or f"catalogue:{version}",
        "waiting": {_name(shard): True for shard in range(SHARDS)},
        "due_pk": _due_partition(shard_of(hub_id) % DUE_SHARDS),
        "due_sk": to_text(at + LOOK_AGAIN),
    }
    return dynamo.put_action(TABLE, item, "attribute_not_exists(#pk)")


def announce(hub_id: str, version: int) -> None:
    """Point at every shard. Not being able to is no failure: the sweeper points at them as well."""
    try:
        _send(hub_id, version, range(SHARDS))
    except TransientError:
        log.warning("catalogue_change_not_announced", hub_id=hub_id, version=version)


def handle_pointer(pointer: Mapping[str, Any]) -> None:
    """Do what a pointer ``{hub_id, catalogue_version, shard}`` says; a second time does nothing.

    Raises
    ------
    TransientError
        If AWS or other workers got in the way; the same pointer begins the shard again.
    """
    hub_id, version, shard = str(pointer["hub_id"]), int(pointer["catalogue_version"]), int(pointer["shard"])
    key = pk(hub_id, version)
    work = dynamo.get(TABLE, key)
    if work is None:
        return
    if _name(shard) in work["waiting"]:
        try:
            ctx = context.load(hub_id)
        except NotFoundError:
            dynamo.write([dynamo.delete_action(TABLE, key)])
            return
        written = recompute_shard(ctx, shard, Change(work["cause"], work["actor"], to_text(now())))
        log.info("catalogue_shard_done", hub_id=hub_id, version=version, shard=shard, members=written)
    _finish(key, shard)


def wake_due(at_most: int = 100) -> int:
    """Point again at shards whose messages got lost.

    Returns
    -------
    int
        How many changes of a catalogue were looked at.
    """
    at = now()
    count = 0
    for partition in map(_due_partition, range(DUE_SHARDS)):
        values = {"now": to_text(at)}
        page = dynamo.query(TABLE, partition, index="due", condition="#due_sk <= :now", values=values, limit=at_most)
        for item in page.items:
            hub_id, _, version = str(item["pk"]).partition("#C#")
            work = dynamo.get(TABLE, item["pk"])
            if work is None or not _update(item["pk"], "SET #due_sk = :look", {"look": to_text(at + LOOK_AGAIN)}):
                continue
            # One whose shards are all done and that is still there needs one more pointer to be taken away.
            _send(hub_id, int(version), [int(name[1:]) for name in work["waiting"]] or [0])
            count += 1
    return count


def _send(hub_id: str, version: int, shards: Iterable[int]) -> None:
    queues.send_many(QUEUE, [{"hub_id": hub_id, "catalogue_version": version, "shard": shard} for shard in shards])


def _finish(key: str, shard: int) -> None:
    """Take the shard out of the work, and the work away with the last one."""
    _update(key, f"REMOVE #waiting.#{_name(shard)}", {})
    try:
        dynamo.write([dynamo.delete_action(TABLE, key, condition="size(#waiting) = :none", values={"none": 0})])
    except dynamo.ConditionFailedError:
        return  # others still wait, or somebody else took it away


def _update(key: str, update: str, values: Mapping[str, Any]) -> bool:
    action = dynamo.update_action(TABLE, key, "-", update, condition="attribute_exists(#pk)", values=values)
    try:
        dynamo.write([action])
    except dynamo.ConditionFailedError:
        return False
    return True


def _name(shard: int) -> str:
    return f"s{shard}"


def _due_partition(shard: int) -> str:
    return f"catalogue#{shard}"
