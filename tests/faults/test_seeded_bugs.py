"""Every seeded bug is noticed by the very tests that are to keep it out, and these pass without it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.seeded_bugs import BUGS

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.usefixtures("aws")


@pytest.mark.parametrize("name", list(BUGS))
def test_seeded_bug_is_killed(name: str, monkeypatch: pytest.MonkeyPatch, figure: Callable[[str], None]) -> None:
    """With the bug planted, what is there to notice it fails; a survivor fails this test."""
    bug = BUGS[name]
    bug.plant(monkeypatch)
    with pytest.raises(AssertionError):
        bug.kill()
    figure(f"killed: {name}")


@pytest.mark.long
@pytest.mark.parametrize("name", sorted({bug.kill.__qualname__: name for name, bug in BUGS.items()}.values()))
def test_without_a_bug_its_killer_is_content(name: str) -> None:
    """What kills a bug passes on the code as it is."""
    BUGS[name].kill()
