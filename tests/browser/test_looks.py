"""Pages and mails in a real browser: as people see them, judged by axe-core, in every language and at two widths.

The pictures stay in ``.local/screenshots`` for whoever wants to look.
"""

from __future__ import annotations

import json
import subprocess
import threading
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rollcall.hubs.model import Hub
from rollcall.invitations import pages
from rollcall.invitations.accept import Page, PageState
from rollcall.invitations.model import Invitation, InvitationStatus
from rollcall.mail import messages
from rollcall.mail.messages import Look
from tests.integration.conftest import aws
from tests.integration.test_invitation_mail import app
from tests.support.outbox import Outbox, one_invitation
from tests.unit.test_mail_messages import PARAMS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

__all__ = ["app", "aws"]

pytestmark = pytest.mark.long
ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".local" / "venvs" / "browser" / "bin" / "python"
PICTURES = ROOT / ".local" / "screenshots"
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
WIDTHS = {"phone": 360, "desk": 1024}
NAMES = {"en": "Harbour Alumni", "fr": "Anciens élèves du Port", "ar": "خريجو المرفأ"}
TEXTS = {
    "en": "Meet a mentor who has been where you are.\nOnce a month, for half a year.",
    "fr": "Rencontrez un mentor qui est passé par là.\nUne fois par mois, pendant six mois.",
    "ar": "تعرّف على مرشد مرّ بما تمر به.\nمرة في الشهر، لمدة ستة أشهر.",
}
LOGO = "https://images.example.com/logo.svg"
Answer = dict[str, Any]


@contextmanager
def served(answer: Callable[[str, str], Answer]) -> Iterator[str]:
    """Serve what ``answer`` gives for method and path, headers and all, as the gateway would; yield the address."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            given = answer(self.command, self.path)
            self.send_response(given["statusCode"])
            for name, value in given["headers"].items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(given["body"].encode())

        do_GET = do_POST = _answer  # noqa: N815 - http.server names them

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def look_at(wanted: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Open pages in the browser; see tools/look.py."""
    assert PYTHON.exists(), "What drives the browser is missing: run python3 tools/setup.py browser."
    command = [PYTHON, ROOT / "tools" / "look.py", PICTURES]
    done = subprocess.run(command, input=json.dumps(wanted), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    seen: list[dict[str, Any]] = json.loads(done.stdout)
    return seen


def _wanted(name: str, url: str, width: int, *rules: str) -> dict[str, Any]:
    return {"name": name, "url": url, "width": width, "rules": [*WCAG, *rules], "press": ""}


def _check(seen: list[dict[str, Any]]) -> None:
    faults = {
        one["name"]: (one["violations"], one["too_wide"])
        for one in seen
        if one["violations"] or one["too_wide"] or not one["title"]
    }
    assert faults == {}


def _hub(language: str) -> Hub:
    return Hub("0" * 26, NAMES[language], salt="", locale=language, invitation_text=TEXTS[language])


def _page(language: str, state: str, logo_url: str = "") -> Answer:
    landing_url = "https://hub.example.com/start" if state == "already" else ""
    hub = replace(_hub(language), landing_url=landing_url, logo_url=logo_url)
    invitation = Invitation(
        "a" * 32, 1, InvitationStatus.SENT, "maya@example.com", language=language, expires_at="2026-12-12T08:00:00.000Z"
    )
    page = Page(PageState(state), *(() if state in ("void", "busy") else (hub, invitation)))
    return pages.render(page, "c29tZS10b2tlbg", accept_language=language)


def _mail(language: str, kind: str, logo_url: str = "") -> Answer:
    found = next(one for one in PARAMS if one == kind)
    first_name = {"ar": "مايا"}.get(language, "Maya")
    params = {**PARAMS[found], **({"first_name": first_name} if "first_name" in PARAMS[found] else {})}
    look = Look(NAMES[language], invitation_text=TEXTS[language], logo_url=logo_url)
    message = messages.render(found, language, params, look, "https://hub.example.com/invitations/" + "abc-DEF_" * 12)
    return {"statusCode": 200, "headers": {"content-type": "text/html; charset=utf-8"}, "body": message.html}


def test_every_page_in_every_language_passes_axe(figure: Callable[[str], None]) -> None:
    """No violation, nothing to scroll sideways on a phone, nothing that the page's own policy had to stop."""

    def answer(_: str, path: str) -> Answer:
        language, state = path.strip("/").split("/") if path.count("/") == 2 else ("en", "void")
        return _page(language, state)

    with served(answer) as address:
        wanted = [
            _wanted(f"page-{state}-{language}-{device}", f"{address}/{language}/{state}", width, "best-practice")
            for language in messages.languages()
            for state in PageState
            for device, width in WIDTHS.items()
        ]
        seen = look_at(wanted)
    _check(seen)
    assert not [one["name"] for one in seen if any("Content Security Policy" in text for text in one["errors"])]
    figure(f"axe: {len(seen)} looks at pages in {len(messages.languages())} languages, 0 violations")


def test_every_mail_in_every_language_passes_axe(figure: Callable[[str], None]) -> None:
    """The HTML part holds on a phone and a desk, and has no violation of WCAG 2.2 AA."""

    def answer(_: str, path: str) -> Answer:
        language, kind = path.strip("/").split("/") if path.count("/") == 2 else ("en", "invitation")
        return _mail(language, kind)

    with served(answer) as address:
        wanted = [
            _wanted(f"mail-{kind}-{language}-{device}", f"{address}/{language}/{kind}", width)
            for language in messages.languages()
            for kind in PARAMS
            for device, width in WIDTHS.items()
        ]
        seen = look_at(wanted)
    _check(seen)
    figure(f"axe: {len(seen)} looks at mails in {len(messages.languages())} languages, 0 violations")


def test_the_logo_of_a_hub_is_seen_in_its_measure_on_pages_and_in_mails() -> None:
    """The page's own policy lets it through; it is as high as a line or two, in full, and the rest is as without it."""

    def answer(_: str, path: str) -> Answer:
        what, language = path.strip("/").split("/") if path.count("/") == 2 else ("page", "en")
        return _page(language, "open", LOGO) if what == "page" else _mail(language, "invitation", LOGO)

    with served(answer) as address:
        wanted = [
            _wanted(f"logo-{what}-{language}-{device}", f"{address}/{what}/{language}", width) | {"image": LOGO}
            for language in messages.languages()
            for what in ("page", "mail")
            for device, width in WIDTHS.items()
        ]
        seen = look_at(wanted)
    _check(seen)
    assert not [one["name"] for one in seen if one["errors"]]
    shown = {one["name"].split("-")[1]: one["images"] for one in seen}
    assert shown == {"page": [[256, 64]], "mail": [[160, 40]]}
    assert all(one["images"] == shown[one["name"].split("-")[1]] for one in seen)


@pytest.mark.parametrize(
    ("path", "button", "status"),
    [
        ("", "form[action$='/accept'] button", InvitationStatus.ACCEPTED),
        ("", "form[action$='/decline'] button", InvitationStatus.DECLINED),
        ("/unsubscribe", "button", InvitationStatus.QUEUED),
    ],
)
def test_button_in_a_real_browser_does_what_it_says(
    aws: None, app: ModuleType, path: str, button: str, status: InvitationStatus
) -> None:
    """Opening does nothing, pressing does: forms, paths and the page's policy fit together."""
    outbox: Outbox = one_invitation()

    def answer(method: str, asked: str) -> Answer:
        _, first, token, *verb = asked.split("/") if asked.startswith("/invitations/") else ("", "invitations", "x")
        route = f"{method} /{first}/" + "/".join(["{token}", *verb])
        event = {"routeKey": route, "pathParameters": {"token": token}, "headers": {"accept": "text/html"}}
        given: Answer = app.handler(event, None)
        return given

    with served(answer) as address:
        url = f"{address}/invitations/{outbox.token}{path}"
        wanted = _wanted("opened", url, WIDTHS["phone"])
        (opened,) = look_at([wanted])
        assert (opened["status"], outbox.invitation.status) == (200, InvitationStatus.QUEUED)
        assert outbox.invitation.unsubscribed_at == ""
        (pressed,) = look_at([{**wanted, "name": f"pressed-{status}", "press": button}])
    assert (pressed["status"], outbox.invitation.status) == (200, status)
    assert bool(outbox.invitation.unsubscribed_at) is (path == "/unsubscribe")
    _check([opened, pressed])
