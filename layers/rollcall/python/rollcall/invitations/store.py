"""Invitations: the Invitations table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rollcall.invitations.model import Invitation, invitation_from_item, invitation_to_item
from rollcall.runtime import dynamo, lists
from rollcall.runtime.ids import shard_of

if TYPE_CHECKING:
    from collections.abc import Iterable

TABLE = "INVITATIONS_TABLE"
DUE_SHARDS = 8


def pk(hub_id: str, address_id: str) -> str:
    """Return the key of the invitation of an address."""
    return f"{hub_id}#I#{address_id}"


def key(hub_id: str, address_id: str) -> tuple[str, str]:
    """Return table and key of an invitation, to be read together with others."""
    return TABLE, pk(hub_id, address_id)


def get_invitation(hub_id: str, address_id: str) -> Invitation | None:
    """Return the invitation of an address, read consistently, or nothing."""
    item = dynamo.get(TABLE, pk(hub_id, address_id))
    return invitation_from_item(item) if item else None


def get_invitations(hub_id: str, address_ids: Iterable[str]) -> dict[str, Invitation]:
    """Return the invitations that exist, by address id."""
    found = dynamo.get_many(TABLE, [(pk(hub_id, address_id), "-") for address_id in address_ids])
    return {item["address_id"]: invitation_from_item(item) for item in found.values()}


def put_invitation(hub_id: str, invitation: Invitation) -> dynamo.Action:
    """Return the write of an invitation, on condition that the stored revision is still ``invitation.rev``.

    While it is open it lies in the ``due`` index at the time when a sweeper must look at it.
    """
    item: dict[str, Any] = {
        "pk": pk(hub_id, invitation.address_id),
        "sk": "-",
        **invitation_to_item(invitation),
        "rev": invitation.rev + 1,
        "by_hub_pk": f"{hub_id}#{shard_of(invitation.address_id)}",
        "by_hub_sk": f"{invitation.created_at}#{invitation.address_id}",
    }
    if invitation.is_open:
        item["due_pk"] = f"invitation#{shard_of(invitation.address_id) % DUE_SHARDS}"
        item["due_sk"] = item["look_at"] = invitation.look_at
    if invitation.rev == 0:
        return dynamo.put_action(TABLE, item, "attribute_not_exists(#pk)")
    return dynamo.put_action(TABLE, item, "#rev = :rev", {"rev": invitation.rev})


def list_invitations(hub_id: str, *, limit: int, cursor: str = "") -> tuple[list[Invitation], str | None]:
    """Return the newest invitations of the hub, and the cursor of the next page."""
    items, next_cursor = lists.page(TABLE, hub_id, "by_hub", limit=limit, cursor=cursor, newest_first=True)
    return [invitation_from_item(item) for item in items], next_cursor


def due_invitations(shard: int, at: str, limit: int) -> list[tuple[str, str]]:
    """Return hub id and address id of invitations of one shard that a sweeper must look at."""
    page = dynamo.query(
        TABLE, f"invitation#{shard}", index="due", condition="#due_sk <= :now", values={"now": at}, limit=limit
    )
    found = [item["pk"].split("#I#") for item in page.items]
    return [(hub_id, address_id) for hub_id, address_id in found]
