"""The outbox: a mail, the states it goes through, and what each answer of SES means for it. Pure.

PENDING → SENDING → SENT, or UNKNOWN (sent or not, nobody knows), FAILED (it was refused), CANCELLED (it must not go).
SES has no idempotency token on its send operation, so exactly once is impossible; an invitation goes at most once by
itself, a mail that an admin asked for is sent once more after a doubt.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Self

from rollcall.runtime.times import expiry, from_text, to_text

Item = dict[str, Any]

LEASE = timedelta(seconds=60)
RESEND_AFTER = timedelta(minutes=15)
MAIL_OFF_PAUSE = timedelta(minutes=15)
MAX_ATTEMPTS = 12
DUE_SHARDS = 8
_LONGEST_PAUSE = timedelta(hours=1)


class Kind(StrEnum):
    """What a mail is for."""

    INVITATION = "invitation"
    REMINDER = "reminder"
    EXPORT = "export"
    PLAN_REPORT = "plan_report"
    HELD_REMOVALS = "held_removals"
    NOTICE = "notice"


INVITING = frozenset({Kind.INVITATION, Kind.REMINDER})


class State(StrEnum):
    """Where a mail is on its way."""

    PENDING = "PENDING"
    SENDING = "SENDING"
    SENT = "SENT"
    UNKNOWN = "UNKNOWN"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


SETTLED = frozenset({State.SENT, State.FAILED, State.CANCELLED})


class ClaimRefusal(StrEnum):
    """Why a mail may not be sent now."""

    TAKEN = "taken"
    ADDRESS_BARRED = "address_barred"
    PERSON_GONE = "person_gone"
    INVITATION_CLOSED = "invitation_closed"
    MAIL_OFF = "mail_off"


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file of the stack's bucket that goes with a mail.

    Attributes
    ----------
    key
        Where it lies in the bucket.
    filename, content_type
        As the recipient sees it.
    """

    key: str
    filename: str
    content_type: str = "text/csv"


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail of the outbox.

    Attributes
    ----------
    mail_id
        32 hex characters made from what causes the mail, so that the same cause makes the same mail.
    to
        One address; gone once the mail is settled.
    params
        What the template needs, small; never a token. Gone once the mail is settled.
    person_id
        For invitations and reminders to somebody of the directory: nothing is sent once they left or are a member.
    address_id, invitation_epoch
        For invitations and reminders: whose, and which round of the invitation. ``address_id`` may be given for other
        kinds too, then nothing goes to an address that is barred.
    attempt
        How often it was claimed.
    claim_id
        Names the claim, so that one whose answer got lost is recognised as one's own.
    doubts
        How often nobody knew whether it was sent.
    lease
        Until when the claim holds.
    not_before
        Not to be sent earlier.
    sweep_at
        When a sweeper must look if nothing happens; ``not_before`` unless told.
    reason
        Why it failed or was cancelled: a stable code.
    sent_at
        When SES took it; written by the store.
    """

    mail_id: str
    hub_id: str
    kind: Kind
    to: str | None = field(repr=False)
    language: str
    not_before: datetime
    params: dict[str, Any] = field(default_factory=dict, repr=False)
    attachment: Attachment | None = None
    person_id: str | None = None
    address_id: str | None = None
    invitation_epoch: int | None = None
    state: State = State.PENDING
    attempt: int = 0
    claim_id: str | None = None
    doubts: int = 0
    lease: datetime | None = None
    sweep_at: datetime | None = None
    ses_message_id: str | None = None
    reason: str | None = None
    sent_at: str = ""

    @property
    def pk(self) -> str:
        """Key of the item in the Mail table."""
        return mail_key(self.hub_id, self.mail_id)

    def to_item(self) -> Item:
        """Return the item; what is unknown is left out."""
        item: Item = {
            "pk": self.pk,
            "sk": "-",
            "mail_id": self.mail_id,
            "hub_id": self.hub_id,
            "kind": str(self.kind),
            "to": self.to,
            "language": self.language,
            "params": self.params,
            "person_id": self.person_id,
            "address_id": self.address_id,
            "invitation_epoch": self.invitation_epoch,
            "state": str(self.state),
            "n": self.attempt,
            "claim_id": self.claim_id,
            "doubts": self.doubts,
            "lease": to_text(self.lease) if self.lease else None,
            "not_before": to_text(self.not_before),
            "expires": expiry(to_text(self.not_before)),
            "ses_message_id": self.ses_message_id,
            "reason": self.reason,
        }
        if self.attachment:
            name, content_type = self.attachment.filename, self.attachment.content_type
            item["attachment"] = {"key": self.attachment.key, "filename": name, "content_type": content_type}
        if self.address_id and self.to:
            item |= {"by_address_pk": f"{self.hub_id}#{self.address_id}", "by_address_sk": self.mail_id}
        look = self.due_at()
        if look:
            item |= {"due_pk": due_shard(self.mail_id), "due_sk": to_text(look)}
        return {key: value for key, value in item.items() if value is not None}

    def due_at(self) -> datetime | None:
        """Return when a sweeper must look at it: never, once it is settled or waits for a person."""
        if self.state is State.PENDING:
            return self.sweep_at or self.not_before
        return self.lease if self.state is State.SENDING else None

    @classmethod
    def from_item(cls, item: Item) -> Self:
        """Read a mail from its item."""
        attachment = item.get("attachment")
        return cls(
            mail_id=item["mail_id"],
            hub_id=item["hub_id"],
            kind=Kind(item["kind"]),
            to=item.get("to"),
            language=item["language"],
            not_before=from_text(item["not_before"]),
            params=item.get("params", {}),
            attachment=Attachment(**attachment) if attachment else None,
            person_id=item.get("person_id"),
            address_id=item.get("address_id"),
            invitation_epoch=item.get("invitation_epoch"),
            state=State(item["state"]),
            attempt=item["n"],
            claim_id=item.get("claim_id"),
            doubts=item.get("doubts", 0),
            lease=from_text(item["lease"]) if item.get("lease") else None,
            sweep_at=from_text(item["due_sk"]) if item.get("due_sk") else None,
            ses_message_id=item.get("ses_message_id"),
            reason=item.get("reason"),
            sent_at=item.get("sent_at", ""),
        )


def mail_key(hub_id: str, mail_id: str) -> str:
    """Return the partition key of a mail."""
    return f"{hub_id}#O#{mail_id}"


def due_shard(mail_id: str) -> str:
    """Return the partition of the ``due`` index that a mail lies in while a sweeper has to look at it."""
    return f"mail#{int(mail_id[:8], 16) % DUE_SHARDS}"


def due_shards() -> list[str]:
    """Return all partitions of the ``due`` index that hold mails."""
    return [f"mail#{shard}" for shard in range(DUE_SHARDS)]


@dataclass(frozen=True, slots=True)
class Retry:
    """The mail was certainly not sent and is tried again after the pause."""

    pause: timedelta
    reason: str


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The mail was certainly not sent and never will be."""

    reason: str


# Another try cannot help: the message itself is refused.
_HOPELESS = frozenset({"MessageRejected", "BadRequestException"})
# The rate is too high: soon is better than late. Both names are in use for the same answer.
_TOO_FAST = frozenset({"TooManyRequestsException", "ThrottlingException", "Throttling"})


def after_refusal(code: str, attempt: int) -> Retry | GiveUp:
    """Decide what follows a definite no.

    Parameters
    ----------
    code
        SES's error code, or a code of ours where the call never left (``not_connected``).
    attempt
        How often the mail was claimed, this time included.

    Notes
    -----
    Quota used up, sending paused, account suspended, sender domain or configuration set missing: somebody mends it,
    so the mail waits, longer each time (1 minute to 1 hour; 12 attempts are about 7 hours).
    """
    if code in _HOPELESS:
        return GiveUp(code)
    if attempt >= MAX_ATTEMPTS:
        return GiveUp(code)
    first = timedelta(seconds=5) if code in _TOO_FAST else timedelta(minutes=1)
    return Retry(min(_LONGEST_PAUSE, first * 2 ** max(attempt - 1, 0)), code)


def after_doubt(mail: Mail, now: datetime) -> Mail:
    """Return the mail as it is once the lease of a send has run out without an answer.

    A mail that an admin asked for goes out once more a quarter of an hour later; an invitation never does by itself.
    """
    doubts = mail.doubts + 1
    if mail.kind in INVITING or mail.doubts > 0:
        return replace(mail, state=State.UNKNOWN, doubts=doubts, lease=None, sweep_at=None)
    later = now + RESEND_AFTER
    return replace(mail, state=State.PENDING, doubts=doubts, not_before=later, lease=None, sweep_at=None)


def next_sweep(mail: Mail, now: datetime) -> datetime:
    """Return when to look again at a mail that still waits: later each time, so that a backlog does not feed itself."""
    waited = max(now - mail.not_before, timedelta(minutes=1))
    return now + min(waited, timedelta(hours=6))


class DeliveryKind(StrEnum):
    """What SES says became of a mail."""

    SENT = "sent"
    DELIVERED = "delivered"
    BOUNCED_FOR_GOOD = "bounced_for_good"
    BOUNCED_FOR_NOW = "bounced_for_now"
    COMPLAINED = "complained"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class DeliveryEvent:
    """One event of SES about one mail of ours.

    Attributes
    ----------
    hub_id, mail_id
        From the tags that were sent with the mail.
    at
        When it happened, as SES says.
    """

    hub_id: str
    mail_id: str
    kind: DeliveryKind
    ses_message_id: str
    at: datetime
