"""The event log: the Events table. Its conditional put is the only commit point of a webhook.

Every byte of an event is written twice and kept for long, so an item says nothing twice: hub, event and person, and
when it was received, stand in its keys alone, and the usual words of what became of it in ``outcomes``.
"""

from __future__ import annotations

import heapq
import math
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from rollcall.people.events import DirectoryEvent, Ignored, Kind, placed
from rollcall.people.model import EventState, LoggedEvent, Looking, Outcome, event_from_item, event_to_item
from rollcall.people.outcomes import DETAILS, RECEIVED
from rollcall.runtime import dynamo, lists, queues
from rollcall.runtime.ahead import ahead
from rollcall.runtime.errors import TransientError
from rollcall.runtime.ids import NAME_CHARS, SHARDS, digest, person_of, shard_of, split_event_id
from rollcall.runtime.observability import describe, log
from rollcall.runtime.times import from_text, now, to_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

TABLE = "EVENTS_TABLE"
QUEUE = "DIRECTORY_EVENTS_QUEUE_URL"
DUE_SHARDS = 8
FIRST_SWEEP = timedelta(minutes=1)
ERASED = "erased"
LONGEST_SWEEP = timedelta(hours=6)
CREDENTIALS_CAME = "credentials"
# How long and how often an event is tried before it has failed.
GIVE_UP_AFTER = timedelta(hours=24)
GIVE_UP_TRIES = 5
NEED_ATTENTION = frozenset({EventState.HELD, EventState.QUARANTINED, EventState.FAILED})
FAILED = Outcome(
    EventState.FAILED,
    "not_reached",
    "What we store it in did not answer, or was too busy, for a day. Nothing is lost: replay the event.",
)
BROKEN = Outcome(
    EventState.FAILED,
    "our_fault",
    "It could not be applied for a day because of a fault on our side. Tell who operates Rollcall, then replay it.",
)
Recorded = Literal["new", "duplicate", "conflict"]
# Marks at once where the queue does not take the pointers of a large delivery.
MARKS_AT_ONCE = 16
_SAID_ALREADY = frozenset({"event_id", "source_id"})
_UNLESS_SAID: dict[str, object] = {"fields": {}, "attributes": {}, "groups": {}, "complete": False, "active": None}


def pk(hub_id: str, place: str) -> str:
    """Return the partition of the events of a place: of a person, or one of nobody's."""
    return f"{hub_id}#E#{place}"


def key(hub_id: str, event_id: str) -> tuple[str, str]:
    """Return the key of an event, ``pk`` and ``sk``."""
    place, name = split_event_id(event_id)
    return pk(hub_id, place), name


def event_id_of(item: dict[str, Any]) -> str:
    """Return the id of an event from its item, or from an entry of an index."""
    return str(item["pk"]).rpartition("#")[2] + str(item["sk"])


def person_id_of(item: dict[str, Any]) -> str | None:
    """Return whom an event is about from its item; nothing for one that is about nobody: its key says so, for ever."""
    return person_of(event_id_of(item))


def received_at_of(item: dict[str, Any]) -> str:
    """Return when an event was received from its item: RFC 3339 with milliseconds."""
    return str(item["by_hub_sk"]).partition("#")[0]


def record_event(hub_id: str, event: DirectoryEvent | Ignored, body_hash: str, received_at: datetime) -> Recorded:
    """Make a received event durable; only after this may the sender be told that we have it. It is ``placed``.

    Returns
    -------
    ``new``; ``duplicate`` if the same event with the same body is there already; ``conflict`` if another body came
    under the same id: that one is kept apart as quarantined, under an id of its own.

    A new one is looked after once ``wake_new`` was told. Where that never happened, since the worker died before it
    could answer, the sender sends again: a duplicate that is not applied yet is left to the sweep.

    Raises
    ------
    TransientError
        If it is not certain that the event is stored.
    """
    item = _item(hub_id, event, body_hash, received_at)
    try:
        dynamo.write([dynamo.put_action(TABLE, item, "attribute_not_exists(#pk)")])
    except dynamo.ConditionFailedError as exc:
        stored = exc.old[0]
        if stored["body_hash"] == body_hash:
            if stored["state"] == EventState.NEW and "due_pk" not in stored:
                look_after(hub_id, event.event_id, received_at)
            return "duplicate"
        named = replace(event, event_id=_later_name(event.event_id, body_hash))
        later = placed(named, person_of(event.event_id))
        other = _item(hub_id, later, body_hash, received_at)
        other |= {
            "state": str(EventState.QUARANTINED),
            "reason": "other_body",
            "detail": "An event with this id was received before, with other contents.",
        }
        other |= _attention(hub_id, later.event_id)
        if stored.get("erased"):
            other.pop("event", None)  # whom it was about was erased: nothing is written down of them again
        with suppress(dynamo.ConditionFailedError):  # it came before, and may have been replayed since
            dynamo.write([dynamo.put_action(TABLE, other, "attribute_not_exists(#pk)")])
        return "conflict"
    return "new"


def _later_name(event_id: str, body_hash: str) -> str:
    """Return a name for other contents under the id of an event.

    Its id is greater then, so that of two which say the same time the second counts, should an admin replay it.
    """
    place, name = split_event_id(event_id)
    first = int(name, 16) + 1
    later = f"{first + int(digest(event_id, body_hash), 16) % max(16**NAME_CHARS - first, 1):0{NAME_CHARS}x}"
    return place[:-NAME_CHARS] + later


def wake(hub_id: str, source_id: str, event_ids: Iterable[str]) -> None:
    """Send pointers to the worker, of events that the sweep looks after: it does so later if this fails.

    Raises
    ------
    TransientError
        If SQS did not take them all.
    """
    queues.send_many(QUEUE, [{"hub_id": hub_id, "source_id": source_id, "event_id": found} for found in event_ids])


def wake_new(hub_id: str, source_id: str, event_ids: Sequence[str]) -> None:
    """Send pointers to the worker, of events that were just recorded; where that fails, let the sweep do it.

    An event that was recorded is looked after by its pointer alone, and by the daily look through the log.

    Raises
    ------
    TransientError
        If neither is certain: whoever recorded them must come again.
    """
    try:
        wake(hub_id, source_id, event_ids)
    except TransientError as exc:
        log.warning("wake_failed", **describe(exc), hub_id=hub_id, source_id=source_id, count=len(event_ids))
        at = now()
        for _ in ahead(lambda event_id: look_after(hub_id, event_id, at), event_ids, MARKS_AT_ONCE):
            pass


def look_after(hub_id: str, event_id: str, at: datetime) -> bool:
    """Let the sweep look after an event that is still new, a minute from now; returns whether it was not so before.

    Raises
    ------
    TransientError
        If it is not certain that this is written down.
    """
    action = dynamo.update_action(
        TABLE,
        *key(hub_id, event_id),
        "SET #due_pk = :due_pk, #due_sk = :due_sk",
        condition="#state = :new AND attribute_not_exists(#due_pk)",
        values={**_due(event_id, at + FIRST_SWEEP), "new": str(EventState.NEW)},
    )
    try:
        dynamo.write([action])
    except dynamo.ConditionFailedError:
        return False
    return True


def _due(event_id: str, at: datetime) -> dict[str, str]:
    """Return the key by which the sweep finds a new event from a time on."""
    return {"due_pk": f"event#{shard_of(event_id) % DUE_SHARDS}", "due_sk": to_text(at)}


def _keys(hub_id: str, event_id: str, received_at: datetime) -> dict[str, Any]:
    return {
        **dict(zip(("pk", "sk"), key(hub_id, event_id), strict=True)),
        "by_hub_pk": f"{hub_id}#{shard_of(event_id)}",
        "by_hub_sk": f"{to_text(received_at)}#{event_id}",
    }


def _item(hub_id: str, event: DirectoryEvent | Ignored, body_hash: str, received_at: datetime) -> dict[str, Any]:
    item = _keys(hub_id, event.event_id, received_at)
    item |= {"source_id": event.source_id, "body_hash": body_hash}
    if isinstance(event, Ignored):
        return item | {"state": str(EventState.IGNORED), "reason": event.reason, "detail": event.detail}
    return item | {
        "state": str(RECEIVED.state),
        "reason": RECEIVED.reason,
        "event": _said(event),
    }


def _said(event: DirectoryEvent) -> dict[str, Any]:
    """Return what an event says, without what it leaves open and what the item says already."""
    said = event_to_item(event).items()
    return {
        name: value
        for name, value in said
        if name not in _SAID_ALREADY and not (name in _UNLESS_SAID and value == _UNLESS_SAID[name])
    }


def all_of_person(hub_id: str, person_id: str) -> Iterator[dict[str, Any]]:
    """Yield the items of every event about a person, in no order of time; memory holds one page."""
    return dynamo.query_all(TABLE, pk(hub_id, person_id), consistent=True)


def newest_of_person(hub_id: str, person_id: str, limit: int) -> list[dict[str, Any]]:
    """Return the items of the newest events about a person, the newest first; memory holds these and one page."""
    return heapq.nlargest(limit, all_of_person(hub_id, person_id), key=_order)


def _order(item: dict[str, Any]) -> str:
    """Return what lists of events are sorted by: when it was received, then its id."""
    return str(item["by_hub_sk"])


def get_event(hub_id: str, event_id: str) -> LoggedEvent | None:
    """Return an event of the log, read consistently, or nothing."""
    item = dynamo.get(TABLE, *key(hub_id, event_id))
    return from_item(item) if item else None


def glance(hub_id: str, event_ids: Iterable[str]) -> dict[str, LoggedEvent]:
    """Return events by id as they were a moment ago, for half of what a consistent read costs; some may be missing."""
    found = dynamo.get_many(TABLE, [key(hub_id, event_id) for event_id in event_ids], consistent=False)
    return {event_id_of(item): from_item(item) for item in found.values()}


def sources_of(hub_id: str, event_ids: Iterable[str]) -> dict[str, str]:
    """Return the source of each of the events, by the event's id; those not in the log are left out."""
    found = dynamo.get_many(TABLE, [key(hub_id, event_id) for event_id in event_ids])
    return {event_id_of(item): item["source_id"] for item in found.values()}


def from_item(item: dict[str, Any]) -> LoggedEvent:
    """Read an event of the log from its item."""
    name = {"event_id": event_id_of(item), "source_id": item["source_id"]}
    return LoggedEvent(
        **name,
        state=EventState(item["state"]),
        reason=item["reason"],
        detail=item.get("detail") or DETAILS.get(item["reason"], ""),
        received_at=received_at_of(item),
        settled_at=item.get("settled_at"),
        person_id=person_id_of(item),
        round=item.get("round", 0),
        tries=item.get("tries", 0),
        counts_for=item.get("counts_for"),
        event=event_from_item(name | item["event"]) if item.get("event") else None,
        looking=Looking(item.get("look_tries", 0), item.get("turn_at")),
    )


def settle_event(
    hub_id: str,
    event_id: str,
    outcome: Outcome,
    at: datetime,
    seen_round: int = 0,
    *,
    list_of: str = "",
    counts_for: str | None = None,
) -> bool:
    """Write down what a new event did. Returns whether it was still new; a second settling changes nothing.

    One about somebody who was erased loses what it said.

    An event that was made new again since it was read (``seen_round``) stays new: its outcome may be another one now.
    Where a replay made it new, its outcome is added to the replay's counts in the same transaction.

    Parameters
    ----------
    list_of
        The source in whose list of events without credentials it is kept, to be applied again when they come.
    counts_for
        The replay that made it new.

    Raises
    ------
    TransientError
        If it is not certain that it was written.
    """
    known: dict[str, Any] = {
        "state": str(outcome.state),
        "reason": outcome.reason,
        "settled_at": to_text(at),
    }
    gone = ["tries", "trouble", "troubled_at", "counts_for", "sweeps"]
    if outcome.detail == DETAILS.get(outcome.reason):
        gone.append("detail")
    else:
        known["detail"] = outcome.detail
    if outcome.state in NEED_ATTENTION:
        known |= _attention(hub_id, event_id)
    if list_of:
        known |= {"due_pk": _credentials_list(hub_id, list_of), "due_sk": to_text(at)}
    else:
        gone += ["due_pk", "due_sk"]
    if outcome.reason == ERASED:
        known["erased"] = True
        gone.append("event")
    kept, removed = ", ".join(f"#{name} = :{name}" for name in known), ", ".join(f"#{name}" for name in gone)
    action = dynamo.update_action(
        TABLE,
        *key(hub_id, event_id),
        f"SET {kept} REMOVE {removed}",
        condition="#state = :new AND (attribute_not_exists(#round) OR #round = :round)",
        values={**known, "new": str(EventState.NEW), "round": seen_round},
    )
    counted = [_count(hub_id, counts_for, event_id, outcome.state)] if counts_for else []
    try:
        dynamo.write([action, *counted])
    except dynamo.ConditionFailedError:
        return False
    return True


def forget_action(pk: str, sk: str, at: datetime) -> dynamo.Action:
    """Return the write that takes away what an event said, on condition that it still says something.

    That it came, when, and what became of it stays, so that a repetition is known for ever. One that was not applied
    yet stays new: applying it finds that there is nothing to apply.
    """
    return dynamo.update_action(
        TABLE,
        pk,
        sk,
        "SET #erased = :true, #erased_at = :at REMOVE #event",
        condition="attribute_exists(#event)",
        values={"true": True, "at": to_text(at)},
    )


def freeze_event(hub_id: str, event_id: str, looked: DirectoryEvent) -> DirectoryEvent:
    """Put what was looked up in the place of an event that said only who, and return what lies there now.

    The first to look is the one that counts, so that applying the event again is the same for ever.
    """
    action = dynamo.update_action(
        TABLE,
        *key(hub_id, event_id),
        "SET #event = :event",
        condition="attribute_exists(#pk) AND #event.#look = :true",
        values={"event": _said(looked), "true": True},
    )
    try:
        dynamo.write([action])
    except dynamo.ConditionFailedError as exc:
        held = exc.old.get(0)
        return (from_item(held).event if held else None) or looked
    return looked


def wait(hub_id: str, logged: LoggedEvent, *, until: datetime, detail: str, looking: Looking, at: datetime) -> None:
    """Let a new event come again at a time, saying why; the sweeper finds it should the message get lost.

    Raises
    ------
    TransientError
        If it is not certain that this is written down, or the message was not taken.
    """
    seconds = max(math.ceil((until - at).total_seconds()), 0)
    is_far = seconds > queues.MAX_DELAY
    action = dynamo.update_action(
        TABLE,
        *key(hub_id, logged.event_id),
        "SET #reason = :reason, #detail = :detail, #due_pk = :due_pk, #due_sk = :due_sk, #sweeps = :zero, "
        "#look_tries = :tries, #turn_at = :turn_at",
        condition="#state = :new AND (attribute_not_exists(#round) OR #round = :round)",
        values={
            "reason": "waiting",
            "detail": detail,
            **_due(logged.event_id, until if is_far else until + FIRST_SWEEP),
            "zero": 0,
            "tries": looking.tries,
            "turn_at": looking.turn_at,
            "new": str(EventState.NEW),
            "round": logged.round,
        },
    )
    try:
        dynamo.write([action])
    except dynamo.ConditionFailedError:
        return
    if not is_far:
        pointer = {"hub_id": hub_id, "source_id": logged.source_id, "event_id": logged.event_id}
        queues.send(QUEUE, pointer, delay=seconds)


def replay_pk(hub_id: str, replay_id: str) -> str:
    """Return the key of a replay and its parts."""
    return f"{hub_id}#R#{replay_id}"


def part_sk(part: int) -> str:
    """Return the sort key of one of the sixteen parts of a replay."""
    return f"S#{part:02d}"


def _count(hub_id: str, replay_id: str, event_id: str, state: EventState) -> dynamo.Action:
    return dynamo.update_action(
        TABLE,
        replay_pk(hub_id, replay_id),
        part_sk(shard_of(event_id)),
        f"ADD #n_{state} :one",
        values={"one": 1},
    )


def _attention(hub_id: str, event_id: str) -> dict[str, str]:
    """Return the key that puts an event among those that somebody should look at."""
    return {"attention_pk": f"{hub_id}#{shard_of(event_id)}"}


def note_trouble(hub_id: str, event_id: str, trouble: str, at: datetime) -> None:
    """Write down that a new event could not be applied this time, so that it can be given up some day.

    Parameters
    ----------
    trouble
        Stable code of the error.

    Raises
    ------
    TransientError
        If it is not certain that it was written.
    """
    action = dynamo.update_action(
        TABLE,
        *key(hub_id, event_id),
        "SET #reason = :reason, #detail = :detail, #trouble = :trouble, "
        "#troubled_at = if_not_exists(#troubled_at, :at) ADD #tries :one",
        condition="#state = :new",
        values={
            "reason": "trying_again",
            "detail": "It could not be applied yet. It is tried again by itself.",
            "trouble": trouble,
            "at": to_text(at),
            "one": 1,
            "new": str(EventState.NEW),
        },
    )
    with suppress(dynamo.ConditionFailedError):
        dynamo.write([action])


def reopen_event(hub_id: str, event_id: str, at: datetime) -> None:
    """Make a settled event new again, so that it is applied once more (replay). The merge makes that safe.

    Raises
    ------
    ConditionFailedError
        If there is no such event, or it carries nothing to apply.
    """
    dynamo.write([reopen_action(hub_id, event_id, at)])


# A replay makes an event new once; one that waits to be applied anyway is left to that.
_NOT_YET = " AND #state <> :new AND (attribute_not_exists(#replay) OR #replay <> :replay)"


def reopen_action(hub_id: str, event_id: str, at: datetime, replay_id: str = "") -> dynamo.Action:
    """Return the write that makes an event new again; the sweeper finds it should no wake-up come."""
    return dynamo.update_action(
        TABLE,
        *key(hub_id, event_id),
        "SET #state = :new, #reason = :reason, #detail = :detail, "
        "#due_pk = :due_pk, #due_sk = :due_sk, #sweeps = :zero, #round = if_not_exists(#round, :zero) + :one"
        + (", #replay = :replay, #counts_for = :replay" if replay_id else "")
        + " REMOVE #look_tries, #turn_at, #tries, #trouble, #troubled_at, #attention_pk",
        condition="(attribute_exists(#event) OR #erased = :true)" + (_NOT_YET if replay_id else ""),
        values={
            "true": True,
            "new": str(EventState.NEW),
            "reason": "replayed",
            "detail": "Being applied again.",
            **_due(event_id, at + FIRST_SWEEP),
            "zero": 0,
            "one": 1,
            **({"replay": replay_id} if replay_id else {}),
        },
    )


def still_there(hub_id: str, event_ids: Iterable[str]) -> tuple[str, ...]:
    """Return those of the events that could be applied again: they are kept no longer than they must be."""
    wanted = list(event_ids)
    return tuple(event_id for event_id in wanted if (found := get_event(hub_id, event_id)) and found.event)


def credentials_came(hub_id: str, source_id: str, at: datetime) -> None:
    """Note that a source has credentials, or new ones: the sweep applies again what needed them.

    Raises
    ------
    TransientError
        If it is not certain that this is written down.
    """
    action = dynamo.update_action(
        TABLE,
        f"{hub_id}#K#{source_id}",
        "-",
        "SET #hub_id = :hub_id, #source_id = :source_id, #due_pk = :due_pk, #due_sk = :at",
        values={"hub_id": hub_id, "source_id": source_id, "due_pk": CREDENTIALS_CAME, "at": to_text(at)},
    )
    dynamo.write([action])


def sources_with_new_credentials(limit: int) -> list[tuple[str, str, str]]:
    """Return hub id, source id and time of credentials that came and were not yet swept for long enough."""
    page = dynamo.query(TABLE, CREDENTIALS_CAME, index="due", limit=limit)
    found = [(*item["pk"].split("#K#"), item["due_sk"]) for item in page.items]
    return [(hub_id, source_id, at) for hub_id, source_id, at in found]


def events_without_credentials(hub_id: str, source_id: str, until: datetime, limit: int) -> list[str]:
    """Return ids of events of a source that up to a time could not be looked up for want of credentials."""
    key, values = _credentials_list(hub_id, source_id), {"until": to_text(until)}
    page = dynamo.query(TABLE, key, index="due", condition="#due_sk <= :until", values=values, limit=limit)
    return [event_id_of(item) for item in page.items]


def credentials_done(hub_id: str, source_id: str, seen: str) -> None:
    """Forget that credentials came, unless others came since."""
    action = dynamo.update_action(
        TABLE,
        f"{hub_id}#K#{source_id}",
        "-",
        "REMOVE #due_pk, #due_sk",
        condition="#due_sk = :seen",
        values={"seen": seen},
    )
    with suppress(dynamo.ConditionFailedError):
        dynamo.write([action])


def _credentials_list(hub_id: str, source_id: str) -> str:
    return f"credentials#{hub_id}#{source_id}"


@dataclass(frozen=True, slots=True)
class DueEvent:
    """An event that is still new when it should not be."""

    hub_id: str
    event_id: str


def due_events(shard: int, at: datetime, limit: int) -> list[DueEvent]:
    """Return events of one shard that are still new and were due to be looked at."""
    page = dynamo.query(
        TABLE, f"event#{shard}", index="due", condition="#due_sk <= :now", values={"now": to_text(at)}, limit=limit
    )
    return [DueEvent(str(item["pk"]).partition("#")[0], event_id_of(item)) for item in page.items]


def put_off(due: DueEvent, at: datetime) -> str | None:
    """Move the next look at a new event further away each time; returns its source id, or nothing if it is settled.

    One that could not be applied for a day, although it was tried again and again, has failed: somebody must look at
    it. One that nobody tried, since the worker stood still, is not given up.
    """
    item = dynamo.get(TABLE, *key(due.hub_id, due.event_id))
    if item is None or item["state"] != EventState.NEW:
        return None
    if item.get("tries", 0) >= GIVE_UP_TRIES and from_text(item["troubled_at"]) + GIVE_UP_AFTER <= at:
        outcome = FAILED if item["trouble"] == TransientError.code else BROKEN
        settle_event(due.hub_id, due.event_id, outcome, at, item.get("round", 0), counts_for=item.get("counts_for"))
        log.error("event_failed", hub_id=due.hub_id, event_id=due.event_id, reason=outcome.reason)
        return None
    sweeps = item.get("sweeps", 0) + 1
    action = dynamo.update_action(
        TABLE,
        item["pk"],
        item["sk"],
        "SET #due_sk = :due_sk, #sweeps = :sweeps",
        condition="#state = :new",
        values={
            "due_sk": to_text(at + min(FIRST_SWEEP * 2**sweeps, LONGEST_SWEEP)),
            "sweeps": sweeps,
            "new": str(EventState.NEW),
        },
    )
    try:
        dynamo.write([action])
    except dynamo.ConditionFailedError:
        return None
    return str(item["source_id"])


@dataclass(frozen=True, slots=True)
class Search:
    """Which events are wanted; empty and ``None`` ask for all.

    Attributes
    ----------
    person_ids
        Of these persons; nobody's if it is empty.
    since, until
        Received at or after, and before: RFC 3339 with milliseconds.
    """

    state: EventState | None = None
    reason: str = ""
    kind: Kind | None = None
    source_id: str = ""
    person_ids: tuple[str, ...] | None = None
    since: str = ""
    until: str = ""

    def keeps(self, item: dict[str, Any]) -> bool:
        """Tell whether an item of the log is wanted."""
        kind = item["event"]["kind"] if item.get("event") else None
        return (
            self.state in (None, item["state"])
            and self.reason in ("", item["reason"])
            and self.kind in (None, kind)
            and self.source_id in ("", item["source_id"])
        )


def list_events(
    hub_id: str, *, limit: int, cursor: str = "", search: Search | None = None
) -> tuple[list[LoggedEvent], str | None]:
    """Return the newest events of the hub, and the cursor of the next page.

    What narrows the search most is where it is read: a person's own events, or the few that need attention. A page
    may hold fewer events than there are.
    """
    wanted = search or Search()
    if wanted.person_ids is not None:
        return _list_of_persons(hub_id, wanted.person_ids, limit=limit, cursor=cursor, wanted=wanted)
    index = "attention" if wanted.state in NEED_ATTENTION else "by_hub"
    partitions = [f"{hub_id}#{shard}" for shard in range(SHARDS)]
    items, next_cursor = lists.newest(
        TABLE,
        partitions,
        index,
        limit=limit,
        cursor=cursor,
        since=wanted.since,
        until=wanted.until,
        keep=wanted.keeps,
        order="by_hub_sk",
        whole=index != "attention",
    )
    return [from_item(item) for item in items], next_cursor


def _list_of_persons(
    hub_id: str, person_ids: Iterable[str], *, limit: int, cursor: str, wanted: Search
) -> tuple[list[LoggedEvent], str | None]:
    """Return the newest events of some persons; all of theirs are read, and memory holds those of the page."""
    upper = min((bound for bound in (cursor, wanted.until) if bound), default="~")
    listed = (item for person_id in person_ids for item in all_of_person(hub_id, person_id))
    kept = (item for item in listed if wanted.since <= _order(item) < upper and wanted.keeps(item))
    newest = heapq.nlargest(limit + 1, kept, key=_order)
    page = newest[:limit]
    return [from_item(item) for item in page], _order(page[-1]) if len(newest) > limit else None
