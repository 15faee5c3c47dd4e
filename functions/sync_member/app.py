"""Directory events → people and members: applies each event of the log that a pointer names."""

from __future__ import annotations

from typing import Any

from rollcall.people.sync import apply_event
from rollcall.runtime import queues
from rollcall.runtime.settings import require

require(
    "HUBS_TABLE",
    "EVENTS_TABLE",
    "PEOPLE_TABLE",
    "MEMBERS_TABLE",
    "INVITATIONS_TABLE",
    "MAIL_TABLE",
    "PLANS_TABLE",
    "FILES_BUCKET",
    "STACK_SECRET_ARN",
    "DIRECTORY_EVENTS_QUEUE_URL",
    "EMAILS_QUEUE_URL",
)


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Take SQS records with ``{hub_id, source_id, event_id}``; report those that must come again."""
    return queues.process(event, _apply)


def _apply(pointer: queues.Pointer) -> None:
    apply_event(pointer["hub_id"], pointer["event_id"])
