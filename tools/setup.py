"""Make the virtual environments that the make targets need, from lock files; what is up to date is left alone.

Usage: ``setup.py [dev] [ministack] [sam] [checkov] [browser] [lambda] [lock]``; without names, the first four. The
tools pin boto3 and much else, so each has an environment of its own. Needs nothing but Python 3.11 or later.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OLDEST = (3, 11)
TOOLS = ("ministack", "sam", "checkov", "browser", "lambda", "lock")
PLACES = {name: ROOT / ".local" / "venvs" / name for name in TOOLS} | {"dev": ROOT / ".venv"}
WHAT = {
    "dev": "the code's libraries and its tests",
    "ministack": "MiniStack, the local AWS",
    "sam": "the SAM CLI",
    "checkov": "checkov",
    "browser": "what drives a browser",
    "lambda": "Lambda's runtime interface client",
    "lock": "uv, which writes lock files",
}


def main(names: list[str]) -> int:
    """Bring the named environments up to date; 0 if all are."""
    if sys.version_info < OLDEST:
        print(f"Python {sys.version_info.major}.{sys.version_info.minor} is too old: Rollcall needs 3.11 or later.")
        return 1
    for name in names or ["dev", "ministack", "sam", "checkov"]:
        if name not in PLACES:
            print(f"There is no environment {name}: the names are {', '.join(sorted(PLACES))}.")
            return 2
        if not make(name):
            return 1
    return 0


def make(name: str) -> bool:
    """Install one environment unless its stamp says it is up to date."""
    place, lock = PLACES[name], ROOT / "requirements" / f"{name}.txt"
    digest = hashlib.sha256(sys.version.encode() + str(ROOT).encode() + lock.read_bytes())
    if name == "dev":
        digest.update((ROOT / "pyproject.toml").read_bytes())
    stamp, wanted = place / "up-to-date", digest.hexdigest()
    if stamp.is_file() and stamp.read_text() == wanted:
        return True
    started = time.monotonic()
    print(f"Installing {WHAT[name]} ...", flush=True)
    python = place / "bin" / "python"
    pip = [
        str(python),
        "-m",
        "pip",
        "--quiet",
        "--disable-pip-version-check",
        "--no-input",
        "install",
        "--no-compile",
        "--no-deps",
    ]
    steps = [] if python.exists() else [[sys.executable, "-m", "venv", str(place)]]
    steps.append([*pip, "--require-hashes", "--requirement", str(lock)])
    if name == "dev":
        steps.append([*pip, "--no-build-isolation", "--editable", str(ROOT)])
    clean = {key: value for key, value in os.environ.items() if key not in {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"}}
    for step in steps:
        done = subprocess.run(step, capture_output=True, text=True, check=False, env=clean)
        if done.returncode != 0:
            print("\n".join((done.stdout + done.stderr).splitlines()[-15:]))
            print(f"\nInstalling {WHAT[name]} failed: the lines above say why.")
            return False
    stamp.write_text(wanted)
    print(f"  done in {time.monotonic() - started:.0f} s", flush=True)
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
