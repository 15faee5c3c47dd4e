"""The event log: the Events table. Its conditional put is the only commit point of a webhook."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from rollcall.people.events import DirectoryEvent, Ignored
from rollcall.people.model import EventState, LoggedEvent, Looking, Outcome, event_from_item, event_to_item
from rollcall.runtime import dynamo, lists, queues
from rollcall.runtime.ids import digest, shard_of
from rollcall.runtime.times import to_text

if TYPE_CHECKING:
    from collections.abc import Iterable

TABLE = "EVENTS_TABLE"
QUEUE = "DIRECTORY_EVENTS_QUEUE_URL"
DUE_SHARDS = 8
FIRST_SWEEP = timedelta(minutes=1)
ERASED = "erased"
LONGEST_SWEEP = timedelta(hours=6)
CREDENTIALS_CAME = "credentials"
Recorded = Literal["new", "duplicate", "conflict"]


def pk(hub_id: str, event_id: str) -> str:
    """Return the key of an event."""
    return f"{hub_id}#E#{event_id}"


def record_event(
    hub_id: str, event: DirectoryEvent | Ignored, body_hash: str, received_at: datetime, person_id: str | None
) -> Recorded:
    """Make a received event durable; only after this may the sender be told that we have it.

    Returns
    -------
    ``new``; ``duplicate`` if the same event with the same body is there already; ``conflict`` if another body came
    under the same id: that one is kept apart as quarantined, under an id of its own.

    Raises
    ------
    TransientError
        If it is not certain that the event is stored.
    """
    item = _item(hub_id, event, body_hash, received_at, person_id)
    try:
        dynamo.write([dynamo.put_action(TABLE, item, "attribute_not_exists(#pk)")])
    except dynamo.ConditionFailedError as exc:
        if exc.old[0]["body_hash"] == body_hash:
            return "duplicate"
        other = _item(hub_id, event, body_hash, received_at, person_id)
        other |= _keys(hub_id, digest(item["event_id"], body_hash), received_at)
        other |= {
            "state": str(EventState.QUARANTINED),
            "reason": "other_body",
            "detail": "An event with this id was received before, with other contents.",
        }
        other.pop("due_pk", None)
        other.pop("due_sk", None)
        if exc.old[0].get("erased"):
            other.pop("event", None)  # whom it was about was erased: nothing is written down of them again
        dynamo.write([dynamo.put_action(TABLE, other)])
        return "conflict"
    return "new"


def wake(hub_id: str, source_id: str, event_ids: Iterable[str]) -> None:
    """Send pointers to the worker. If that fails the sweeper does it later."""
    queues.send_many(QUEUE, [{"hub_id": hub_id, "source_id": source_id, "event_id": found} for found in event_ids])


def _keys(hub_id: str, event_id: str, received_at: datetime) -> dict[str, Any]:
    at = to_text(received_at)
    return {
        "pk": pk(hub_id, event_id),
        "sk": "-",
        "event_id": event_id,
        "by_hub_pk": f"{hub_id}#{shard_of(event_id)}",
        "by_hub_sk": f"{at}#{event_id}",
    }


def _item(
    hub_id: str, event: DirectoryEvent | Ignored, body_hash: str, received_at: datetime, person_id: str | None
) -> dict[str, Any]:
    item = _keys(hub_id, event.event_id, received_at)
    item |= {
        "hub_id": hub_id,
        "source_id": event.source_id,
        "body_hash": body_hash,
        "received_at": to_text(received_at),
    }
    if isinstance(event, Ignored):
        return item | {"state": str(EventState.IGNORED), "reason": event.reason, "detail": event.detail}
    if person_id is not None:
        item |= {"person_id": person_id, "by_person_pk": f"{hub_id}#{person_id}", "by_person_sk": to_text(received_at)}
    return item | {
        "state": str(EventState.NEW),
        "reason": "received",
        "detail": "Received, not yet applied.",
        "event": event_to_item(event),
        "due_pk": f"event#{shard_of(event.event_id) % DUE_SHARDS}",
        "due_sk": to_text(received_at + FIRST_SWEEP),
        "sweeps": 0,
    }


def get_event(hub_id: str, event_id: str) -> LoggedEvent | None:
    """Return an event of the log, read consistently, or nothing."""
    item = dynamo.get(TABLE, pk(hub_id, event_id))
    return from_item(item) if item else None


def from_item(item: dict[str, Any]) -> LoggedEvent:
    """Read an event of the log from its item."""
    return LoggedEvent(
        event_id=item["event_id"],
        source_id=item["source_id"],
        state=EventState(item["state"]),
        reason=item["reason"],
        detail=item["detail"],
        received_at=item["received_at"],
        settled_at=item.get("settled_at"),
        person_id=item.get("person_id"),
        round=item.get("round", 0),
        event=event_from_item(item["event"]) if item.get("event") else None,
        looking=Looking(item.get("look_tries", 0), item.get("turn_at")),
    )


def settle_event(
    hub_id: str, event_id: str, outcome: Outcome, at: datetime, seen_round: int = 0, *, list_of: str = ""
) -> bool:
    """Write down what a new event did. Returns whether it was still new; a second settling changes nothing.

    One about somebody who was erased loses what it said.

    An event that was made new again since it was read (``seen_round``) stays new: its outcome may be another one now.

    Parameters
    ----------
    list_of
        The source in whose list of events without credentials it is kept, to be applied again when they come.
    """
    values: dict[str, Any] = {
        "round": seen_round,
        "state": str(outcome.state),
        "reason": outcome.reason,
        "detail": outcome.detail,
        "at": to_text(at),
        "new": str(EventState.NEW),
        "erased": outcome.reason == ERASED,
    }
    update = "SET #state = :state, #reason = :reason, #detail = :detail, #settled_at = :at, #erased = :erased"
    if list_of:
        update += ", #due_pk = :due_pk, #due_sk = :at"
        values["due_pk"] = _credentials_list(hub_id, list_of)
    else:
        update += " REMOVE #due_pk, #due_sk" + (", #event" if outcome.reason == ERASED else "")
    action = dynamo.update_action(
        TABLE,
        pk(hub_id, event_id),
        "-",
        update,
        condition="#state = :new AND (attribute_not_exists(#round) OR #round = :round)",
        values=values,
    )
    try:
        dynamo.write([action])
    except dynamo.ConditionFailedError:
        return False
    return True


def forget_action(key: str, at: datetime) -> dynamo.Action:
    """Return the write that takes away what an event said, on condition that it still says something.

    That it came, when, and what became of it stays, so that a repetition is known for ever. One that was not applied
    yet stays new: applying it finds that there is nothing to apply.
    """
    return dynamo.update_action(
        TABLE,
        key,
        "-",
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
        pk(hub_id, event_id),
        "-",
        "SET #event = :event",
        condition="attribute_exists(#pk) AND #event.#look = :true",
        values={"event": event_to_item(looked), "true": True},
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
        pk(hub_id, logged.event_id),
        "-",
        "SET #reason = :reason, #detail = :detail, #due_sk = :due_sk, #sweeps = :zero, "
        "#look_tries = :tries, #turn_at = :turn_at",
        condition="#state = :new AND (attribute_not_exists(#round) OR #round = :round)",
        values={
            "reason": "waiting",
            "detail": detail,
            "due_sk": to_text(until if is_far else until + FIRST_SWEEP),
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


def reopen_event(hub_id: str, event_id: str, at: datetime) -> None:
    """Make a settled event new again, so that it is applied once more (replay). The merge makes that safe.

    Raises
    ------
    ConditionFailedError
        If there is no such event, or it carries nothing to apply.
    """
    dynamo.write([reopen_action(hub_id, event_id, at)])


def reopen_action(hub_id: str, event_id: str, at: datetime) -> dynamo.Action:
    """Return the write that makes an event new again; the sweeper finds it should no wake-up come."""
    return dynamo.update_action(
        TABLE,
        pk(hub_id, event_id),
        "-",
        "SET #state = :new, #reason = :reason, #detail = :detail, "
        "#due_pk = :due_pk, #due_sk = :due_sk, #sweeps = :zero, #round = if_not_exists(#round, :zero) + :one "
        "REMOVE #look_tries, #turn_at",
        condition="attribute_exists(#event) OR #erased = :true",
        values={
            "true": True,
            "new": str(EventState.NEW),
            "reason": "replayed",
            "detail": "Being applied again.",
            "due_pk": f"event#{shard_of(event_id) % DUE_SHARDS}",
            "due_sk": to_text(at + FIRST_SWEEP),
            "zero": 0,
            "one": 1,
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
    return [item["pk"].rpartition("#")[2] for item in page.items]


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
    found = [item["pk"].split("#E#") for item in page.items]
    return [DueEvent(hub_id, event_id) for hub_id, event_id in found]


def put_off(due: DueEvent, at: datetime) -> str | None:
    """Move the next look at a new event further away each time; returns its source id, or nothing if it is settled."""
    item = dynamo.get(TABLE, pk(due.hub_id, due.event_id))
    if item is None or item["state"] != EventState.NEW:
        return None
    sweeps = item["sweeps"] + 1
    action = dynamo.update_action(
        TABLE,
        item["pk"],
        "-",
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


def list_events(hub_id: str, *, limit: int, cursor: str = "") -> tuple[list[LoggedEvent], str | None]:
    """Return the newest events of the hub, and the cursor of the next page."""
    items, next_cursor = lists.page(TABLE, hub_id, "by_hub", limit=limit, cursor=cursor, newest_first=True)
    return [from_item(item) for item in items], next_cursor
