"""Once a minute: send again what got stuck, expire what is over."""

from __future__ import annotations

from typing import Any

from rollcall.runtime.settings import require
from rollcall.sweeping.run import sweep

require(
    "HUBS_TABLE",
    "EVENTS_TABLE",
    "PEOPLE_TABLE",
    "INVITATIONS_TABLE",
    "MAIL_TABLE",
    "PLANS_TABLE",
    "DIRECTORY_EVENTS_QUEUE_URL",
    "DIRECTORY_EVENTS_DEAD_LETTERS_URL",
    "PLAN_PARTS_QUEUE_URL",
    "EXPORTS_QUEUE_URL",
    "EMAILS_QUEUE_URL",
    "ERASURES_QUEUE_URL",
)


def handler(_event: dict[str, Any], _context: object) -> dict[str, int]:
    """Return how many of each kind were swept."""
    return sweep()
