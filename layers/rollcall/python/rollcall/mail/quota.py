"""How many mails to people who are invited a hub may send in a day (``daily_invite_quota``).

A counter of the day, raised before a mail is claimed: a worker that dies in between has used up one for nothing, but
never do more mails go than the hub allows. A mail that is tried again was counted at its first try.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollcall.runtime import dynamo
from rollcall.runtime.times import expiry, to_text
from rollcall.runtime.zones import UTC, day_is_over, zone_named

if TYPE_CHECKING:
    from datetime import datetime

    from rollcall.hubs.model import Hub

TABLE = "MAIL_TABLE"


def take(hub: Hub, now: datetime) -> bool:
    """Count one more mail of today, in the hub's time zone; False if the hub has sent as many as it may."""
    day = now.astimezone(zone_named(hub.time_zone) or UTC).date().isoformat()
    try:
        dynamo.write(
            [
                dynamo.update_action(
                    TABLE,
                    f"{hub.hub_id}#Q#{day}",
                    "-",
                    "SET #used = if_not_exists(#used, :zero) + :one, #expires = :expires",
                    condition="(attribute_not_exists(#used) AND :quota > :zero) OR #used < :quota",
                    values={"zero": 0, "one": 1, "quota": hub.daily_invite_quota, "expires": expiry(to_text(now))},
                )
            ]
        )
    except dynamo.ConditionFailedError:
        return False
    return True


def tomorrow(hub: Hub, now: datetime) -> datetime:
    """Return when the hub may send again: the first moment of its next day."""
    zone = zone_named(hub.time_zone) or UTC
    over = day_is_over(now.astimezone(zone).date().isoformat(), zone)
    if over is None:
        msg = "the calendar ends today"
        raise OverflowError(msg)
    return over
