"""Erasures: items of the Plans table. While one is not through, a sweeper finds it in the ``due`` index."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from rollcall.privacy.model import DUE_SHARDS, PASSES, Erasure, ErasureState
from rollcall.runtime import dynamo, queues
from rollcall.runtime.ids import shard_of
from rollcall.runtime.times import from_text, to_text
from rollcall.uploads.store import newest

if TYPE_CHECKING:
    from datetime import datetime

TABLE = "PLANS_TABLE"
QUEUE = "ERASURES_QUEUE_URL"
LOOK_AGAIN = timedelta(minutes=10)


def pk(hub_id: str, erasure_id: str) -> str:
    """Return the key of an erasure."""
    return f"{hub_id}#D#{erasure_id}"


def get(hub_id: str, erasure_id: str) -> Erasure | None:
    """Return an erasure of the hub, read consistently, or nothing."""
    item = dynamo.get(TABLE, pk(hub_id, erasure_id))
    return Erasure.from_item(item) if item else None


def list_erasures(hub_id: str, *, limit: int, cursor: str = "") -> tuple[list[Erasure], str | None]:
    """Return the erasures of the hub, newest first, and the cursor of the next page."""
    items, following = newest(f"{hub_id}#erasure", limit=limit, cursor=cursor)
    return [Erasure.from_item(item) for item in items], following


def put_action(erasure: Erasure, due_at: str) -> dynamo.Action:
    """Return the write of an erasure, on condition that the stored revision is still ``erasure.rev``."""
    item: dict[str, Any] = {
        "pk": pk(erasure.hub_id, erasure.erasure_id),
        "sk": "-",
        **erasure.to_item(),
        "rev": erasure.rev + 1,
        "by_hub_pk": f"{erasure.hub_id}#erasure",
        "by_hub_sk": f"{erasure.requested_at}#{erasure.erasure_id}",
    }
    if erasure.state is not ErasureState.DONE:
        item |= {"due_pk": f"erasure#{shard_of(erasure.erasure_id) % DUE_SHARDS}", "due_sk": due_at}
    if erasure.rev == 0:
        return dynamo.put_action(TABLE, item, "attribute_not_exists(#pk)")
    return dynamo.put_action(TABLE, item, "#rev = :rev", {"rev": erasure.rev})


def count_action(erasure: Erasure, kind: str, number: int) -> dynamo.Action:
    """Return the write that counts what goes in the same transaction: nothing is counted twice."""
    return dynamo.update_action(
        TABLE,
        pk(erasure.hub_id, erasure.erasure_id),
        "-",
        f"SET #purged.#{kind} = if_not_exists(#purged.#{kind}, :zero) + :number, #rev = #rev + :one",
        condition="attribute_exists(#pk)",
        values={"zero": 0, "number": number, "one": 1},
    )


def note_file(erasure: Erasure, name: str, number: int, beyond: dict[str, str] | None) -> None:
    """Note how much of a file goes, and what of it we cannot reach; noting it again says the same."""
    update, values = f"SET #files.#{name} = :number, #rev = #rev + :one", {"number": number, "one": 1}
    if beyond:
        update += f", #beyond.#{name} = :beyond"
        values["beyond"] = beyond  # type: ignore[assignment]
    key = pk(erasure.hub_id, erasure.erasure_id)
    dynamo.write([dynamo.update_action(TABLE, key, "-", update, condition="attribute_exists(#pk)", values=values)])


def move(erasure: Erasure, step: int, position: str, at: datetime) -> Erasure | None:
    """Note how far a pass is; nothing if somebody else has moved it, or began it again."""
    values = {"step": step, "position": position, "look": to_text(at + LOOK_AGAIN)}
    return _advance(erasure, "#step = :step, #position = :position, #due_sk = :look", values)


def pause(erasure: Erasure, at: datetime) -> None:
    """Let a pass that ran long enough go on as soon as the sweeper comes."""
    _advance(erasure, "#due_sk = :now", {"now": to_text(at)})


def end_pass(erasure: Erasure, at: datetime) -> Erasure | None:
    """Note that a pass is through: the next one comes at its time, the last one ends the erasure."""
    passes = erasure.passes + 1
    values = {"next_passes": passes, "zero": 0, "nothing": ""}
    update = "#passes = :next_passes, #step = :zero, #position = :nothing, #state = :state"
    if passes < len(PASSES):
        values |= {
            "state": str(ErasureState.WATCHING),
            "look": to_text(from_text(erasure.began_at) + PASSES[passes]),
        }
        return _advance(erasure, f"{update}, #next_pass_at = :look, #due_sk = :look", values)
    values |= {"state": str(ErasureState.DONE), "at": to_text(at)}
    return _advance(erasure, f"{update}, #done_at = :at", values, "#due_pk, #due_sk")


def _advance(erasure: Erasure, update: str, values: dict[str, Any], remove: str = "") -> Erasure | None:
    action = dynamo.update_action(
        TABLE,
        pk(erasure.hub_id, erasure.erasure_id),
        "-",
        f"SET {update}, #rev = #rev + :one" + (f" REMOVE {remove}" if remove else ""),
        condition=(
            "#began_at = :seen_began AND #passes = :seen_passes AND #step = :seen_step AND #position = :seen_position"
        ),
        values={
            **values,
            "one": 1,
            "seen_began": erasure.began_at,
            "seen_passes": erasure.passes,
            "seen_step": erasure.step,
            "seen_position": erasure.position,
        },
    )
    try:
        dynamo.write([action])
    except dynamo.ConditionFailedError:
        return None
    return get(erasure.hub_id, erasure.erasure_id)


def is_waiting(hub_id: str, erasure_id: str) -> bool:
    """Tell whether an erasure is still to go on."""
    erasure = get(hub_id, erasure_id)
    return erasure is not None and erasure.state is not ErasureState.DONE


def wake(hub_id: str, erasure_id: str) -> None:
    """Send the pointer to the worker. If that fails the sweeper does it later."""
    queues.send(QUEUE, {"hub_id": hub_id, "erasure_id": erasure_id})


def wake_purge(hub_id: str, person_id: str) -> None:
    """Send the worker a pointer at somebody whose grace time is over."""
    queues.send(QUEUE, {"hub_id": hub_id, "person_id": person_id})


def due(shard: int, at: datetime, limit: int) -> list[tuple[str, str]]:
    """Return hub id and erasure id of the erasures of one shard that must go on."""
    page = dynamo.query(
        TABLE, f"erasure#{shard}", index="due", condition="#due_sk <= :now", values={"now": to_text(at)}, limit=limit
    )
    found = [item["pk"].split("#D#") for item in page.items]
    return [(hub_id, erasure_id) for hub_id, erasure_id in found]


def look_later(hub_id: str, erasure_id: str, at: datetime) -> None:
    """Put off the sweeper's next look at an erasure that was just woken."""
    erasure = get(hub_id, erasure_id)
    if erasure is not None and erasure.state is not ErasureState.DONE:
        _advance(erasure, "#due_sk = :look", {"look": to_text(at + LOOK_AGAIN)})
