"""Approved plans → members and invitations: begins a plan, and applies each part that a pointer names.

Also makes plans that come from no file or are too long for one run, and computes members anew after roles or options
changed.
"""

from __future__ import annotations

from typing import Any

from rollcall.plans.applying import handle_pointer
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
    "PLAN_PARTS_QUEUE_URL",
    "DIRECTORY_EVENTS_QUEUE_URL",
    "EMAILS_QUEUE_URL",
    "STACK_SECRET_ARN",
)


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Take SQS records with ``{hub_id, plan_id, part}`` or ``{hub_id, catalogue_version, shard}``.

    Those that must come again are reported.
    """
    return queues.process(event, handle_pointer)
