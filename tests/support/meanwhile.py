"""Let something happen between the look at an index and the read of the items themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rollcall.runtime import dynamo

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pytest


def meanwhile(monkeypatch: pytest.MonkeyPatch, pk: str, happens: Callable[[], object]) -> None:
    """Let it happen once: after the item with this key was found in a list, and before it is read."""
    read, left = dynamo.read_entries, [happens]

    def read_later(table: str, index: str, entries: Sequence[dynamo.Item], **how: Any) -> list[dynamo.Item]:
        if left and any(entry["pk"] == pk for entry in entries):
            left.pop()()
        return read(table, index, entries, **how)

    monkeypatch.setattr(dynamo, "read_entries", read_later)
