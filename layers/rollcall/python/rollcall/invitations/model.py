"""The life cycle of an invitation. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from rollcall.runtime.ids import digest

if TYPE_CHECKING:
    from collections.abc import Mapping

Item = dict[str, Any]


class InvitationStatus(StrEnum):
    """Where an invitation stands."""

    QUEUED = "queued"
    SENT = "sent"
    DELIVERED = "delivered"
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    EXPIRED = "expired"
    REVOKED = "revoked"
    WITHDRAWN = "withdrawn"


MAX_MAILS = 3
OPEN = frozenset({InvitationStatus.QUEUED, InvitationStatus.SENT, InvitationStatus.DELIVERED})


@dataclass(frozen=True, slots=True)
class Invitation:
    """The invitation of an address; a new one at the same address has the next epoch.

    Attributes
    ----------
    epoch
        1 for the first; the link holds it, so that links of earlier ones are void.
    roles, segments
        What the row of the upload asks for: role ids; segment id → option ids.
    mails
        How many mails were asked for, reminders included.
    plan_id
        The plan it came from.
    person_id
        The person whom the row of the upload was exported for, or empty. They are joined at acceptance, whatever
        address the invitation went to.
    remind_at
        When a reminder is due; empty if none is to come.
    revoked_by
        ``undo:<plan id>`` if a plan revoked it.
    unsubscribed_at
        When whoever reads the mails asked for no more reminders; holds for later invitations of the address too.
    """

    address_id: str
    epoch: int
    status: InvitationStatus
    email: str = field(repr=False)
    first_name: str = field(default="", repr=False)
    last_name: str = field(default="", repr=False)
    language: str = "en"
    roles: tuple[str, ...] = ()
    segments: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)
    plan_id: str = ""
    person_id: str = ""
    mails: int = 1
    created_at: str = ""
    sent_at: str = ""
    expires_at: str = ""
    remind_at: str = ""
    settled_at: str = ""
    delivered_at: str = ""
    bounced_at: str = ""
    complained_at: str = ""
    member_id: str = ""
    revoked_by: str = ""
    unsubscribed_at: str = ""
    rev: int = 0

    @property
    def is_open(self) -> bool:
        """Can still be accepted, expiry aside."""
        return self.status in OPEN

    @property
    def look_at(self) -> str:
        """When a sweeper must look at it: at the next reminder, or at the end of its time."""
        return min(self.remind_at or self.expires_at, self.expires_at)

    def mail_id(self, hub_id: str, number: int) -> str:
        """Return the id of its n-th mail, so that the same cause makes the same mail."""
        return digest("invitation", hub_id, self.address_id, str(self.epoch), str(number))

    def state_at(self, now: str) -> InvitationStatus:
        """Return the status, expired where the time is over and no sweep has said so yet."""
        if self.is_open and self.expires_at and now >= self.expires_at:
            return InvitationStatus.EXPIRED
        return self.status


def invitation_to_item(invitation: Invitation) -> Item:
    """Return the invitation as a plain dict."""
    item: Item = {name: getattr(invitation, name) for name in Invitation.__slots__ if name != "rev"}
    return item | {
        "status": str(invitation.status),
        "roles": list(invitation.roles),
        "segments": {name: list(options) for name, options in invitation.segments.items()},
    }


def invitation_from_item(item: Item) -> Invitation:
    """Read an invitation from its item."""
    known = {name: item[name] for name in Invitation.__slots__ if name in item}
    return Invitation(
        **{
            **known,
            "status": InvitationStatus(item["status"]),
            "roles": tuple(item["roles"]),
            "segments": {name: tuple(options) for name, options in item["segments"].items()},
        }
    )
