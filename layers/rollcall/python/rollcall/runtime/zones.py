"""Days in a time zone of the IANA database. Pure."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

UTC = ZoneInfo("UTC")


def zone_named(name: str) -> ZoneInfo | None:
    """Return a time zone by its name, such as ``Europe/Paris``; nothing if there is none."""
    if not name.strip():
        return None
    try:
        return ZoneInfo(name.strip())
    except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: the name of a folder of the database
        return None


def day_is_over(text: str, zone: ZoneInfo) -> datetime | None:
    """Return the instant at which a day (``2026-12-31``) is over in a zone; nothing if it is no day.

    Where clocks are moved at midnight, that midnight is missing or comes twice: the later reading is the one at which
    the day is certainly over, and for a missing one the moment of the change.
    """
    try:
        midnight = datetime.combine(date.fromisoformat(text.strip()[:10]) + timedelta(days=1), time.min)
        both = (midnight.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
        return max(both)
    except (ValueError, OverflowError):
        return None
