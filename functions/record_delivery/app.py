"""Writes down what became of mails: events of SES, handed on by EventBridge or SNS to the delivery-events queue."""

from __future__ import annotations

from typing import Any

from rollcall.mail.delivery import record
from rollcall.runtime.queues import process
from rollcall.runtime.settings import require


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Handle a batch of events; failed ones are reported and come back."""
    del context
    require("MAIL_TABLE", "PEOPLE_TABLE", "INVITATIONS_TABLE")
    return process(event, _handle)


def _handle(body: dict[str, Any]) -> None:
    record(body)
