"""What README.md and docs/ say is so: the example runs, links lead somewhere, every alarm is explained."""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.conftest import ROOT

if TYPE_CHECKING:
    from pathlib import Path

README = ROOT / "README.md"
PAGES = [README, ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.fixture(scope="module")
def printed(stack: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return what the example prints, run as it stands, in a folder that has nothing but the stack file."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / ".local").mkdir()
    (folder / ".local" / "stack.json").write_text(json.dumps(stack))
    blocks = re.findall(r"^```bash\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 1, "README.md has one example in bash"
    ran = subprocess.run(
        ["/bin/bash", "-eu", "-o", "pipefail", "-c", blocks[0]],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout.splitlines()


def test_signed_event_of_the_readme_becomes_a_person(printed: list[str]) -> None:
    """The signed event is taken and applied, and the API then shows the person that it told of."""
    assert printed[0] == '{"accepted": 1, "ignored": 0} -> 202'
    (event,) = json.loads(printed[1])["items"]
    assert (event["kind"], event["state"]) == ("added", "applied")
    (person,) = json.loads(printed[2])["items"]
    assert (person["external_id"], person["email"]) == ("E-1001", "maya.okafor@example.com")
    assert (person["first_name"], person["attributes"]) == ("Maya", {"Office": "London"})


def test_forged_event_of_the_readme_changes_nothing(printed: list[str]) -> None:
    """The forged event is 401 without a detail; the person and the event log are as they were."""
    problem, _, status = printed[3].rpartition(" -> ")
    assert status == "401"
    assert "detail" not in json.loads(problem)
    assert json.loads(printed[4]) == json.loads(printed[2])
    assert json.loads(printed[5]) == json.loads(printed[1])
    assert len(printed) == 6


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_link_in_a_page_leads_somewhere(page: Path) -> None:
    """Every link to a file, and to a heading in it, finds its target."""
    broken = []
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", page.read_text()):
        name, _, heading = target.partition("#")
        path = page.parent / name if name else page
        if not path.exists() or (heading and heading not in _headings(path)):
            broken.append(target)
    assert not broken


def test_alarm_of_the_template_is_explained() -> None:
    """Whoever is woken by an alarm finds it in docs/operations.md; and nothing is explained that does not exist."""
    there = set(re.findall(r"^  (\w+Alarm):", (ROOT / "template.yaml").read_text(), re.MULTILINE))
    told = set(re.findall(r"`(\w+Alarm)`", (ROOT / "docs" / "operations.md").read_text()))
    assert there
    assert told == there


def test_make_target_in_the_readme_exists() -> None:
    """Every `make` command that the README names is a target of the Makefile."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:^\s*|`)make ([a-z-]+)", README.read_text(), re.MULTILINE))
    assert {"demo", "test", "up"} <= named <= targets


def _headings(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as code hosts make them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title).strip().lower().replace(" ", "-") for title in titles}
