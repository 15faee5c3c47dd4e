"""What docs/sources says, done as a new user would: every call on a page works as pasted."""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from rollcall.sources.registry import PROVIDERS
from tests.e2e.conftest import ROOT

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = ROOT / "docs" / "sources"
BLOCK = re.compile(r"^( *)```bash\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


def blocks(name: str) -> list[str]:
    """Return the code of a page, without the indent that it has in a list."""
    found = BLOCK.findall((FOLDER / name).read_text())
    return [re.sub(rf"^{indent}", "", code, flags=re.MULTILINE) for indent, code in found]


def run(codes: list[str], hub: dict[str, Any], folder: Path) -> str:
    """Return what the code prints, run in a folder that has nothing but the stack file."""
    (folder / ".local").mkdir()
    (folder / ".local" / "stack.json").write_text(json.dumps(hub))
    ran = subprocess.run(
        ["/bin/bash", "-eu", "-o", "pipefail", "-c", "\n".join(codes)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def test_every_system_has_its_page() -> None:
    """A system that is added comes with a page, and the list of pages names it."""
    assert {page.stem for page in FOLDER.glob("*.md")} == {*PROVIDERS, "README"}
    listed = (FOLDER / "README.md").read_text()
    assert [name for name in PROVIDERS if f"]({name}.md)" not in listed] == []


def test_calls_of_the_overview_work_as_pasted(hub: dict[str, Any], tmp_path: Path) -> None:
    """Connect, change, rotate, retire, look, try: each call is taken, and ends as the page says."""
    folder = tmp_path / "page"
    folder.mkdir()
    printed = run(blocks("README.md"), hub, folder)
    assert "Okta (London)" in printed
    assert "bad_count" in printed


@pytest.mark.parametrize("system", PROVIDERS)
def test_calls_of_a_page_work_as_pasted(hub: dict[str, Any], tmp_path: Path, system: str) -> None:
    """After what is set once, every call on the page is taken, and the source is there."""
    folder = tmp_path / "page"
    folder.mkdir()
    codes = blocks(f"{system}.md")
    assert codes
    printed = run([blocks("README.md")[0], *codes, 'call GET "$source"'], hub, folder)
    assert f"/hubs/{hub['hub_id']}/sources/" in printed
    shown = json.loads(printed.splitlines()[-1])
    assert shown["provider"] == system
    if system == "standard":
        assert shown["transform"]
        tried = [json.loads(line) for line in printed.splitlines() if line.startswith('{"events"')]
        kinds = [[event["kind"] for event in answer["events"]] for answer in tried]
        assert (kinds, [answer["faults"] for answer in tried]) == ([["updated"], ["added", "deactivated"]], [[], []])
