"""What each function of the last build brings with it, and how long importing it takes; the slowest first.

Usage: ``sizes.py`` after ``make up``. Times are CPU milliseconds in a new interpreter that sees nothing but the build,
as in Lambda: the median of five. Settings get invented values; nothing is called.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
BUILD = (ROOT / os.environ.get("ROLLCALL_STATE_DIR", ".local")).resolve() / "build"
LAYERS = ("DependenciesLayer", "RollcallLayer")
ROUNDS = 5
LARGEST = 8
MIB = 1024 * 1024
_IMPORT = """
import json, os, sys, time
places, names = json.loads(sys.argv[1])
sys.path[:0] = places
os.environ.update(dict.fromkeys(names, "x"))
began = time.process_time()
import app
took = time.process_time() - began
print(json.dumps([took * 1000, len(sys.modules)]))
"""


@dataclass(frozen=True)
class Measured:
    """One function: bytes of its own code, CPU milliseconds to import it, modules it imports."""

    name: str
    size: int
    milliseconds: float
    modules: int


def main() -> int:
    """Print layers and functions; 0 if there is a build."""
    functions = sorted(folder.name for folder in BUILD.glob("*") if (folder / "app.py").is_file())
    if not functions:
        print("Nothing is built: run `make up` first.")
        return 1
    for layer in LAYERS:
        size = size_of(BUILD / layer)
        print(f"{layer:20} {size / MIB:8.1f} MB, {size_of(BUILD / layer, '.pyc') / MIB:.1f} MB of it byte code")
    packages = sorted(((size_of(one), one.name) for one in (BUILD / LAYERS[0] / "python").iterdir()), reverse=True)
    print("largest packages:", ", ".join(f"{name} {size / MIB:.1f} MB" for size, name in packages[:LARGEST]))
    print(f"\n{'function':20} {'code':>8} {'import':>10} {'modules':>8}")
    for found in sorted(map(measure, functions), key=lambda one: -one.milliseconds):
        print(f"{found.name:20} {found.size / 1024:5.1f} kB {found.milliseconds:7.0f} ms {found.modules:8}")
    return 0


def size_of(folder: Path, ending: str = "") -> int:
    """Return the bytes of all files below a folder whose names end so."""
    return sum(file.stat().st_size for file in folder.rglob(f"*{ending}") if file.is_file())


def measure(name: str) -> Measured:
    """Import one function some times, each in a new interpreter."""
    places = [str(BUILD / name), *(str(BUILD / layer / "python") for layer in LAYERS)]
    given = json.dumps([places, settings_of(name)])
    command = [sys.executable, "-I", "-B", "-c", _IMPORT, given]
    answers = [json.loads(subprocess.check_output(command, env={"LANG": "C.UTF-8"})) for _ in range(ROUNDS)]
    took = statistics.median(answer[0] for answer in answers)
    return Measured(name, size_of(BUILD / name), took, answers[0][1])


def settings_of(name: str) -> list[str]:
    """Return the names of the settings of a function, as the built template has them."""
    template = yaml.safe_load((BUILD / "template.yaml").read_text())
    own = template["Resources"][name]["Properties"].get("Environment", {}).get("Variables", {})
    shared = template["Globals"]["Function"].get("Environment", {}).get("Variables", {})
    return sorted({*own, *shared})


if __name__ == "__main__":
    sys.exit(main())
