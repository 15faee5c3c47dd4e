"""Persons and addresses: the People table."""

from __future__ import annotations

import unicodedata
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from rollcall.people.events import Stamp
from rollcall.people.merge import DirectoryStatus
from rollcall.people.model import (
    Address,
    Barred,
    Holder,
    PersonRecord,
    Waiting,
    attribute_names,
    person_from_item,
    person_to_item,
)
from rollcall.runtime import dynamo, lists
from rollcall.runtime.ids import shard_of
from rollcall.runtime.sizes import checked
from rollcall.runtime.times import to_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

TABLE = "PEOPLE_TABLE"
DUE_SHARDS = 8
MAX_BYTES = 300_000
_TOO_LARGE = "This is more than can be kept of one person. Send fewer or shorter attributes."


def person_pk(hub_id: str, person_id: str) -> str:
    """Return the key of a person."""
    return f"{hub_id}#P#{person_id}"


def address_pk(hub_id: str, address_id: str) -> str:
    """Return the key of an address."""
    return f"{hub_id}#A#{address_id}"


def sort_name(first_name: str, last_name: str, identifier: str) -> str:
    """Return the text that lists are sorted by: last name, first name, id, without regard to case and marks."""
    text = unicodedata.normalize("NFKD", f"{last_name} {first_name}".strip()).casefold()
    plain = "".join(char for char in text if not unicodedata.combining(char))
    return f"{plain[:200]}#{identifier}"


def get_person(hub_id: str, person_id: str) -> PersonRecord | None:
    """Return a person, read consistently, or nothing."""
    item = dynamo.get(TABLE, person_pk(hub_id, person_id))
    return record_from_item(item) if item else None


def get_persons(hub_id: str, person_ids: Iterable[str], *, consistent: bool = True) -> dict[str, PersonRecord]:
    """Return the persons that exist, by id."""
    keys = [(person_pk(hub_id, person_id), "-") for person_id in person_ids]
    found = dynamo.get_many(TABLE, keys, consistent=consistent)
    records = [record_from_item(item) for item in found.values()]
    return {record.person_id: record for record in records}


def record_from_item(item: dict[str, Any]) -> PersonRecord:
    """Read a person from its item."""
    return PersonRecord(
        person_id=item["pk"].rpartition("#")[2],
        person=person_from_item(item),
        rev=item["rev"],
        member_id=item.get("member_id"),
        member_rev=item.get("m", 0),
        address_id=item.get("address_id"),
        deleted_at=item.get("deleted_at", ""),
        due_at=item.get("due_sk", ""),
        waits=_read_waiting(item["waits"]) if item.get("waits") else None,
        supersedes=tuple(item.get("supersedes", ())),
    )


def put_person(hub_id: str, record: PersonRecord, cause: str, at: str, actor: str = "") -> dynamo.Action:
    """Return the write of a person, on condition that the stored revision is still ``record.rev`` and not erased.

    ``cause`` says what made the change, for the activity: ``event:<event id>``, ``accept:<address id>``, ... and
    ``actor`` which admin, where it was one.

    Raises
    ------
    TooLargeToStoreError
        If the person is larger than ``MAX_BYTES``.
    """
    person = record.person
    item: dict[str, Any] = {
        "pk": person_pk(hub_id, record.person_id),
        "sk": "-",
        "rev": record.rev + 1,
        "status": str(person.status),
        "cause": cause,
        "changed_at": at,
        **person_to_item(person),
    }
    optional = {
        "actor": actor,
        "member_id": record.member_id,
        "m": record.member_rev,
        "address_id": record.address_id,
        "waits": _waiting_to_item(record.waits) if record.waits else None,
        "supersedes": list(record.supersedes),
        "deleted_at": record.deleted_at,
    }
    item |= {name: value for name, value in optional.items() if value}
    if record.due_at:
        item |= {"due_pk": due_partition(record.person_id), "due_sk": record.due_at}
    if person.status in (DirectoryStatus.ACTIVE, DirectoryStatus.INACTIVE):
        item["by_name_pk"] = f"{hub_id}#{shard_of(record.person_id)}"
        item["by_name_sk"] = sort_name(person.text("first_name"), person.text("last_name"), record.person_id)
    if record.rev == 0:
        action = dynamo.put_action(TABLE, item, "attribute_not_exists(#pk)")
    else:
        values = {"rev": record.rev, "erased": str(DirectoryStatus.ERASED)}
        action = dynamo.put_action(TABLE, item, "#rev = :rev AND #status <> :erased", values)
    return checked(action, MAX_BYTES, _TOO_LARGE)


def due_partition(person_id: str) -> str:
    """Return the partition of the ``due`` index that a person lies in while something is to come."""
    return f"person#{shard_of(person_id) % DUE_SHARDS}"


def due_people(shard: int, at: datetime, limit: int) -> list[tuple[str, str]]:
    """Return hub id and person id of those of one shard whose time has come, the earliest first."""
    page = dynamo.query(
        TABLE, f"person#{shard}", index="due", condition="#due_sk <= :now", values={"now": to_text(at)}, limit=limit
    )
    found = [item["pk"].split("#P#") for item in page.items]
    return [(hub_id, person_id) for hub_id, person_id in found]


def look_later(hub_id: str, record: PersonRecord, at: datetime) -> None:
    """Move the next look at a person, unless they changed in the meantime: then their own time holds."""
    action = dynamo.update_action(
        TABLE,
        person_pk(hub_id, record.person_id),
        "-",
        "SET #due_sk = :later",
        condition="#rev = :rev AND attribute_exists(#due_pk)",
        values={"later": to_text(at), "rev": record.rev},
    )
    with suppress(dynamo.ConditionFailedError):
        dynamo.write([action])


def get_address(hub_id: str, address_id: str) -> Address:
    """Return an address, read consistently; one with ``rev`` 0 if nobody ever held it."""
    item = dynamo.get(TABLE, address_pk(hub_id, address_id))
    return address_from_item(item) if item else Address(address_id)


def address_key(hub_id: str, address_id: str) -> tuple[str, str]:
    """Return table and key of an address, to be read together with others."""
    return TABLE, address_pk(hub_id, address_id)


def get_addresses(hub_id: str, address_ids: Iterable[str]) -> dict[str, Address]:
    """Return the addresses that somebody holds or held, by id."""
    found = dynamo.get_many(TABLE, [(address_pk(hub_id, address_id), "-") for address_id in address_ids])
    addresses = [address_from_item(item) for item in found.values()]
    return {address.address_id: address for address in addresses}


def address_from_item(item: dict[str, Any]) -> Address:
    """Read an address from its item."""
    return Address(
        address_id=item["pk"].rpartition("#")[2],
        rev=item["rev"],
        holders={source_id: _read_holder(*holder) for source_id, holder in item.get("holders", {}).items()},
        formers={person_id: Barred(barred) for person_id, barred in item.get("formers", {}).items()},
        member_id=item.get("member_id"),
        is_loose=item.get("is_loose", False),
        erased=item.get("erased", False),
        suppressed=item.get("suppressed"),
    )


def _read_holder(person_id: str, barred: str | None, rank: list[str] | None = None, is_given: bool = False) -> Holder:  # noqa: FBT001, FBT002 - one stored list
    return Holder(person_id, Barred(barred) if barred else None, Stamp(*rank) if rank else None, is_given)


def _holder_to_item(holder: Holder) -> list[Any]:
    rank = [holder.rank.at, holder.rank.event_id] if holder.rank else None
    return [holder.person_id, str(holder.barred) if holder.barred else None, rank, holder.is_given]


def _waiting_to_item(waiting: Waiting) -> dict[str, Any]:
    return {
        "address_id": waiting.address_id,
        "source_id": waiting.source_id,
        "person_id": waiting.person_id,
        "rank": [waiting.rank.at, waiting.rank.event_id],
    }


def _read_waiting(item: dict[str, Any]) -> Waiting:
    return Waiting(item["address_id"], item["source_id"], item["person_id"], Stamp(*item["rank"]))


def put_address(hub_id: str, address: Address) -> dynamo.Action:
    """Return the write of an address, on condition that the stored revision is still ``address.rev``.

    ``barred`` is written out as well: the claim of a mail checks it.
    """
    item: dict[str, Any] = {
        "pk": address_pk(hub_id, address.address_id),
        "sk": "-",
        "rev": address.rev + 1,
        "holders": {source_id: _holder_to_item(holder) for source_id, holder in address.holders.items()},
        "erased": address.erased,
    }
    if address.member_id:
        item["member_id"] = address.member_id
    if address.barred:
        item["barred"] = str(address.barred)
    if address.suppressed:
        item["suppressed"] = address.suppressed
    if address.formers:
        item["formers"] = {person_id: str(barred) for person_id, barred in address.formers.items()}
    if address.is_loose:
        item["is_loose"] = True
    if address.rev == 0:
        return dynamo.put_action(TABLE, item, "attribute_not_exists(#pk)")
    return dynamo.put_action(TABLE, item, "#rev = :rev", {"rev": address.rev})


def put_waiting(hub_id: str, waiting: Waiting) -> dynamo.Action:
    """Return the write that lists somebody as waiting at an address.

    In the same transaction the address must be written, so that whoever gives it up just then looks again.
    """
    item = {
        "pk": address_pk(hub_id, waiting.address_id),
        "sk": waiting.key,
        "by_hub_pk": f"{hub_id}#{shard_of(waiting.person_id)}",
        "by_hub_sk": f"{waiting.rank.at}#{waiting.person_id}",
        **_waiting_to_item(waiting),
    }
    return dynamo.put_action(TABLE, item)


def drop_waiting(hub_id: str, waiting: Waiting) -> dynamo.Action:
    """Return the write that takes somebody off the list of an address."""
    return dynamo.delete_action(TABLE, address_pk(hub_id, waiting.address_id), waiting.key)


def first_waiting(hub_id: str, address_id: str) -> tuple[Waiting, ...]:
    """Return who waits for an address, read consistently: of each source the one whose turn it is."""
    values = {"prefix": "W#"}
    found: dict[str, Waiting] = {}
    for item in dynamo.query_all(
        TABLE, address_pk(hub_id, address_id), condition="begins_with(#sk, :prefix)", values=values, consistent=True
    ):
        waiting = _read_waiting(item)
        found.setdefault(waiting.source_id, waiting)
    return tuple(found.values())


def persons_at(hub_id: str, address_id: str) -> set[str]:
    """Return the ids of the persons who have the address, wait for it, or left and had it last."""
    found: set[str] = set()
    for item in dynamo.query_all(TABLE, address_pk(hub_id, address_id), consistent=True):
        found |= (
            {item["person_id"]}
            if "person_id" in item
            else {one.person_id for one in address_from_item(item).holders.values()}
        )
    return found


def check_person(hub_id: str, record: PersonRecord) -> dynamo.Action:
    """Return a check that the person is still at the revision that was read, for transactions that do not write it."""
    return dynamo.check_action(TABLE, person_pk(hub_id, record.person_id), "-", "#rev = :rev", {"rev": record.rev})


def all_persons(hub_id: str) -> Iterator[PersonRecord]:
    """Yield every person of the hub that is not deleted, by name; memory holds some pages of each shard."""
    return (record for _, record in persons_after(hub_id))


def persons_after(hub_id: str, after: str = "") -> Iterator[tuple[str, PersonRecord]]:
    """Yield all persons by name, or those behind a place in the list, each with its own place (``lists.every``)."""
    for item in lists.every(TABLE, hub_id, "by_name", after=after, whole=True):
        yield item["by_name_sk"], record_from_item(item)


def all_attribute_names(hub_id: str, source_id: str = "", *, with_groups: bool = False) -> set[str]:
    """Return which HRIS attributes anybody in the hub has, or anybody of one source; memory holds names only."""
    found: set[str] = set()
    for item in lists.every(TABLE, hub_id, "by_name", whole=True):
        if not source_id or item["source_id"] == source_id:
            found |= attribute_names(item, with_groups=with_groups)
    return found


def list_persons(hub_id: str, *, limit: int, cursor: str = "") -> tuple[list[tuple[str, PersonRecord]], str | None]:
    """Return persons by name as they are now, each with their place in the list, and the cursor of the next page."""
    items, next_cursor = lists.page(TABLE, hub_id, "by_name", limit=limit, cursor=cursor, whole=True)
    return [(item["by_name_sk"], record_from_item(item)) for item in items], next_cursor
