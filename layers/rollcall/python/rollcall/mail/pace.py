"""How fast mails may go: turns, evenly spaced, that all workers of the stack take from one line. Pure.

Times are seconds since 1970. SES refuses what is sent faster than the account's rate (SES developer guide, "Managing
your Amazon SES sending limits"); mails that keep to turns are not refused.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Turn:
    """When a mail may go, and from when on the next one may."""

    at: float
    line_until: float


def next_turn(line_until: float, now: float, per_second: float) -> Turn:
    """Return the first free turn: now, or where the line of those who came before ends.

    Parameters
    ----------
    line_until
        End of the line; 0 where nobody ever took a turn.
    per_second
        Mails in a second, above 0.
    """
    at = max(line_until, now)
    return Turn(at, at + 1 / per_second)
