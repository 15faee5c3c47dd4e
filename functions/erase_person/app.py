"""Takes erased people out of everything that still names them, in passes; purges those whose grace time is over."""

from __future__ import annotations

from typing import Any

from rollcall.privacy.purge import handle_pointer
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
    "ACTIVITY_TABLE",
    "FILES_BUCKET",
    "LEDGER_BUCKET",
    "ERASURES_QUEUE_URL",
    "STACK_SECRET_ARN",
)


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Take SQS records with ``{hub_id, erasure_id}`` or ``{hub_id, person_id}``; those that failed are reported."""
    return queues.process(event, handle_pointer)
