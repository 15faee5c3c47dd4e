"""Events of SES as EventBridge and SNS hand them on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rollcall.mail.delivery import parse
from rollcall.mail.model import DeliveryKind

FOLDER = Path(__file__).parents[2] / "events" / "ses"
HUB = "01J8Z3QK5V7X9WB2C4D6E8FGHJ"
MAIL = "4f1d0c2b9a8e7766554433221100ffee"
EXPECTED: dict[str, tuple[DeliveryKind, str] | None] = {
    "send-accepted": (DeliveryKind.SENT, "2026-10-05T08:01:12.101000+00:00"),
    "delivery-confirmed": (DeliveryKind.DELIVERED, "2026-10-05T08:01:14.733000+00:00"),
    "delivery-reduced_by_the_rule": (DeliveryKind.DELIVERED, "2026-10-05T08:01:14.733000+00:00"),
    "bounce-permanent": (DeliveryKind.BOUNCED_FOR_GOOD, "2026-10-05T08:01:15.002000+00:00"),
    "bounce-transient": (DeliveryKind.BOUNCED_FOR_NOW, "2026-10-05T22:01:15.002000+00:00"),
    "complaint-abuse": (DeliveryKind.COMPLAINED, "2026-10-06T09:00:41.669000+00:00"),
    "reject-virus": (DeliveryKind.REJECTED, "2026-10-05T08:01:12.101000+00:00"),
    "delivery_delay-mailbox_full": None,
    "delivery-of_another_application": None,
    "send-through_sns": (DeliveryKind.SENT, "2026-10-05T08:01:12.101000+00:00"),
    "bounce-through_sns": (DeliveryKind.BOUNCED_FOR_GOOD, "2026-10-05T08:01:15.002000+00:00"),
    "complaint-through_sns_raw": (DeliveryKind.COMPLAINED, "2026-10-06T09:00:41.669000+00:00"),
    "delivery-of_another_application_through_sns": None,
    "topic-validated": None,
}


def load(name: str) -> dict[str, Any]:
    """Return a sample event."""
    event: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
    return event


@pytest.mark.parametrize("name", sorted(file.stem for file in FOLDER.glob("*.json")))
def test_sample_event_is_read_as_expected(name: str) -> None:
    """Every sample in events/ses is understood, by its tags; what says nothing final is passed over."""
    event, expected = parse(load(name)), EXPECTED[name]
    found = event and (event.hub_id, event.mail_id, event.kind, event.at.isoformat())
    assert found == (expected and (HUB, MAIL, *expected))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("hub", "01J8Z3QK5V7X9WB2C4D6E8FGH#"),
        ("hub", "*"),
        ("mail", "../x"),
        ("mail", "4F1D0C2B9A8E7766554433221100FFEE"),
    ],
)
def test_tag_that_is_not_an_id_makes_the_event_not_ours(name: str, value: str) -> None:
    """A tag cannot name a key of another form than ours."""
    event = load("delivery-confirmed")
    event["detail"]["mail"]["tags"][name] = [value]
    assert parse(event) is None


@pytest.mark.parametrize("name", [name for name, expected in EXPECTED.items() if expected and "sns" not in name])
def test_event_means_the_same_whatever_carries_it(name: str) -> None:
    """EventBridge, an SNS notification and SNS's raw message delivery end in the same reading."""
    event = load(name)
    notification = load("bounce-through_sns") | {"Message": json.dumps(event["detail"]), "Timestamp": event["time"]}
    assert parse(notification) == parse(event) is not None
    assert parse(event["detail"]) == parse(event)


@pytest.mark.parametrize("message", ["", "not JSON", "{", None])
def test_notification_without_an_event_fails_loudly(message: str | None) -> None:
    """A notification whose message cannot be read ends in the dead-letter queue, like any other malformed one."""
    with pytest.raises(ValueError, match="Expecting"):
        parse(load("bounce-through_sns") | {"Message": message})
    with pytest.raises(KeyError):
        parse({"Type": "Notification"})


@pytest.mark.parametrize(
    "body", [{}, {"source": "aws.s3", "detail": {}}, {"source": "aws.ses"}, {"source": "aws.ses", "detail": 1}]
)
def test_message_of_another_kind_is_not_ours(body: dict[str, Any]) -> None:
    """Anything that is not an event of SES is passed over."""
    assert parse(body) is None


def test_bounce_without_its_type_fails_loudly() -> None:
    """An event about our mail that lacks what is documented ends in the dead-letter queue, not in a guess."""
    event = load("bounce-permanent")
    del event["detail"]["bounce"]
    with pytest.raises(KeyError):
        parse(event)
