"""Invitations whose time is over become expired."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from rollcall.invitations import store
from rollcall.invitations.model import InvitationStatus
from rollcall.runtime import dynamo
from rollcall.runtime.times import to_text

if TYPE_CHECKING:
    from datetime import datetime


def expire_invitations(at: datetime, limit: int) -> int:
    """Expire up to ``limit`` invitations of each shard and return how many became so."""
    now = to_text(at)
    due = [found for shard in range(store.DUE_SHARDS) for found in store.due_invitations(shard, now, limit)]
    return sum(_expire(hub_id, address_id, now) for hub_id, address_id in due)


def _expire(hub_id: str, address_id: str, now: str) -> bool:
    invitation = store.get_invitation(hub_id, address_id)
    if invitation is None or not invitation.is_open or invitation.expires_at > now:
        return False
    expired = replace(invitation, status=InvitationStatus.EXPIRED, settled_at=now)
    try:
        dynamo.write([store.put_invitation(hub_id, expired)])
    except dynamo.ConditionFailedError:
        return False  # it was accepted, revoked or withdrawn in this moment
    return True
