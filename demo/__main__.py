"""Tell the story on the running stack: ``python -m demo .local/stack.json``."""

from __future__ import annotations

import shutil
import sys
import traceback
from pathlib import Path

from demo.hub_client import AnswerError, GaveUpError, HubApi, load_stack, new_hub
from demo.screen import say
from demo.story import Story


def main() -> int:
    """Return 0 if every act ended as it should."""
    path = Path(sys.argv[1] if len(sys.argv) > 1 else ".local/stack.json")
    folder = path.parent / "demo"
    shutil.rmtree(folder, ignore_errors=True)
    say("Making a hub for the story ...")
    stack = new_hub(load_stack(path), folder, "Harbour Alumni", "ada.admin@example.com")
    story = Story(HubApi.of(stack), stack, folder)
    try:
        return story.tell()
    except (AnswerError, GaveUpError) as exc:
        where = traceback.extract_tb(exc.__traceback__)[-1]
        say(f"\nThe story broke off: {exc} ({Path(where.filename).name}, line {where.lineno}).")
        say(f"The stack is still up; its logs are in {path.parent / 'ministack.log'} and in CloudWatch Logs there.")
        return 1


if __name__ == "__main__":
    raise SystemExit(main())
