"""The outbox in the Mail table, and what a mail changes elsewhere: the invitation's status, the suppressed address.

Every write is conditional, so that it may be repeated and come in any order (reliability §2.4).
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from rollcall.invitations import store as invitations
from rollcall.mail.model import (
    INVITING,
    LEASE,
    ClaimRefusal,
    DeliveryEvent,
    DeliveryKind,
    Kind,
    Mail,
    State,
    after_doubt,
    due_shard,
    mail_key,
    next_sweep,
)
from rollcall.runtime import dynamo
from rollcall.runtime.errors import TransientError
from rollcall.runtime.ids import shard_of
from rollcall.runtime.times import to_text
from rollcall.runtime.tries import tries

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

TABLE = "MAIL_TABLE"
PEOPLE = "PEOPLE_TABLE"
HUBS = "HUBS_TABLE"
# One item, two bars: left or erased (``barred``), and bounced or complained (``suppressed``).
_MAY_BE_WRITTEN_TO = (
    "(attribute_not_exists(#barred) OR #barred = :none) AND (attribute_not_exists(#suppressed) OR #suppressed = :none)"
)
_SETTLE = " REMOVE #to, #params, #lease, #claim_id, #due_pk, #due_sk, #by_address_pk, #by_address_sk"


def put_action(mail: Mail) -> dynamo.Action:
    """Return the put of a new mail, for use in the transaction of what causes it.

    It fails if the mail is there already: the cause has had its effect.
    """
    return dynamo.put_action(TABLE, mail.to_item(), "attribute_not_exists(#pk)")


def get(hub_id: str, mail_id: str) -> Mail | None:
    """Return a mail of the hub, or nothing."""
    item = dynamo.get(TABLE, mail_key(hub_id, mail_id))
    return Mail.from_item(item) if item else None


def get_many(hub_id: str, mail_ids: Iterable[str]) -> list[Mail]:
    """Return those of the mails that are there."""
    found = dynamo.get_many(TABLE, [(mail_key(hub_id, mail_id), "-") for mail_id in mail_ids])
    return [Mail.from_item(item) for item in found.values()]


def to_address(hub_id: str, address_id: str) -> list[str]:
    """Return the keys of the mails to an address that still hold it, or anything else of whom they go to."""
    return [item["pk"] for item in dynamo.query_all(TABLE, f"{hub_id}#{address_id}", index="by_address")]


def forget_action(key: str) -> dynamo.Action:
    """Return the write that takes address and contents out of a mail, on condition that it holds them.

    One that waits is cancelled when its turn comes: its address is barred. One that is being sent settles as it does.
    """
    return dynamo.update_action(
        TABLE,
        key,
        "-",
        "REMOVE #to, #params, #attachment, #by_address_pk, #by_address_sk",
        condition="attribute_exists(#by_address_pk)",
    )


def list_due(shard: str, now: datetime, limit: int = 200) -> list[tuple[str, str]]:
    """Return ``(hub_id, mail_id)`` of the mails of one shard that a sweeper must look at, oldest first.

    The shards are ``model.due_shards()``.
    """
    page = dynamo.query(
        TABLE, shard, index="due", condition="#due_sk <= :now", values={"now": to_text(now)}, limit=limit
    )
    keys = (item["pk"].split("#O#") for item in page.items)
    return [(hub_id, mail_id) for hub_id, mail_id in keys]


def claim(mail: Mail, now: datetime) -> Mail | ClaimRefusal:
    """Take a pending mail for one send, in one transaction with everything that could forbid it.

    Returns
    -------
    Mail | ClaimRefusal
        The mail in state SENDING, one attempt later, its lease running; or why it may not be sent.

    Raises
    ------
    TransientError
        If DynamoDB could not be reached or was contended for too long.
    """
    claim_id = uuid.uuid4().hex
    claimed = replace(
        mail, state=State.SENDING, attempt=mail.attempt + 1, lease=now + LEASE, claim_id=claim_id, sweep_at=None
    )
    actions, meanings = _claim_actions(mail, claimed, now)
    # Mails of one hub check the same hub item, so that their transactions can get into each other's way.
    for _ in tries():
        try:
            dynamo.write(actions)
        except dynamo.ConditionFailedError as exc:
            # An earlier try of ours may have been carried out although its answer was lost.
            if exc.old.get(0, {}).get("claim_id") == claim_id:
                return claimed
            return meanings[exc.failed[0]]
        except TransientError:
            continue
        return claimed
    raise TransientError


def _claim_actions(mail: Mail, claimed: Mail, now: datetime) -> tuple[list[dynamo.Action], list[ClaimRefusal]]:
    item = claimed.to_item()
    outbox = dynamo.update_action(
        TABLE,
        mail.pk,
        "-",
        "SET #state = :sending, #n = :next, #lease = :lease, #claim_id = :claim, #due_pk = :due_pk, #due_sk = :lease",
        condition="#state = :pending AND #n = :n AND #not_before <= :now",
        values={
            "sending": str(State.SENDING),
            "pending": str(State.PENDING),
            "n": mail.attempt,
            "next": claimed.attempt,
            "lease": item["lease"],
            "claim": claimed.claim_id,
            "due_pk": item["due_pk"],
            "now": to_text(now),
        },
    )
    hub = dynamo.check_action(HUBS, mail.hub_id, "HUB", "#mail_enabled = :on", {"on": True})
    actions, meanings = [outbox, hub], [ClaimRefusal.TAKEN, ClaimRefusal.MAIL_OFF]
    if mail.address_id:
        address = f"{mail.hub_id}#A#{mail.address_id}"
        actions.append(dynamo.check_action(PEOPLE, address, "-", _MAY_BE_WRITTEN_TO, {"none": None}))
        meanings.append(ClaimRefusal.ADDRESS_BARRED)
    if mail.kind in INVITING:
        wanted = "#epoch = :epoch AND #status IN (:queued, :sent, :delivered)"
        values = {"epoch": mail.invitation_epoch, "queued": "queued", "sent": "sent", "delivered": "delivered"}
        if mail.kind is Kind.REMINDER:
            wanted += " AND (attribute_not_exists(#unsubscribed_at) OR #unsubscribed_at = :never)"
            values["never"] = ""
        invitation = invitations.pk(mail.hub_id, mail.address_id or "")
        actions.append(dynamo.check_action(invitations.TABLE, invitation, "-", wanted, values))
        meanings.append(ClaimRefusal.INVITATION_CLOSED)
    if mail.kind in INVITING and mail.person_id:
        # Somebody invited at an address that an admin typed: leaving bars their own address, not this one.
        person = f"{mail.hub_id}#P#{mail.person_id}"
        is_there = "#status = :active AND attribute_not_exists(#member_id)"
        actions.append(dynamo.check_action(PEOPLE, person, "-", is_there, {"active": "active"}))
        meanings.append(ClaimRefusal.PERSON_GONE)
    return actions, meanings


def mark_sent(mail: Mail, ses_message_id: str, now: datetime) -> bool:
    """Settle a claimed mail as SENT, and move its invitation from queued to sent.

    Returns False if it was settled already or claimed anew.
    """
    values = {
        "sent": str(State.SENT),
        "sending": str(State.SENDING),
        "unknown": str(State.UNKNOWN),
        "n": mail.attempt,
        "id": ses_message_id,
        "now": to_text(now),
    }
    done = dynamo.update_action(
        TABLE,
        mail.pk,
        "-",
        "SET #state = :sent, #sent_at = :now, #ses_message_id = :id" + _SETTLE,
        condition="#state IN (:sending, :unknown) AND #n = :n",
        values=values,
    )
    # The invitation first: should we die between the two, the event of SES settles the mail.
    _move_invitation(mail, DeliveryKind.SENT, now)
    return _write(done)


def told_sent_action(mail: Mail, by: str, now: datetime) -> dynamo.Action:
    """Return the write that settles a doubt as SENT because an admin knows it: who said so, and when, stays there."""
    return dynamo.update_action(
        TABLE,
        mail.pk,
        "-",
        "SET #state = :sent, #sent_at = :now, #settled_by = :by" + _SETTLE,
        condition="#state = :unknown AND #n = :n",
        values={
            "sent": str(State.SENT),
            "unknown": str(State.UNKNOWN),
            "n": mail.attempt,
            "now": to_text(now),
            "by": by,
        },
    )


def mark_failed(mail: Mail, reason: str) -> bool:
    """Settle a mail that was certainly not sent as FAILED, with a stable code."""
    return _write(
        dynamo.update_action(
            TABLE,
            mail.pk,
            "-",
            "SET #state = :failed, #reason = :reason" + _SETTLE,
            condition="#state IN (:pending, :sending) AND #n = :n",
            values={
                "failed": str(State.FAILED),
                "reason": reason,
                "pending": str(State.PENDING),
                "sending": str(State.SENDING),
                "n": mail.attempt,
            },
        )
    )


def cancel(mail: Mail, reason: str) -> bool:
    """Settle a mail that waits and must not go as CANCELLED, with a stable code."""
    return _write(
        dynamo.update_action(
            TABLE,
            mail.pk,
            "-",
            "SET #state = :cancelled, #reason = :reason" + _SETTLE,
            condition="#state = :pending AND #n = :n",
            values={
                "cancelled": str(State.CANCELLED),
                "reason": reason,
                "pending": str(State.PENDING),
                "n": mail.attempt,
            },
        )
    )


def back_to_pending(mail: Mail, not_before: datetime, reason: str) -> bool:
    """Let a mail that was certainly not sent wait for another try."""
    return _wait(mail, not_before, reason, State.SENDING)


def postpone(mail: Mail, not_before: datetime, reason: str) -> bool:
    """Let a mail that waits wait longer."""
    return _wait(mail, not_before, reason, State.PENDING)


def _wait(mail: Mail, not_before: datetime, reason: str, seen: State) -> bool:
    return _write(
        dynamo.update_action(
            TABLE,
            mail.pk,
            "-",
            "SET #state = :pending, #not_before = :when, #due_pk = :due_pk, #due_sk = :when, #reason = :reason"
            " REMOVE #lease, #claim_id",
            condition="#state = :seen AND #n = :n",
            values={
                "pending": str(State.PENDING),
                "when": to_text(not_before),
                "due_pk": due_shard(mail.mail_id),
                "reason": reason,
                "seen": str(seen),
                "n": mail.attempt,
            },
        )
    )


def look_later(mail: Mail, now: datetime) -> bool:
    """Note that a sweeper has just sent the pointer of a waiting mail again, and when it must look next."""
    return _write(
        dynamo.update_action(
            TABLE,
            mail.pk,
            "-",
            "SET #due_sk = :when",
            condition="#state = :pending AND #n = :n",
            values={"when": to_text(next_sweep(mail, now)), "pending": str(State.PENDING), "n": mail.attempt},
        )
    )


def expire_lease(mail: Mail, now: datetime) -> State | None:
    """Settle a claim whose lease ran out: UNKNOWN, or PENDING once more where that is harmless (``after_doubt``).

    Returns the new state, or nothing if the lease still runs or somebody else was faster.
    """
    after = after_doubt(mail, now)
    values: dict[str, Any] = {
        "state": str(after.state),
        "doubts": after.doubts,
        "sending": str(State.SENDING),
        "n": mail.attempt,
        "now": to_text(now),
    }
    if after.state is State.PENDING:
        update = (
            "SET #state = :state, #doubts = :doubts, #not_before = :when, #due_pk = :due_pk, #due_sk = :when"
            " REMOVE #lease, #claim_id"
        )
        values |= {"when": to_text(after.not_before), "due_pk": due_shard(mail.mail_id)}
    else:
        update = "SET #state = :state, #doubts = :doubts REMOVE #lease, #claim_id, #due_pk, #due_sk"
    expired = "#state = :sending AND #n = :n AND #lease < :now"
    done = _write(dynamo.update_action(TABLE, mail.pk, "-", update, condition=expired, values=values))
    return after.state if done else None


def settle_by_event(mail: Mail, event: DeliveryEvent) -> None:
    """Write what SES says about a mail to the address, the invitation and the outbox.

    Three conditional writes, the outbox last; each may be repeated, and the events may come in any order:
    the end is the same.
    """
    if event.kind in (DeliveryKind.BOUNCED_FOR_GOOD, DeliveryKind.COMPLAINED):
        _suppress(mail, event)
    _move_invitation(mail, event.kind, event.at)
    _settle_outbox(mail, event)


def _suppress(mail: Mail, event: DeliveryEvent) -> None:
    """Note at the address that nothing may go there any more; a complaint outranks a bounce.

    The revision moves too, so that whoever has read the address does not write over it.
    """
    if not mail.address_id:
        return
    complained = event.kind is DeliveryKind.COMPLAINED
    weaker = "attribute_not_exists(#suppressed) OR #suppressed = :none"
    values = {
        "how": "complained" if complained else "bounced",
        "at": to_text(event.at),
        "none": None,
        "zero": 0,
        "one": 1,
    }
    if complained:
        weaker += " OR #suppressed = :bounced"
        values["bounced"] = "bounced"
    _write(
        dynamo.update_action(
            PEOPLE,
            f"{mail.hub_id}#A#{mail.address_id}",
            "-",
            "SET #suppressed = :how, #suppressed_at = :at, #rev = if_not_exists(#rev, :zero) + :one",
            condition=weaker,
            values=values,
        )
    )


@dataclass(frozen=True, slots=True)
class _Move:
    """One step of an invitation: its new status, the statuses it may follow, and what else is set or removed."""

    status: str
    after: tuple[str, ...]
    update: str
    bounce: str | None = None
    after_bounce: str | None = None


_CLOSE = ", #settled_at = :at, #bounce = :bounce REMOVE #due_pk, #due_sk"
_SENT = _Move("sent", ("queued",), "#sent_at = :at")
# A complaint ends what it meets; a bounce for now (mailbox full, an automatic answer) gives way to a delivery.
_MOVES: dict[DeliveryKind, tuple[_Move, ...]] = {
    DeliveryKind.SENT: (_SENT,),
    DeliveryKind.DELIVERED: (
        _SENT,
        _Move("delivered", ("sent",), "#delivered_at = :at"),
        _Move(
            "delivered",
            ("bounced",),
            "#delivered_at = :at, #settled_at = :nothing, #due_pk = :due_pk, #due_sk = #look_at REMOVE #bounce",
            after_bounce="for_now",
        ),
    ),
    DeliveryKind.BOUNCED_FOR_NOW: (_SENT, _Move("bounced", ("sent",), "#bounced_at = :at" + _CLOSE, "for_now")),
    DeliveryKind.REJECTED: (_SENT, _Move("bounced", ("sent",), "#bounced_at = :at" + _CLOSE, "rejected")),
    DeliveryKind.BOUNCED_FOR_GOOD: (
        _SENT,
        _Move("bounced", ("sent", "delivered"), "#bounced_at = :at" + _CLOSE, "for_good"),
        _Move("bounced", ("bounced",), "#bounced_at = :at" + _CLOSE, "for_good", after_bounce="for_now"),
    ),
    DeliveryKind.COMPLAINED: (
        _SENT,
        _Move("complained", ("sent", "delivered", "bounced"), "#complained_at = :at" + _CLOSE, "complaint"),
    ),
}


def _move_invitation(mail: Mail, kind: DeliveryKind, at: datetime) -> None:
    """Move the invitation's status on, never back, and only in the round that the mail belongs to.

    An invitation that is accepted, expired, revoked or declined stays so. Each step is a conditional write of its own,
    so a repetition after a crash goes on where it stopped. The revision moves too: whoever has read the invitation
    before and writes it whole reads it again.
    """
    if mail.kind not in INVITING or not mail.address_id:
        return
    for move in _MOVES[kind]:
        values: dict[str, Any] = {f"s{n}": status for n, status in enumerate(move.after)}
        condition = f"#epoch = :epoch AND #status IN ({', '.join(':' + name for name in values)})"
        if move.after_bounce:
            condition += " AND #bounce = :seen"
            values["seen"] = move.after_bounce
        update = f"SET #status = :new, #rev = #rev + :one, {move.update}"
        values |= {"epoch": mail.invitation_epoch, "new": move.status, "one": 1}
        offered = {
            "at": to_text(at),
            "bounce": move.bounce,
            "nothing": "",
            "due_pk": f"invitation#{shard_of(mail.address_id) % invitations.DUE_SHARDS}",
        }
        values |= {name: value for name, value in offered.items() if f":{name}" in update}
        key = invitations.pk(mail.hub_id, mail.address_id)
        _write(dynamo.update_action(invitations.TABLE, key, "-", update, condition=condition, values=values))


def _settle_outbox(mail: Mail, event: DeliveryEvent) -> None:
    """Every event about a mail proves that SES took it, so a doubt is over; a rejected one was taken and dropped."""
    values = {
        "sending": str(State.SENDING),
        "unknown": str(State.UNKNOWN),
        "pending": str(State.PENDING),
        "zero": 0,
        "id": event.ses_message_id,
        "at": to_text(event.at),
    }
    # PENDING after a doubt waits for a second send, which is not needed any more.
    open_ones = "#state IN (:sending, :unknown) OR (#state = :pending AND #doubts > :zero)"
    if event.kind is DeliveryKind.REJECTED:
        update = "SET #state = :new, #reason = :why, #ses_message_id = :id, #failed_at = :at"
        values |= {"new": str(State.FAILED), "why": "rejected", "sent": str(State.SENT)}
        condition = f"{open_ones} OR #state = :sent"
    else:
        update = "SET #state = :new, #ses_message_id = :id, #sent_at = :at"
        values |= {"new": str(State.SENT)}
        condition = open_ones
    _write(dynamo.update_action(TABLE, mail.pk, "-", update + _SETTLE, condition=condition, values=values))


def _write(action: dynamo.Action) -> bool:
    """Carry one conditional write out; tell whether its condition held."""
    try:
        dynamo.write([action])
    except dynamo.ConditionFailedError:
        return False
    return True
