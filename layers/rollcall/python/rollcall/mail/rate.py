"""Keep all sending under the account's rate: the line of turns in the Mail table, and what the rate is (I26).

One item for the whole account, apart from every hub's items: its own writes are the only ones that meet there, and no
more come in a second than mails may go.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from rollcall.mail.pace import next_turn
from rollcall.runtime import clients, dynamo
from rollcall.runtime.errors import TransientError
from rollcall.runtime.observability import describe, log
from rollcall.runtime.settings import optional
from rollcall.runtime.tries import tries

if TYPE_CHECKING:
    from collections.abc import Callable

TABLE = "MAIL_TABLE"
KEY = "ACCOUNT#RATE"
# What every account may do, also one that SES has not let out of its sandbox.
SANDBOX_RATE = 1.0
# Whoever would wait longer lets go of the worker: the mail comes back when it is its turn.
LONGEST_WAIT = 3.0
_ASKED_FOR = 300.0
_asked: dict[str, float] = {}


def wait_for_turn(clock: Callable[[], float] = time.time, sleep: Callable[[float], None] = time.sleep) -> float:
    """Take the next turn and wait for it; return 0, or for how many seconds the mail must be put off instead.

    Raises
    ------
    TransientError
        If DynamoDB could not be reached or was contended for too long.
    """
    per_second = sends_per_second(clock)
    for _ in tries():
        item = dynamo.get(TABLE, KEY) or {}
        now = clock()
        turn = next_turn(item.get("line_until_ms", 0) / 1000, now, per_second)
        if turn.at - now > LONGEST_WAIT:
            return turn.at - now
        try:
            dynamo.write([_take(item.get("rev", 0), turn.line_until)])
        except (dynamo.ConditionFailedError, TransientError):
            continue  # somebody else took it; or we did, and a turn is lost
        sleep(max(turn.at - clock(), 0.0))
        return 0.0
    raise TransientError


def _take(rev: int, line_until: float) -> dynamo.Action:
    # Rounded up, so that turns are never closer than the rate allows.
    item = {"pk": KEY, "sk": "-", "rev": rev + 1, "line_until_ms": int(line_until * 1000) + 1}
    if rev == 0:
        return dynamo.put_action(TABLE, item, "attribute_not_exists(#pk)")
    return dynamo.put_action(TABLE, item, "#rev = :rev", {"rev": rev})


def sends_per_second(clock: Callable[[], float] = time.time) -> float:
    """Return the rate: the setting ``MAIL_RATE``, or if that is 0 what SES says, asked every five minutes."""
    fixed = float(optional("MAIL_RATE", "0"))
    if fixed > 0:
        return fixed
    now = clock()
    if now - _asked.get("at", 0.0) > _ASKED_FOR:
        try:
            quota = clients.sesv2().get_account().get("SendQuota", {})
        except (ClientError, BotoCoreError) as exc:
            log.warning("mail_rate_unknown", **describe(exc))
            return _asked.get("rate", SANDBOX_RATE)
        _asked.update(at=now, rate=float(quota.get("MaxSendRate", 0)) or SANDBOX_RATE)
    return _asked["rate"]


def forget_rate() -> None:
    """Forget what SES said (tests)."""
    _asked.clear()
