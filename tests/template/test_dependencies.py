"""What is deployed by default must exist for that machine and that Python, and our own code must run there."""

from __future__ import annotations

import re
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "layers" / "dependencies" / "requirements.txt"
LOCKS = sorted([LOCK, *(ROOT / "requirements").glob("*.txt")])
CODE = [ROOT / "functions", ROOT / "layers" / "rollcall" / "python"]


def python_of(template: dict[str, Any]) -> str:
    """Return the default runtime's version, `3.14`."""
    return str(template["Parameters"]["PythonRuntime"]["Default"]).removeprefix("python")


def test_every_pinned_package_has_a_wheel_for_the_default_deployment(source: dict[str, Any], tmp_path: Path) -> None:
    """Pip finds a wheel with a listed hash for arm64 and the newest Python, for all that the layer holds."""
    assert source["Parameters"]["Architecture"]["Default"] == "arm64"
    done = subprocess.run(
        [
            *[sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"],
            *["--only-binary=:all:", "--require-hashes", "--implementation", "cp"],
            *["--platform", "manylinux2014_aarch64", "--platform", "manylinux_2_28_aarch64"],
            *["--python-version", python_of(source), "--dest", str(tmp_path), "--requirement", str(LOCK)],
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    pinned = re.findall(r"^[a-z0-9-]+==", LOCK.read_text(), re.MULTILINE)
    assert len(list(tmp_path.glob("*.whl"))) == len(pinned)


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.parent.name + "/" + lock.name)
def test_lock_file_pins_by_hash_and_names_no_index(lock: Path) -> None:
    """Anybody can install from their own index, and gets the same bytes."""
    text = lock.read_text()
    assert "index-url" not in text
    assert "://" not in text
    for entry in re.split(r"\n(?=\S)", text.strip()):
        assert re.match(r"[A-Za-z0-9._-]+==\S+", entry), entry[:80]
        assert "--hash=sha256:" in entry, entry[:80]


def test_code_runs_on_the_oldest_python_we_promise() -> None:
    """Nothing in the code needs more than Python 3.11 (vermin reads syntax and standard library)."""
    vermin = Path(sys.executable).parent / "vermin"
    done = subprocess.run(
        [str(vermin), "--quiet", "--no-tips", "--violations", "--target=3.11-", *map(str, CODE)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_code_uses_nothing_that_the_newest_python_warns_of_or_removed(source: dict[str, Any]) -> None:
    """The code compiles without warnings, and ruff finds no syntax or call that the default runtime's Python lacks."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for file in [file for folder in CODE for file in folder.rglob("*.py")]:
            compile(file.read_text(), file, "exec")
    version = "py" + python_of(source).replace(".", "")
    done = subprocess.run(
        [
            *[str(Path(sys.executable).parent / "ruff"), "check", "--isolated", "--target-version", version],
            *["--select", "E9,F63,F7,F82,W605", *map(str, CODE)],
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    removed = re.compile(
        r"utcnow\(|utcfromtimestamp\(|get_event_loop\("
        r"|^\s*(?:import|from) (?:imp|distutils|asyncore|cgi|pipes|telnetlib)\b",
        re.MULTILINE,
    )
    found = [str(file) for folder in CODE for file in folder.rglob("*.py") if removed.search(file.read_text())]
    assert found == []
