"""What old events said is forgotten; that they came, and what became of them, stays for ever (reliability I6).

One item of each hub says when the hub's event log is to be looked through, and how far that is: ``<hub>#F`` of the
Events table. A shard is read from the oldest event on, up to those that are kept; from where it ended the next day goes
on. Once a month it begins anew, for events that were still held, or were applied again, when they were passed.
"""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from rollcall.people.event_log import DUE_SHARDS, TABLE
from rollcall.people.model import EventState
from rollcall.runtime import dynamo
from rollcall.runtime.ids import SHARDS, shard_of
from rollcall.runtime.observability import log
from rollcall.runtime.times import KEPT, from_text, to_text

if TYPE_CHECKING:
    from datetime import datetime

PAGE = 100
EVERY = timedelta(days=1)
ANEW = timedelta(days=30)
GO_ON = timedelta(minutes=1)
# Somebody waits for an address: the event is applied again when it is their turn.
_WAITS = frozenset({"address_taken", "maybe_same_person", "address_erased"})


def watch(hub_id: str, at: datetime) -> None:
    """Look through the hub's events from now on; one that is looked through already stays as it is."""
    item = {
        "pk": _pk(hub_id),
        "sk": "-",
        "cursors": {},
        "begun_at": to_text(at),
        "due_pk": _due(shard_of(hub_id) % DUE_SHARDS),
        "due_sk": to_text(at + EVERY),
    }
    with suppress(dynamo.ConditionFailedError):
        dynamo.write([dynamo.put_action(TABLE, item, "attribute_not_exists(#pk)")])


def due_hubs(shard: int, at: datetime, limit: int) -> list[str]:
    """Return the hubs of one shard whose events are to be looked through."""
    values = {"now": to_text(at)}
    page = dynamo.query(TABLE, _due(shard), index="due", condition="#due_sk <= :now", values=values, limit=limit)
    return [str(item["pk"]).removesuffix("#F") for item in page.items]


def forget_old(hub_id: str, at: datetime, seconds: float) -> int:
    """Take away what the hub's events said that were received longer than ``KEPT`` ago; returns of how many.

    Goes on from where it ended, and ends when the time is over. Twice at once does no harm.

    Raises
    ------
    TransientError
        If AWS got in the way; the next look goes on.
    """
    item = dynamo.get(TABLE, _pk(hub_id))
    if item is None or item["due_sk"] > to_text(at):
        return 0
    end = time.monotonic() + seconds
    is_anew = from_text(item["begun_at"]) + ANEW <= at
    cursors: dict[str, str] = {} if is_anew else dict(item["cursors"])
    begun_at = to_text(at) if is_anew else item["begun_at"]
    count = 0
    for shard in range(SHARDS):
        while time.monotonic() < end:
            found, cursors[_name(shard)], is_through = _page(hub_id, shard, cursors.get(_name(shard), ""), at)
            count += sum(_forget(event, at) for event in found)
            if is_through:
                break
    is_over = time.monotonic() >= end
    action = dynamo.update_action(
        TABLE,
        _pk(hub_id),
        "-",
        "SET #cursors = :cursors, #begun_at = :begun_at, #due_sk = :later",
        condition="#due_sk = :seen",
        values={
            "cursors": cursors,
            "begun_at": begun_at,
            "later": to_text(at + (GO_ON if is_over else EVERY)),
            "seen": item["due_sk"],
        },
    )
    with suppress(dynamo.ConditionFailedError):
        dynamo.write([action])
    if count:
        log.info("events_forgotten", hub_id=hub_id, count=count)
    return count


def _page(hub_id: str, shard: int, cursor: str, at: datetime) -> tuple[list[dict[str, Any]], str, bool]:
    """Return old events that can go, from the cursor on, the cursor behind them, and whether there are no others."""
    page = dynamo.query(
        TABLE,
        f"{hub_id}#{shard}",
        index="by_hub",
        condition="#by_hub_sk BETWEEN :since AND :until",
        # Just after the cursor: no event's own key ends like this.
        values={"since": f"{cursor}~" if cursor else "0", "until": to_text(at - KEPT)},
        limit=PAGE,
        whole=True,
    )
    old = [item for item in page.items if item.get("event") and not _is_needed(item)]
    return old, str(page.items[-1]["by_hub_sk"]) if page.items else cursor, page.next_position is None


def _is_needed(item: dict[str, Any]) -> bool:
    return item["state"] == EventState.NEW or (item["state"] == EventState.HELD and item["reason"] in _WAITS)


def _forget(item: dict[str, Any], at: datetime) -> int:
    """Take away what an event said, unless it was made new since it was read; returns of how many: 0 or 1."""
    action = dynamo.update_action(
        TABLE,
        item["pk"],
        "-",
        "SET #forgotten_at = :at REMOVE #event, #due_pk, #due_sk",
        condition="attribute_exists(#event) AND #state = :state AND #reason = :reason",
        values={"at": to_text(at), "state": item["state"], "reason": item["reason"]},
    )
    try:
        dynamo.write([action])
    except dynamo.ConditionFailedError:
        return 0
    return 1


def _pk(hub_id: str) -> str:
    return f"{hub_id}#F"


def _due(shard: int) -> str:
    return f"forget#{shard}"


def _name(shard: int) -> str:
    return f"s{shard}"
