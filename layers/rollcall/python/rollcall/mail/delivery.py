"""What became of a mail: read an event of SES as EventBridge or SNS hands it on, and write it down.

Shape of the event: SES developer guide, "Contents of event data that Amazon SES publishes". EventBridge carries it in
``detail`` (``source`` ``aws.ses``); SNS in ``Message``, a string (SNS developer guide, "Fanout to Amazon SQS queues"),
or, with raw message delivery, as it is. Only ids, kinds and times are read, so the rule that feeds the queue may leave
addresses and headers out. Events are best effort, may repeat and come in any order.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from rollcall.mail import store
from rollcall.mail.model import DeliveryEvent, DeliveryKind
from rollcall.runtime.ids import is_hash, is_ulid
from rollcall.runtime.observability import log
from rollcall.runtime.times import from_text

if TYPE_CHECKING:
    from collections.abc import Mapping

_KINDS = {
    "Send": DeliveryKind.SENT,
    "Delivery": DeliveryKind.DELIVERED,
    "Complaint": DeliveryKind.COMPLAINED,
    "Reject": DeliveryKind.REJECTED,
    "Rendering Failure": DeliveryKind.REJECTED,
}
# What SES publishes once to a topic that becomes an event destination; plain text.
_TOPIC_VALIDATED = "Successfully validated SNS topic"


def parse(body: Mapping[str, Any]) -> DeliveryEvent | None:
    """Read one event.

    Returns nothing for a mail that is not ours (no tags ``hub`` and ``mail``) and for events that say nothing final
    (delayed, opened, clicked, subscription, a topic was validated).

    Raises
    ------
    ValueError, KeyError, TypeError
        If it is an event about one of our mails that does not have the documented shape.
    """
    detail, carried_at = _unwrap(body)
    if not isinstance(detail, dict):
        return None
    mail = detail.get("mail", {})
    tags = mail.get("tags", {})
    hub_id, mail_id = _tag(tags, "hub"), _tag(tags, "mail")
    if not (is_ulid(hub_id) and is_hash(mail_id)):
        return None
    kind = _kind(detail)
    if kind is None:
        return None
    at = from_text(_time(detail) or carried_at)
    return DeliveryEvent(hub_id=hub_id, mail_id=mail_id, kind=kind, ses_message_id=str(mail["messageId"]), at=at)


def _unwrap(body: Mapping[str, Any]) -> tuple[Any, str]:
    """Return the event, and when what carried it was made: EventBridge, SNS, or nothing (raw message delivery)."""
    if body.get("source") == "aws.ses":
        return body.get("detail"), str(body.get("time", ""))
    if body.get("Type") == "Notification":
        message = str(body["Message"])
        return None if message.startswith(_TOPIC_VALIDATED) else json.loads(message), str(body.get("Timestamp", ""))
    return body, ""


def _tag(tags: Mapping[str, Any], name: str) -> str:
    values = tags.get(name)
    return values[0] if isinstance(values, list) and values and isinstance(values[0], str) else ""


def _kind(detail: Mapping[str, Any]) -> DeliveryKind | None:
    event_type = str(detail["eventType"])
    if event_type == "Bounce":
        # Permanent: the address does not exist. Transient or Undetermined: full, too large, an automatic answer.
        permanent = detail["bounce"]["bounceType"] == "Permanent"
        return DeliveryKind.BOUNCED_FOR_GOOD if permanent else DeliveryKind.BOUNCED_FOR_NOW
    return _KINDS.get(event_type)


def _time(detail: Mapping[str, Any]) -> str | None:
    event_type = str(detail["eventType"])
    if event_type in ("Delivery", "Bounce", "Complaint"):
        when = detail.get(event_type.lower(), {}).get("timestamp")
    else:
        when = detail["mail"].get("timestamp")
    return str(when) if when else None


def record(body: Mapping[str, Any]) -> str:
    """Write one event down and return what it was (a ``DeliveryKind``, ``not_ours`` or ``unknown_mail``).

    Raises
    ------
    TransientError
        If it could not be written; the same event may be tried again.
    """
    event = parse(body)
    if event is None:
        return "not_ours"
    mail = store.get(event.hub_id, event.mail_id)
    if mail is None:
        log.warning("delivery_of_unknown_mail", hub_id=event.hub_id, mail_id=event.mail_id, kind=str(event.kind))
        return "unknown_mail"
    store.settle_by_event(mail, event)
    log.info("delivery_recorded", hub_id=event.hub_id, mail_id=event.mail_id, kind=str(event.kind))
    return str(event.kind)
