"""How many examples a property is tried with: few in ``make test``, many in ``make test-long``."""

from __future__ import annotations

import os

LONG_FACTOR = 20


def examples(short: int) -> int:
    """Return the number of examples for this run, given that of a short one."""
    return short * LONG_FACTOR if os.environ.get("ROLLCALL_LONG") else short
