"""Times: aware UTC datetimes in code, RFC 3339 with milliseconds in items and JSON."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

# How long what is only looked at is kept: a year, and some time to look at it.
KEPT = timedelta(days=400)


def now() -> datetime:
    """Return the current time in UTC. The only clock of the application; pure code takes times as arguments."""
    return datetime.now(UTC)


def to_text(moment: datetime) -> str:
    """Write a time as ``2026-10-05T08:01:12.101Z``. Microseconds are cut, so text order is time order.

    Raises
    ------
    ValueError
        For a naive datetime.
    """
    if moment.tzinfo is None:
        msg = "a time needs a zone"
        raise ValueError(msg)
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def expiry(begun_at: str) -> int:
    """Return the seconds since 1970 at which DynamoDB may remove an item that lives for ``KEPT`` from a time on.

    It does so some time after that: housekeeping, on which nothing may depend.
    """
    return int((from_text(begun_at) + KEPT).timestamp())


def from_text(text: str) -> datetime:
    """Read a time as vendors write it: ISO 8601 with ``T`` or a space; without a zone it is UTC.

    Raises
    ------
    ValueError
        If it is not a time.
    """
    moment = datetime.fromisoformat(text.strip())
    return (moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment).astimezone(UTC)
