"""Uploaded files → plans: reads each file that the bucket announces and plans what it asks for."""

from __future__ import annotations

from typing import Any

from rollcall.plans.planning import handle_s3_event
from rollcall.runtime import queues
from rollcall.runtime.settings import require

require(
    "HUBS_TABLE",
    "PEOPLE_TABLE",
    "MEMBERS_TABLE",
    "INVITATIONS_TABLE",
    "PLANS_TABLE",
    "MAIL_TABLE",
    "FILES_BUCKET",
    "PLAN_PARTS_QUEUE_URL",
    "EMAILS_QUEUE_URL",
    "STACK_SECRET_ARN",
)


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Take SQS records with S3 notifications; report those that must come again."""
    return queues.process(event, handle_s3_event)
