"""Writes the files that the exports queue points at, one message each: ``{"hub_id", "export_id", "run"?}``."""

from __future__ import annotations

from typing import Any

from rollcall.exports.run import run_export
from rollcall.runtime.queues import process
from rollcall.runtime.settings import require


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Handle a batch of pointers; failed ones are reported and come back."""
    del context
    require(
        "HUBS_TABLE",
        "PEOPLE_TABLE",
        "MEMBERS_TABLE",
        "INVITATIONS_TABLE",
        "PLANS_TABLE",
        "MAIL_TABLE",
        "FILES_BUCKET",
        "EXPORTS_QUEUE_URL",
        "EMAILS_QUEUE_URL",
        "STACK_SECRET_ARN",
        "PUBLIC_BASE_URL",
    )
    return process(event, _handle)


def _handle(pointer: dict[str, Any]) -> None:
    run_export(str(pointer["hub_id"]), str(pointer["export_id"]), int(pointer.get("run", 0)))
