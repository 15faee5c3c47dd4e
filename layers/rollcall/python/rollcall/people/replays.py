"""A replay: events that were settled are applied once more, a selection of them or all of a time window.

A replay has sixteen parts, one for each shard of the event log, and all of them are sent out when it begins. A part
makes its events new, a page at a time, and then writes down how far it came; from there it goes on after a death. A
page that is done twice makes nothing new twice. Each event is then applied like any other, and its outcome is counted
in the transaction that settles it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from rollcall.people import event_log
from rollcall.people.event_log import TABLE, part_sk, replay_pk
from rollcall.people.model import EventState
from rollcall.runtime import dynamo, queues
from rollcall.runtime.errors import TransientError
from rollcall.runtime.ids import SHARDS, new_id, shard_of
from rollcall.runtime.observability import describe, log
from rollcall.runtime.times import from_text, now, to_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, timedelta

PAGE = 100
# A run of the worker may get ten parts, and has thirty seconds.
SECONDS_A_RUN = 2.0
# How often a part sends for itself before the sweeper does: Lambda stops what goes round in circles.
MAX_HOPS = 10
_PREFIX = "replay#"
OUTCOMES = tuple(state for state in EventState if state is not EventState.NEW)


class ReplayState(StrEnum):
    """How far a replay is."""

    FINDING = "finding"
    APPLYING = "applying"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be applied again: these events, or all that were received in a window.

    Attributes
    ----------
    since, until
        RFC 3339 with milliseconds: at or after, and before.
    source_id, state
        Only of this source, only those in this state; empty for all.
    """

    event_ids: tuple[str, ...] = ()
    since: str = ""
    until: str = ""
    source_id: str = ""
    state: str = ""


@dataclass(frozen=True, slots=True)
class Replay:
    """A replay and how far it is.

    Attributes
    ----------
    found
        Events that were made new, so far.
    waiting
        Events that were about to be applied anyway; they are not counted here.
    skipped
        Events that hold nothing which could be applied, or are not there.
    outcomes
        What the events did: state → how many.
    """

    replay_id: str
    wanted: Wanted
    created_by: str
    created_at: str
    is_found: bool = False
    found: int = 0
    waiting: int = 0
    skipped: int = 0
    outcomes: Mapping[str, int] = field(default_factory=dict)

    @property
    def done(self) -> int:
        """How many of those found were applied again."""
        return min(sum(self.outcomes.values()), self.found)

    @property
    def state(self) -> ReplayState:
        """How far it is."""
        if not self.is_found:
            return ReplayState.FINDING
        return ReplayState.DONE if self.done >= self.found else ReplayState.APPLYING


def start_replay(hub_id: str, wanted: Wanted, created_by: str) -> Replay:
    """Begin a replay: once this returns it will be done, whatever dies.

    Raises
    ------
    TransientError
        If it is not certain that it was begun.
    """
    replay_id, at = new_id(), now()
    head: dict[str, Any] = {
        "pk": replay_pk(hub_id, replay_id),
        "sk": "-",
        "replay_id": replay_id,
        "wanted": {name: getattr(wanted, name) for name in Wanted.__slots__},
        "created_by": created_by,
        "created_at": to_text(at),
        "by_hub_pk": f"{hub_id}#replays",
        "by_hub_sk": replay_id,
    }
    parts: list[dict[str, Any]] = [
        {
            "pk": replay_pk(hub_id, replay_id),
            "sk": part_sk(part),
            "cursor": "",
            "due_pk": f"{_PREFIX}{part % event_log.DUE_SHARDS}",
            "due_sk": to_text(at + event_log.FIRST_SWEEP),
        }
        for part in range(SHARDS)
    ]
    dynamo.write([dynamo.put_action(TABLE, item, "attribute_not_exists(#pk)") for item in (head, *parts)])
    pointers = [{"hub_id": hub_id, "replay_id": replay_id, "part": part, "hop": 0} for part in range(SHARDS)]
    _send(hub_id, pointers)
    return Replay(replay_id, wanted, created_by, to_text(at))


def get_replay(hub_id: str, replay_id: str) -> Replay | None:
    """Return a replay with its counts, or nothing."""
    items = {item["sk"]: item for item in dynamo.query_all(TABLE, replay_pk(hub_id, replay_id), consistent=True)}
    if "-" not in items:
        return None
    head = items.pop("-")
    parts = [item for sk, item in items.items() if sk.startswith("S#")]
    counts = {str(state): sum(item.get(f"n_{state}", 0) for item in parts) for state in OUTCOMES}
    return Replay(
        replay_id=replay_id,
        wanted=_wanted(head),
        created_by=head["created_by"],
        created_at=head["created_at"],
        is_found=all(item.get("is_found") for item in parts),
        found=sum(item.get("found", 0) for item in parts),
        waiting=sum(item.get("waiting", 0) for item in parts),
        skipped=sum(item.get("skipped", 0) for item in parts),
        outcomes={state: count for state, count in counts.items() if count},
    )


def list_replays(hub_id: str, *, limit: int, cursor: str = "") -> tuple[list[Replay], str | None]:
    """Return the newest replays, and the cursor of the next page."""
    page = dynamo.query(
        TABLE,
        f"{hub_id}#replays",
        index="by_hub",
        condition="#by_hub_sk < :cursor",
        values={"cursor": cursor or "~"},
        forward=False,
        limit=limit,
    )
    found = [get_replay(hub_id, item["pk"].rpartition("#")[2]) for item in page.items]
    following = str(page.items[-1]["by_hub_sk"]) if page.next_position and page.items else None
    return [replay for replay in found if replay], following


def run_part(hub_id: str, replay_id: str, part: int, hop: int = 0) -> None:
    """Make the events of a part new, until all are or time is up; then it sends for itself, or the sweeper does.

    Raises
    ------
    TransientError
        If AWS could not be reached; what was done stays, and it is gone on with from there.
    """
    head = dynamo.get(TABLE, replay_pk(hub_id, replay_id))
    if head is None:
        return
    wanted, end = _wanted(head), time.monotonic() + SECONDS_A_RUN
    while True:
        item = dynamo.get(TABLE, replay_pk(hub_id, replay_id), part_sk(part))
        if item is None or item.get("is_found"):
            return
        events, following = _page(hub_id, replay_id, wanted, part, item["cursor"])
        counts = {"found": 0, "waiting": 0, "skipped": 0}
        woken: list[dict[str, Any]] = []
        for event_id, source_id in events:
            what = _reopen(hub_id, event_id, replay_id)
            counts[what] += 1
            if what == "found":
                woken.append({"hub_id": hub_id, "source_id": source_id, "event_id": event_id})
        _send(hub_id, woken)
        _checkpoint(item, counts, following)
        if following is None:
            log.info("replay_part_found", hub_id=hub_id, replay_id=replay_id, part=part)
            return
        if time.monotonic() > end:
            if hop < MAX_HOPS:
                _send(hub_id, [{"hub_id": hub_id, "replay_id": replay_id, "part": part, "hop": hop + 1}])
            return


def _wanted(head: dict[str, Any]) -> Wanted:
    return Wanted(**{**head["wanted"], "event_ids": tuple(head["wanted"]["event_ids"])})


def _page(
    hub_id: str, replay_id: str, wanted: Wanted, part: int, cursor: str
) -> tuple[list[tuple[str, str]], str | None]:
    """Return events of the part after the cursor, id and source, and the cursor after them; nothing at the end."""
    if wanted.event_ids:
        ids = sorted(event_id for event_id in wanted.event_ids if shard_of(event_id) == part and event_id > cursor)
        stored = {event_id: event_log.get_event(hub_id, event_id) for event_id in ids[:PAGE]}
        found = [(event_id, logged.source_id if logged else "") for event_id, logged in stored.items()]
        return found, ids[PAGE - 1] if len(ids) > PAGE else None
    page = dynamo.query(
        TABLE,
        f"{hub_id}#{part}",
        index="by_hub",
        condition="#by_hub_sk BETWEEN :since AND :until",
        # Just after the cursor: no event's own key ends like this.
        values={"since": f"{cursor}~" if cursor else wanted.since, "until": wanted.until},
        limit=PAGE,
        whole=True,
    )
    found = [
        (event_log.event_id_of(item), str(item["source_id"]))
        for item in page.items
        if wanted.source_id in ("", item["source_id"])
        # One that this replay made new before a death is in another state now.
        and (wanted.state in ("", item["state"]) or item.get("replay") == replay_id)
    ]
    return found, str(page.items[-1]["by_hub_sk"]) if page.next_position and page.items else None


def _reopen(hub_id: str, event_id: str, replay_id: str) -> str:
    """Make an event new, once for a replay; return which count it belongs to."""
    try:
        dynamo.write([event_log.reopen_action(hub_id, event_id, now(), replay_id)])
    except dynamo.ConditionFailedError as exc:
        old = exc.old.get(0, {})
        if not (old.get("event") or old.get("erased")):
            return "skipped"
        return "found" if old.get("replay") == replay_id else "waiting"
    return "found"


def _checkpoint(item: dict[str, Any], counts: Mapping[str, int], following: str | None) -> None:
    action = dynamo.update_action(
        TABLE,
        item["pk"],
        item["sk"],
        "SET #cursor = :following, #is_found = :is_found, #due_sk = :later"
        + (" REMOVE #due_pk" if following is None else "")
        + " ADD #found :found, #waiting :waiting, #skipped :skipped",
        condition="#cursor = :seen AND (attribute_not_exists(#is_found) OR #is_found = :no)",
        values={
            "following": following or item["cursor"],
            "is_found": following is None,
            "seen": item["cursor"],
            "later": to_text(now() + event_log.FIRST_SWEEP),
            "no": False,
            **counts,
        },
    )
    try:
        dynamo.write([action])
    except dynamo.ConditionFailedError:
        log.info("replay_part_overtaken", part=item["sk"])


def _send(hub_id: str, pointers: list[dict[str, Any]]) -> None:
    try:
        queues.send_many(event_log.QUEUE, pointers)
    except TransientError as exc:  # the sweeper sends them
        log.warning("wake_failed", **describe(exc), hub_id=hub_id, count=len(pointers))


def due_parts(shard: int, at: datetime, limit: int) -> list[tuple[str, str, int]]:
    """Return hub id, replay id and number of the parts of one shard that stood still."""
    page = dynamo.query(
        TABLE,
        f"{_PREFIX}{shard}",
        index="due",
        condition="#due_sk <= :now",
        values={"now": to_text(at)},
        limit=limit,
    )
    found = [(*item["pk"].split("#R#"), int(item["sk"].removeprefix("S#"))) for item in page.items]
    return [(hub_id, replay_id, part) for hub_id, replay_id, part in found]


def wake_part(hub_id: str, replay_id: str, part: int, at: datetime, later: timedelta) -> bool:
    """Send for a part that stood still, and look again later; returns whether it was still to be done."""
    key = replay_pk(hub_id, replay_id)
    item = dynamo.get(TABLE, key, part_sk(part))
    if item is None or item.get("is_found") or from_text(item["due_sk"]) > at:
        return False
    action = dynamo.update_action(
        TABLE,
        key,
        part_sk(part),
        "SET #due_sk = :later",
        condition="attribute_exists(#due_pk)",
        values={"later": to_text(at + later)},
    )
    try:
        dynamo.write([action])
    except dynamo.ConditionFailedError:
        return False
    queues.send(event_log.QUEUE, {"hub_id": hub_id, "replay_id": replay_id, "part": part, "hop": 0})
    return True
