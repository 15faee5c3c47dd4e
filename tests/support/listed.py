"""Some people whom a directory names, as the tests of the two lists by name have them: added, renamed, deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rollcall.people.events import Kind

if TYPE_CHECKING:
    from tests.support.world import World

NAMES = ("Ada", "Ben", "Cid", "Dot")
BOSS = "zora.boss@example.com"


def add(world: World, name: str, **said: Any) -> None:
    """Let the directory add somebody with this last name, by which they are known everywhere."""
    fields: dict[str, str | None] = {"email": f"{name.lower()}@example.com", "first_name": "Kim", "last_name": name}
    world.tell(world.event(f"{name}-added", 0, Kind.ADDED, name, fields=fields, **said))


def rename(world: World, name: str, to: str) -> None:
    """Let them have another last name."""
    world.tell(world.event(f"{name}-renamed", 1, person=name, fields={"last_name": to}))


def delete(world: World, name: str) -> None:
    """Let the directory delete them."""
    world.tell(world.event(f"{name}-gone", 1, Kind.DELETED, name))
