"""Directory events → people and members: applies each event of the log that a pointer names."""

from __future__ import annotations

import time
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
    "SOURCE_SECRETS_PREFIX",
    "DIRECTORY_EVENTS_QUEUE_URL",
    "EMAILS_QUEUE_URL",
)
# Of the 30 that the function has, with room for one last question and for applying what was found.
LOOKING_SECONDS = 10.0


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Take SQS records with ``{hub_id, source_id, event_id}``; report those that must come again."""
    look_until = time.monotonic() + LOOKING_SECONDS
    return queues.process(event, lambda pointer: apply_event(pointer["hub_id"], pointer["event_id"], look_until))
