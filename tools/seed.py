"""Make the first hub and its admin on the stack of this machine, once, and renew the admin's token every time."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import create_hub  # type: ignore[import-not-found]  # a script beside this one

HUB = "Harbour Federation"
ADMIN = "ada.admin@example.com"


def main() -> int:
    """Return 0 if hub id and token are in the stack file."""
    parser = argparse.ArgumentParser(prog="seed.py", description=__doc__)
    parser.add_argument("--state", required=True, help="stack file (.local/stack.json)")
    state = parser.parse_args().state
    return int(create_hub.main(["--stack", state, "--name", HUB, "--admin-email", ADMIN]))


if __name__ == "__main__":
    sys.exit(main())
