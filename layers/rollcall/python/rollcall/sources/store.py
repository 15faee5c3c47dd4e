"""How fast each source may be asked: one item per source in the Hubs table, which all workers keep to."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from rollcall.runtime import dynamo
from rollcall.runtime.errors import TransientError
from rollcall.runtime.tries import tries
from rollcall.sources.pace import Pace

if TYPE_CHECKING:
    from collections.abc import Callable

TABLE = "HUBS_TABLE"
MOST_TRIES = 8  # every worker that asks this source writes the same item


def get_pace(hub_id: str, source_id: str) -> Pace:
    """Return the pace of a source, read consistently; a fresh one if it was never asked."""
    item = dynamo.get(TABLE, hub_id, _sk(source_id))
    if item is None:
        return Pace()
    return Pace(**{name: item[name] for name in Pace.__slots__})


def change_pace(hub_id: str, source_id: str, change: Callable[[Pace], Pace]) -> Pace:
    """Change the pace of a source, however many workers do so at once, and return it; equal is not written.

    Raises
    ------
    TransientError
        If others were faster too often.
    """
    for _ in tries(MOST_TRIES, wait=0.04):
        pace = get_pace(hub_id, source_id)
        changed = change(pace)
        if changed == pace:
            return pace
        stored = replace(changed, rev=pace.rev + 1)
        item = {"pk": hub_id, "sk": _sk(source_id), **asdict(stored)}
        try:
            dynamo.write(
                [dynamo.put_action(TABLE, item, "attribute_not_exists(#pk) OR #rev = :rev", {"rev": pace.rev})]
            )
        except dynamo.ConditionFailedError:
            continue
        return stored
    raise TransientError


def _sk(source_id: str) -> str:
    return f"PACE#{source_id}"
