"""A big hub on the running stack, in seconds: a directory of people, all of them members."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rollcall.hubs import store as hubs
from tests.support.aws import running
from tests.support.world import World

if TYPE_CHECKING:
    from collections.abc import Mapping


def seed(
    stack: Mapping[str, Any], hub_id: str, source_id: str, count: int, *, first: int = 0, **attributes: str
) -> dict[str, str]:
    """Make so many active members of a hub, each known to the directory, and return external id → member id.

    The n-th, counted from ``first``, is ``person-0000`` and on, with that address at example.com, the hub's default
    role and these attributes. Their items are written into the tables as events and acceptances would leave them: 1,000
    take some seconds.

    Parameters
    ----------
    stack
        What ``stack.json`` says.
    """
    with running(stack):
        ids = World(hub=hubs.get_hub(hub_id), source_id=source_id).populate(count, first=first, **attributes)
    return {external_id(number): member_id for number, member_id in enumerate(ids, first)}


def external_id(number: int) -> str:
    """Return the id that the directory gives to the n-th person."""
    return f"person-{number:04d}"


def event(number: int, kind: str = "person.updated", **said: Any) -> dict[str, Any]:
    """Return a canonical event about the n-th person that happens now; ``said`` goes into its data."""
    data = {"external_id": external_id(number), **said}
    return {"type": kind, "timestamp": datetime.now(UTC).isoformat(), "data": data}
