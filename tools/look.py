"""Open pages in headless Chromium, photograph them, and let axe-core judge them. Runs in the environment ``browser``.

Usage: ``look.py <folder>`` with a list of ``{"name", "url", "width", "rules", "press", "image"?}`` as JSON on stdin.
``rules`` are tags of axe (WCAG levels); ``press`` is the CSS selector of a button to press before looking, or empty;
``image`` is an address that is answered with a picture of 640 by 160, as there is no network. Prints a list of
``{"name", "status", "url", "violations", "too_wide", "errors", "title", "images"}`` as JSON, with width and height of
each image as it is shown (0 by 0 if it did not come); each picture is ``<folder>/<name>.png``.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


IMAGE = """<svg xmlns="http://www.w3.org/2000/svg" width="640" height="160"><rect width="640" height="160" rx="24"
fill="#1f4e79"/><circle cx="80" cy="80" r="48" fill="#fff"/></svg>"""
SHOWN = "[...document.images].map(one => one.naturalWidth ? [one.width, one.height] : [0, 0])"


def main() -> int:
    """Look at every page; 1 if there is no browser."""
    from axe_playwright_python.sync_playwright import Axe
    from playwright.sync_api import sync_playwright

    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        print("Chromium is missing: install it (Debian: apt-get install chromium).", file=sys.stderr)
        return 1
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    seen = []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found, args=FLAGS)
        for wanted in json.load(sys.stdin):
            # axe is a script of ours; the page's own policy is held against everything else.
            context = browser.new_context(viewport={"width": wanted["width"], "height": 720})
            seen.append(_look(context.new_page(), wanted, folder, Axe()))
            context.close()
        browser.close()
    print(json.dumps(seen))
    return 0


def _look(page: Any, wanted: dict[str, Any], folder: Path, axe: Any) -> dict[str, Any]:  # noqa: ANN401 - playwright's own
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    if wanted.get("image"):
        page.route(wanted["image"], lambda route: route.fulfill(body=IMAGE, content_type="image/svg+xml"))
    answer = page.goto(wanted["url"])
    if wanted["press"]:
        with page.expect_navigation() as pressed:
            page.click(wanted["press"])
        answer = pressed.value
    page.screenshot(path=folder / f"{wanted['name']}.png", full_page=True)
    options = {"runOnly": {"type": "tag", "values": wanted["rules"]}}
    found = axe.run(page, options=options).response["violations"]
    return {
        "name": wanted["name"],
        "status": answer.status,
        "url": page.url,
        "title": page.title(),
        "too_wide": page.evaluate("document.documentElement.scrollWidth > window.innerWidth"),
        "violations": [
            f"{one['id']}: {one['help']} ({'; '.join(node['html'][:120] for node in one['nodes'])})" for one in found
        ],
        "errors": errors,
        "images": page.evaluate(SHOWN),
    }


if __name__ == "__main__":
    sys.exit(main())
