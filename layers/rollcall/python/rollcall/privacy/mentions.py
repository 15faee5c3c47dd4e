"""What is said of others may name somebody who is erased: the address of their manager. It goes there too.

All of the hub is read, a page at a time, for the same reason as its files: an index of who is named where would be one
more store of personal data. Only e-mail addresses are looked for: a name or a number may be somebody else's as well.
Whose value it was keeps everything else; the activity says that it went, and by which erasure, and not what it was.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rollcall.activity import store as activity
from rollcall.members import store as members
from rollcall.members.model import Change, member_id_of
from rollcall.members.projection import single_valued, view
from rollcall.members.recompute import recompute_member
from rollcall.people import event_log
from rollcall.people import store as people
from rollcall.people.merge import Cell
from rollcall.privacy import store
from rollcall.privacy.naming import Namer
from rollcall.runtime import dynamo
from rollcall.runtime.ids import SHARDS
from rollcall.runtime.times import now, to_text
from rollcall.runtime.tries import tries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from rollcall.hubs.context import HubContext
    from rollcall.members.model import Member
    from rollcall.people.model import PersonRecord
    from rollcall.privacy.model import Erasure

Item = dict[str, Any]
PAGE = 500
KIND = "mentions"
# Their lists do not hold whole items.
_LEAN = frozenset({event_log.TABLE, people.TABLE, members.TABLE})
# Somebody who once had the same address: it is said of themselves.
_OWN = frozenset({"email"})


def purge_mentions(ctx: HubContext, erasure: Erasure) -> Iterator[str]:
    """Take the subject's addresses out of what is said of others; yields positions, and goes on from the erasure's own.

    Raises
    ------
    TransientError
        If AWS or other workers got in the way too often.
    """
    namer = Namer(ctx.key, erasure.subject)
    parts: list[tuple[str, str, str, Callable[[HubContext, Erasure, Namer, Item], None]]] = []
    for shard in range(SHARDS):
        pk = f"{ctx.hub.hub_id}#{shard}"
        gone = f"{ctx.hub.hub_id}#deleted#{shard}"
        parts += [
            (event_log.TABLE, "by_hub", pk, _event),
            (people.TABLE, "by_name", pk, _person),
            (members.TABLE, "by_name", pk, _member),
            (members.TABLE, "by_name", gone, _member),
            (activity.TABLE, "by_hub", pk, _entry),
        ]
    begun, _, start = erasure.position.partition("#")
    for number, (table, index, pk, look) in enumerate(parts):
        if number < int(begun or 0):
            continue
        for items, position in _pages(table, pk, index, start if number == int(begun or 0) else ""):
            for item in items:
                look(ctx, erasure, namer, item)
            yield f"{number}#{position}"


def _pages(table: str, pk: str, index: str, start: str) -> Iterator[tuple[list[Item], str]]:
    """Yield pages of an index behind a sort key, each with the sort key that it ends at."""
    field = f"{index}_sk"
    while True:
        condition, values = (f"#{field} > :start", {"start": start}) if start else ("", {})
        is_lean = table in _LEAN
        page = dynamo.query(table, pk, index=index, condition=condition, values=values, limit=PAGE, whole=is_lean)
        last = page.next_position or (page.items[-1] if page.items else None)
        if last is None:
            return
        start = str(last[field])
        yield page.items, start
        if page.next_position is None:
            return


def _event(ctx: HubContext, erasure: Erasure, namer: Namer, item: Item) -> None:
    """Take what an event says of somebody else out of it; the same as if the HR system had said nothing there."""
    del ctx
    said = (item.get("event") or {}).get("attributes") or {}
    kept = {name: namer.without(value) for name, value in said.items()}
    if kept == said or event_log.person_id_of(item) in erasure.subject.persons:
        return
    action = dynamo.update_action(
        event_log.TABLE,
        item["pk"],
        item["sk"],
        "SET #event.#attributes = :kept",
        condition="#event.#attributes = :said",
        values={"kept": kept, "said": said},
    )
    _write(erasure, action)


def _person(ctx: HubContext, erasure: Erasure, namer: Namer, item: Item) -> None:
    if namer.mentioned([value for value, *_ in item.get("a", {}).values()]):
        person_id = str(item["pk"]).rpartition("#")[2]
        _clean_persons(ctx, erasure, namer, [person_id])


def _clean_persons(ctx: HubContext, erasure: Erasure, namer: Namer, person_ids: list[str]) -> None:
    hub_id = ctx.hub.hub_id
    for person_id in person_ids:
        for _ in tries():
            record = people.get_person(hub_id, person_id)
            clean = _without(record, namer) if record else None
            if record is None or clean is None:
                break
            action = people.put_person(hub_id, clean, _cause(erasure), to_text(now()), erasure.requested_by)
            if _write(erasure, action):
                break


def _without(record: PersonRecord, namer: Namer) -> PersonRecord | None:
    """Return a person without what names the subject, or nothing if nothing does; the stamps stay."""
    attributes = record.person.attributes
    kept = {name: Cell(namer.without(cell.value), cell.stamp) for name, cell in attributes.items()}
    return replace(record, person=replace(record.person, attributes=kept)) if kept != attributes else None


def _member(ctx: HubContext, erasure: Erasure, namer: Namer, item: Item) -> None:
    """Take mentions out of a member: what was set by hand goes; what the directory gives is computed anew."""
    by_hand = item.get("manual", {}).get("profile", {})
    if not namer.mentioned([item["shown"]["profile"], by_hand, _profiles(item)]):
        return
    hub_id, change = ctx.hub.hub_id, Change(_cause(erasure), erasure.requested_by, to_text(now()))
    _clean_persons(ctx, erasure, namer, [part["person_id"] for part in item["slices"].values()])
    member_id = member_id_of(item)
    for _ in tries():
        member = members.get_member(hub_id, member_id)
        clean = _by_hand(member, namer) if member else None
        if clean is None:
            break
        shown = view(clean, ctx.hub, single_valued(ctx.catalogue))
        if _write(erasure, members.put_member(hub_id, replace(clean, change=change), shown)):
            break
    recompute_member(ctx, member_id, change)


def _profiles(item: Item) -> list[Mapping[str, str]]:
    return [part.get("profile", {}) for part in item["slices"].values()]


def _by_hand(member: Member, namer: Namer) -> Member | None:
    kept = {name: text for name, text in member.manual.profile.items() if not namer.mentioned(text)}
    if kept == member.manual.profile:
        return None
    return replace(member, manual=replace(member.manual, profile=kept))


def _entry(ctx: HubContext, erasure: Erasure, namer: Namer, item: Item) -> None:
    """Take mentions out of what an entry says there was and is; that something changed stays."""
    del ctx
    subject = erasure.subject
    if item["subject"] in subject.persons or item["subject"] in subject.members or item["field"] in _OWN:
        return
    said = {name: item.get(name) for name in ("old", "new")}
    kept = {name: namer.without(value, keep=_OWN) for name, value in said.items()}
    if kept == said:
        return
    action = dynamo.update_action(
        activity.TABLE,
        item["pk"],
        item["sk"],
        "SET #old = :old, #new = :new",
        condition="attribute_exists(#pk)",
        values=kept,
    )
    _write(erasure, action)


def _cause(erasure: Erasure) -> str:
    return f"erase:{erasure.erasure_id}"


def _write(erasure: Erasure, action: dynamo.Action) -> bool:
    """Write a change, counted in its own transaction; returns whether it was still as it was read."""
    try:
        dynamo.write([action, store.count_action(erasure, KIND, 1)])
    except dynamo.ConditionFailedError:
        return False
    return True
