"""Renew the lock files: hashes of every wheel, no index addresses, each for every Python from 3.11, every machine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UV = ROOT / ".local" / "venvs" / "lock" / "bin" / "uv"
OPTIONS = [
    "--universal",
    "--python-version",
    "3.11",
    "--generate-hashes",
    "--no-emit-index-url",
    "--no-header",
    "--no-annotate",
]


def main() -> int:
    """Compile every ``.in`` file, the layer's first since the others hold it; 0 if all went well."""
    for source in [ROOT / "layers" / "dependencies" / "requirements.in", *sorted((ROOT / "requirements").glob("*.in"))]:
        target = source.with_suffix(".txt")
        print(f"{target.relative_to(ROOT)} ...", flush=True)
        command = [
            str(UV),
            "pip",
            "compile",
            "--quiet",
            "--upgrade",
            *OPTIONS,
            str(source),
            "--output-file",
            str(target),
        ]
        if subprocess.run(command, cwd=ROOT, check=False).returncode != 0:
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
