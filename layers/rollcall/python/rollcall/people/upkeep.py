"""The daily look through a hub's event log: what was overlooked is applied, and what is old is forgotten.

An event that was just recorded is looked after by its pointer in the queue. Should that be gone (it lay there for
longer than a queue keeps it, or somebody emptied the queue), the event is found here and the sweep sends another. What
old events said is forgotten; that they came, and what became of them, stays for ever (reliability I6).

One item of each hub says when the hub's event log is to be looked through, and how far that is: ``<hub>#F`` of the
Events table. A shard is read from the oldest event on, up to those that are too young; from where it ended the next day
goes on. Once a month what is forgotten begins anew, for events that were still held, or were applied again, when they
were passed.
"""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from rollcall.people.event_log import DUE_SHARDS, TABLE, event_id_of, look_after
from rollcall.people.model import EventState
from rollcall.runtime import dynamo
from rollcall.runtime.ids import SHARDS, shard_of
from rollcall.runtime.observability import log
from rollcall.runtime.times import KEPT, from_text, to_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

PAGE = 100
EVERY = timedelta(days=1)
# Younger events are on their way: the queue gives a pointer five tries in a quarter of an hour.
ON_ITS_WAY = timedelta(hours=1)
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
        "looked_up_to": {},
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


def look_through(hub_id: str, at: datetime, seconds: float) -> int:
    """Let the sweep apply the hub's new events that were overlooked, and take away what those said that are old.

    Old is what was received longer than ``KEPT`` ago. Goes on from where it ended, and ends when the time is over.
    Twice at once does no harm.

    Returns
    -------
    int
        How many were overlooked or old.

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
    looked_up_to: dict[str, str] = dict(item.get("looked_up_to", {}))
    overlooked = _go_through(hub_id, looked_up_to, at - ON_ITS_WAY, end, lambda events: _overlooked(hub_id, events, at))
    cursors: dict[str, str] = {} if is_anew else dict(item["cursors"])
    forgotten = _go_through(hub_id, cursors, at - KEPT, end, lambda events: _forget(events, at))
    action = dynamo.update_action(
        TABLE,
        _pk(hub_id),
        "-",
        "SET #cursors = :cursors, #looked_up_to = :looked_up_to, #begun_at = :begun_at, #due_sk = :later",
        condition="#due_sk = :seen",
        values={
            "cursors": cursors,
            "looked_up_to": looked_up_to,
            "begun_at": to_text(at) if is_anew else item["begun_at"],
            "later": to_text(at + (GO_ON if time.monotonic() >= end else EVERY)),
            "seen": item["due_sk"],
        },
    )
    with suppress(dynamo.ConditionFailedError):
        dynamo.write([action])
    if overlooked:
        log.warning("events_overlooked", hub_id=hub_id, count=overlooked)
    if forgotten:
        log.info("events_forgotten", hub_id=hub_id, count=forgotten)
    return overlooked + forgotten


def _go_through(
    hub_id: str, cursors: dict[str, str], until: datetime, end: float, work: Callable[[list[dict[str, Any]]], int]
) -> int:
    """Hand the hub's events to the work, page by page, from the cursors on, which move with it; returns its sum."""
    count = 0
    for shard in range(SHARDS):
        name = f"s{shard}"
        while time.monotonic() < end:
            page = _page(hub_id, shard, cursors.get(name, ""), until)
            count += work(page.items)
            if page.items:
                cursors[name] = str(page.items[-1]["by_hub_sk"])
            if page.next_position is None:
                break
    return count


def _page(hub_id: str, shard: int, cursor: str, until: datetime) -> dynamo.Page:
    """Return the keys of the events behind the cursor that were received up to a time, the oldest first."""
    return dynamo.query(
        TABLE,
        f"{hub_id}#{shard}",
        index="by_hub",
        condition="#by_hub_sk BETWEEN :since AND :until",
        # Just after the cursor: no event's own key ends like this.
        values={"since": f"{cursor}~" if cursor else "0", "until": to_text(until)},
        limit=PAGE,
    )


def _read(entries: list[dict[str, Any]]) -> Iterable[dict[str, Any]]:
    """Return the events that the entries stand for; one as it was a second ago is good enough to look at it."""
    return dynamo.get_many(TABLE, [(entry["pk"], entry["sk"]) for entry in entries], consistent=False).values()


def _overlooked(hub_id: str, entries: list[dict[str, Any]], at: datetime) -> int:
    """Let the sweep look after the new events that nothing else does; returns how many they are."""
    new = [item for item in _read(entries) if item["state"] == EventState.NEW and "due_pk" not in item]
    return sum(look_after(hub_id, event_id_of(item), at) for item in new)


def _is_needed(item: dict[str, Any]) -> bool:
    return item["state"] == EventState.NEW or (item["state"] == EventState.HELD and item["reason"] in _WAITS)


def _forget(entries: list[dict[str, Any]], at: datetime) -> int:
    """Take away what the events said that nobody needs any more; returns of how many."""
    return sum(_forget_one(item, at) for item in _read(entries) if item.get("event") and not _is_needed(item))


def _forget_one(item: dict[str, Any], at: datetime) -> bool:
    """Take away what an event said, unless it was made new since it was read."""
    action = dynamo.update_action(
        TABLE,
        item["pk"],
        item["sk"],
        "SET #forgotten_at = :at REMOVE #event, #due_pk, #due_sk",
        condition="attribute_exists(#event) AND #state = :state AND #reason = :reason",
        values={"at": to_text(at), "state": item["state"], "reason": item["reason"]},
    )
    try:
        dynamo.write([action])
    except dynamo.ConditionFailedError:
        return False
    return True


def _pk(hub_id: str) -> str:
    return f"{hub_id}#F"


def _due(shard: int) -> str:
    return f"forget#{shard}"
