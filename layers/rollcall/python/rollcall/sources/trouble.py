"""How a connection is doing, and which trouble of it its admins must be told of. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from rollcall.runtime.times import to_text

if TYPE_CHECKING:
    from collections.abc import Mapping

RECENT = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Day:
    """What came on one day (UTC): events taken, events of no use, deliveries refused."""

    day: str
    accepted: int = 0
    ignored: int = 0
    refused: int = 0


@dataclass(frozen=True, slots=True)
class Health:
    """How a connection is doing; times are RFC 3339 text.

    Attributes
    ----------
    last_event_at
        When the last event came that was not known yet.
    last_success_at
        When the last delivery was taken, be it a repeated one.
    failure, failure_detail
        Code and sentence of the last failure.
    needs_credentials_at
        When the last event came that could not be looked up for want of credentials.
    days
        The last 14 days, oldest first.
    used
        Secret id → when a delivery was last signed with it.
    """

    last_event_at: str | None
    last_success_at: str | None
    last_failure_at: str | None
    failure: str | None
    failure_detail: str | None
    needs_credentials_at: str | None
    silent: bool
    days: tuple[Day, ...]
    used: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong.

    Attributes
    ----------
    key
        The same for the same trouble of the same day, or of the same silence: told once.
    text
        For the HR admin: what happened, and what to do.
    """

    key: str
    text: str


def trouble_of(health: Health, credentials_at: str | None, now: datetime) -> Trouble | None:
    """Return what to tell; nothing if all is well.

    A delivery with a wrong signature is trouble only if no right one came since: anybody can send a wrong one.
    Credentials that came after the failure may have mended it.
    """
    failed = health.last_failure_at
    is_recent = failed is not None and failed > to_text(now - RECENT)
    is_mended = (health.failure == "unauthentic" and (health.last_success_at or "") > (failed or "")) or (
        health.failure == "needs_credentials" and (credentials_at or "") > (failed or "")
    )
    if is_recent and not is_mended:
        return Trouble(f"{health.failure} {now.date().isoformat()}", str(health.failure_detail))
    if health.silent:
        text = (
            f"Nothing has come from this HR system since {str(health.last_event_at)[:10]}, which is longer than usual. "
            "Look there whether its webhook is still switched on, and whether it shows failed deliveries."
        )
        return Trouble(f"silent {health.last_event_at}", text)
    return None
