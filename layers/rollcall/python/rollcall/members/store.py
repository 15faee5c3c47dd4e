"""Members: the Members table."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from rollcall.members.model import Member, Status, member_from_item, member_id_of, stored
from rollcall.members.projection import shown_item
from rollcall.people.store import sort_name
from rollcall.runtime import dynamo, lists
from rollcall.runtime.ahead import ahead
from rollcall.runtime.ids import SHARDS, shard_of
from rollcall.runtime.sizes import checked

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rollcall.members.projection import View

TABLE = "MEMBERS_TABLE"
MAX_BYTES = 100_000
_TOO_LARGE = "This is more than one member can hold. Shorten or remove some of the values."


def pk(hub_id: str, member_id: str) -> str:
    """Return the key of a member."""
    return f"{hub_id}#M#{member_id}"


def key(hub_id: str, member_id: str) -> tuple[str, str]:
    """Return table and key of a member, to be read together with others."""
    return TABLE, pk(hub_id, member_id)


def get_member(hub_id: str, member_id: str) -> Member | None:
    """Return a member, read consistently, or nothing. Deleted ones are returned too: look at their status."""
    item = dynamo.get(TABLE, pk(hub_id, member_id))
    return member_from_item(item) if item else None


def get_members(hub_id: str, member_ids: Iterable[str], *, consistent: bool = True) -> dict[str, Member]:
    """Return the members that exist, by id."""
    found = dynamo.get_many(TABLE, [(pk(hub_id, member_id), "-") for member_id in member_ids], consistent=consistent)
    return {member_id_of(item): member_from_item(item) for item in found.values()}


def put_member(hub_id: str, member: Member, shown: View) -> dynamo.Action:
    """Return the write of a member, on condition that the stored revision is still ``member.rev``.

    What is shown is stored beside the parts it is made of, for lists and for the activity. Deleted members have a list
    of their own.

    Raises
    ------
    TooLargeToStoreError
        If the member is larger than ``MAX_BYTES``.
    """
    item: dict[str, Any] = {
        "pk": pk(hub_id, member.member_id),
        "sk": "-",
        "rev": member.rev + 1,
        **stored(member),
        "shown": shown_item(shown),
        # In the index, for the guard's count; in order, so that it is not written for another order.
        "sources": sorted(member.slices),
    }
    list_id = _deleted(hub_id) if shown.status is Status.DELETED else hub_id
    item["by_name_pk"] = f"{list_id}#{shard_of(member.member_id)}"
    item["by_name_sk"] = sort_name(shown.first_name, shown.last_name, member.member_id)
    if member.rev == 0:
        action = dynamo.put_action(TABLE, item, "attribute_not_exists(#pk)")
    else:
        action = dynamo.put_action(TABLE, item, "#rev = :rev", {"rev": member.rev})
    return checked(action, MAX_BYTES, _TOO_LARGE)


def all_members(hub_id: str, after: str = "") -> Iterator[Member]:
    """Yield every member of the hub that is not deleted, shard by shard; memory holds some hundreds.

    Parameters
    ----------
    after
        Id of the last member of whoever listed them before: only those behind are read. Where that one was renamed in
        between, some may come twice, or not at all.
    """
    return map(member_from_item, lists.read(TABLE, "by_name", _entries(hub_id, after)))


def _entries(hub_id: str, after: str) -> Iterator[dict[str, Any]]:
    last = dynamo.get(TABLE, pk(hub_id, after)) if after else None
    for shard in range(shard_of(after) if after else 0, SHARDS):
        is_begun = last is not None and shard == shard_of(after)
        condition, values = ("#by_name_sk > :last", {"last": last["by_name_sk"]}) if last and is_begun else ("", {})
        yield from dynamo.query_all(TABLE, f"{hub_id}#{shard}", index="by_name", condition=condition, values=values)


def ids_of_shard(hub_id: str, shard: int) -> Iterator[str]:
    """Yield the ids of the members of one shard that are not deleted; nothing is read of them themselves."""
    return map(member_id_of, dynamo.query_all(TABLE, f"{hub_id}#{shard}", index="by_name"))


def places_after(hub_id: str, after: str = "") -> Iterator[tuple[str, str]]:
    """Yield place in the list and id of all members, by name, or of those behind a place (``lists.every``)."""
    return ((item["by_name_sk"], member_id_of(item)) for item in lists.every(TABLE, hub_id, "by_name", after=after))


def members_by_name(hub_id: str) -> Iterator[Member]:
    """Yield all members by name (``lists.every``)."""
    return map(member_from_item, lists.every(TABLE, hub_id, "by_name", whole=True))


def list_deleted(hub_id: str, *, limit: int, cursor: str = "") -> tuple[list[Member], str | None]:
    """Return deleted members by name as they are now, and the cursor of the next page."""
    items, next_cursor = lists.page(TABLE, _deleted(hub_id), "by_name", limit=limit, cursor=cursor, whole=True)
    return [member_from_item(item) for item in items], next_cursor


def shown_of_shard(hub_id: str, shard: int) -> Iterator[dict[str, Any]]:
    """Yield of every member of one shard that is not deleted which roles and options they show, and nothing else.

    It reads every member, half a read unit each, beside their entries: 100,000 of them in all are some 53,000.
    """
    listed = dynamo.query_all(TABLE, f"{hub_id}#{shard}", index="by_name")
    wanted = "#shown.#roles, #shown.#segments"
    for batch in lists.batches(listed):
        found = dynamo.read_entries(TABLE, "by_name", batch, consistent=False, fields=wanted)
        yield from (item["shown"] for item in found)


def count_known(hub_id: str, source_id: str) -> tuple[int, int]:
    """Return how many members that are not deleted a source knows, and how many there are, its shards side by side."""
    counts = [found for _, found in ahead(partial(_count_shard, hub_id, source_id), range(SHARDS), lists.AT_ONCE)]
    return sum(known for known, _ in counts), sum(looked_at for _, looked_at in counts)


def _count_shard(hub_id: str, source_id: str, shard: int) -> tuple[int, int]:
    known = total = 0
    start: dict[str, Any] | None = None
    while True:
        matching, looked_at, start = dynamo.count(
            TABLE,
            f"{hub_id}#{shard}",
            index="by_name",
            only="contains(#sources, :source)",
            values={"source": source_id},
            start=start,
        )
        known += matching
        total += looked_at
        if start is None:
            return known, total


def _deleted(hub_id: str) -> str:
    return f"{hub_id}#deleted"


def list_members(hub_id: str, *, limit: int, cursor: str = "") -> tuple[list[tuple[str, Member]], str | None]:
    """Return members by name as they are now, each with their place in the list, and the cursor of the next page.

    Deleted ones are left out.
    """
    items, next_cursor = lists.page(TABLE, hub_id, "by_name", limit=limit, cursor=cursor, whole=True)
    return [(item["by_name_sk"], member_from_item(item)) for item in items], next_cursor
