"""Trying again what others got in the way of: a few times, each after a wait that no other worker has too."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

TRIES = 6
_SHORTEST = 0.01


def tries(count: int = TRIES, *, wait: float = 0.1) -> Iterator[int]:
    """Yield 0, 1, ... up to ``count`` numbers, with a wait before each but the first.

    Parameters
    ----------
    wait
        The longest first wait in seconds; each later one may be twice as long. How long it is, is left to chance, so
        that workers who met do not meet again.
    """
    for number in range(count):
        if number:
            time.sleep(random.uniform(_SHORTEST, wait * 2 ** (number - 1)))  # noqa: S311 - jitter, not a secret
        yield number
