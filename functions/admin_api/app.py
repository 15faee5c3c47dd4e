"""The admin API: answers hub admins. What it can do is in the routes of the capabilities (``<capability>/api.py``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rollcall.api.app import handle
from rollcall.runtime.settings import require

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

SETTINGS = (
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
    "DIRECTORY_EVENTS_QUEUE_URL",
    "EXPORTS_QUEUE_URL",
    "PLAN_PARTS_QUEUE_URL",
    "EMAILS_QUEUE_URL",
    "ERASURES_QUEUE_URL",
    "STACK_SECRET_ARN",
    "SOURCE_SECRETS_PREFIX",
    "KMS_KEY_ARN",
)


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer one request of the HTTP API (payload 2.0)."""
    require(*SETTINGS)
    return handle(event, context)
