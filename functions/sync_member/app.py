"""Directory events → people and members: applies each event of the log that a pointer names."""

from __future__ import annotations

import time
from typing import Any

from rollcall.people.batches import Batch
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
# Of the 30 that the function has, with room to look up one last person and to apply what was found.
LOOKING_SECONDS = 6.0


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Take SQS records with ``{hub_id, source_id, event_id}`` or ``{hub_id, replay_id, part, hop}``.

    Those that must come again are reported.
    """
    batch = Batch(event["Records"], look_until=time.monotonic() + LOOKING_SECONDS)
    return queues.process(event, batch.apply)
