"""How many members show which role and option: counted by looking at every member once."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import partial

from rollcall.members import store
from rollcall.runtime.ahead import ahead
from rollcall.runtime.ids import SHARDS
from rollcall.runtime.lists import AT_ONCE


@dataclass(slots=True)
class Usage:
    """What members show.

    Attributes
    ----------
    members
        How many there are, deleted ones left out.
    roles, options
        Role id, and (segment id, option id) → how many members show it.
    filled, several
        Segment id → how many show a value in it, and more than one.
    """

    members: int = 0
    roles: Counter[str] = field(default_factory=Counter)
    options: Counter[tuple[str, str]] = field(default_factory=Counter)
    filled: Counter[str] = field(default_factory=Counter)
    several: Counter[str] = field(default_factory=Counter)


def count_usage(hub_id: str) -> Usage:
    """Count over all members of the hub, some shards side by side; memory does not grow with them."""
    usage = Usage()
    for _, part in ahead(partial(_count_shard, hub_id), range(SHARDS), AT_ONCE):
        usage.members += part.members
        usage.roles.update(part.roles)
        usage.options.update(part.options)
        usage.filled.update(part.filled)
        usage.several.update(part.several)
    return usage


def _count_shard(hub_id: str, shard: int) -> Usage:
    usage = Usage()
    for shown in store.shown_of_shard(hub_id, shard):
        usage.members += 1
        usage.roles.update(shown["roles"])
        for segment_id, given in shown["segments"].items():
            usage.options.update((segment_id, option_id) for option_id in given)
            usage.filled[segment_id] += bool(given)
            usage.several[segment_id] += len(given) > 1
    return usage
