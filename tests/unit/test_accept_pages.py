"""The pages behind an invitation's link."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import json
import logging
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rollcall.hubs.model import Hub
from rollcall.invitations import pages
from rollcall.invitations.accept import Page, PageState
from rollcall.invitations.model import Invitation, InvitationStatus
from rollcall.mail import messages
from rollcall.runtime.errors import TransientError

if TYPE_CHECKING:
    from types import ModuleType

TOKEN = "c29tZS10b2tlbg"
HUB = Hub(
    hub_id="0" * 26,
    name="Harbour <Alumni>",
    salt="",
    landing_url="https://hub.example.com/start",
    logo_url="https://cdn.example.com/logo.png",
    invitation_text="Meet your mentor.\nEvery month.",
)
INVITATION = Invitation("a" * 32, 1, InvitationStatus.SENT, "maya@example.com", expires_at="2026-10-19T08:00:00.000Z")
APP = Path(__file__).parents[2] / "functions" / "accept_invitation" / "app.py"


def _page(state: PageState, *, hub: Hub = HUB, language: str = "en") -> Page:
    if state in {PageState.VOID, PageState.BUSY}:
        return Page(state)
    fine = {PageState.OPEN, PageState.ACCEPTED, PageState.ALREADY, PageState.UNSUBSCRIBE, PageState.UNSUBSCRIBED}
    gone = state not in fine
    return Page(state, hub, replace(INVITATION, language=language), is_gone=gone)


class _Outline(HTMLParser):
    """What a screen reader would go by."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def _outline(html: str) -> _Outline:
    outline = _Outline()
    outline.feed(html)
    return outline


@pytest.mark.parametrize("language", ["en", "fr", "ar"])
@pytest.mark.parametrize("state", list(PageState))
def test_every_state_and_language_has_an_accessible_page(state: PageState, language: str) -> None:
    """Each page names its language and direction, has one main part and one heading, a title, and no script."""
    page = _page(state, hub=replace(HUB, landing_url=""), language=language)
    answer = pages.render(page, TOKEN, accept_language=language)
    outline = _outline(answer["body"])
    assert outline.all("html") == [{"lang": language, "dir": "rtl" if language == "ar" else "ltr"}]
    assert (len(outline.all("main")), len(outline.all("h1")), len(outline.all("title"))) == (1, 1, 1)
    assert all("alt" in image for image in outline.all("img"))
    assert outline.all("script") == []
    assert "{{" not in answer["body"]
    assert answer["statusCode"] == page.status


def test_texts_there_are_for_every_language_of_the_mails() -> None:
    """Whoever got the mail in a language finds the page in it, with every state."""
    folder = Path(pages.__file__).parent / "templates"
    assert {file.stem for file in folder.glob("*.toml")} == set(messages.languages())
    for language in messages.languages():
        assert set(PageState) <= set(pages._texts(language))


def test_open_invitation_has_one_form_for_each_answer() -> None:
    """Accepting and declining are one button each, posted below the link itself; nothing happens by a GET."""
    outline = _outline(pages.render(_page(PageState.OPEN), TOKEN)["body"])
    assert [(form["method"], form["action"]) for form in outline.all("form")] == [
        ("post", f"{TOKEN}/accept"),
        ("post", f"{TOKEN}/decline"),
    ]
    assert len(outline.all("button")) == 2
    assert outline.all("a") == []


def test_open_invitation_says_who_invites_to_what_until_when() -> None:
    """The page shows hub, the hub's own text and the last day."""
    body = pages.render(_page(PageState.OPEN), TOKEN)["body"]
    assert "Harbour &lt;Alumni&gt; invites you" in body
    assert "Meet your mentor.<br>Every month." in body
    assert "19 October 2026" in body


def test_names_and_texts_with_markup_are_shown_as_text() -> None:
    """A hub's name or text cannot bring markup into the page."""
    hub = replace(HUB, name="<script>alert(1)</script>", invitation_text="<img src=x onerror=alert(1)>")
    body = pages.render(_page(PageState.OPEN, hub=hub), TOKEN)["body"]
    assert "<script" not in body
    assert "<img src=x" not in body


WITH_FORM = (PageState.OPEN, PageState.UNSUBSCRIBE)


@pytest.mark.parametrize("state", [state for state in PageState if state not in WITH_FORM])
def test_only_an_open_invitation_has_a_form(state: PageState) -> None:
    """No other page offers an answer, or holds the token."""
    hub = replace(HUB, landing_url="")
    body = pages.render(_page(state, hub=hub), TOKEN)["body"]
    assert "<form" not in body
    assert TOKEN not in body


def test_page_against_reminders_posts_to_itself() -> None:
    """One button, posted to the address that the page has and the mail's header names."""
    outline = _outline(pages.render(_page(PageState.UNSUBSCRIBE), TOKEN)["body"])
    assert [(form["method"], form["action"]) for form in outline.all("form")] == [("post", "unsubscribe")]


def test_accepting_leads_to_the_landing_page() -> None:
    """After the button the browser goes on to the hub's own page by GET."""
    answer = pages.render(_page(PageState.ACCEPTED), TOKEN)
    assert (answer["statusCode"], answer["headers"]["location"]) == (303, "https://hub.example.com/start")


@pytest.mark.parametrize(
    "address", ["javascript:alert(1)", "https://evil.example.com\r\nset-cookie: a=b", "//x", "ftp://x"]
)
def test_landing_page_that_is_no_web_address_is_not_followed(address: str) -> None:
    """A setting that slipped through cannot make a script or a header."""
    answer = pages.render(_page(PageState.ACCEPTED, hub=replace(HUB, landing_url=address)), TOKEN)
    assert answer["statusCode"] == 200
    assert "location" not in answer["headers"]
    assert "<a " not in answer["body"]


def test_logo_over_http_is_left_out() -> None:
    """Only https logos are shown."""
    body = pages.render(_page(PageState.OPEN, hub=replace(HUB, logo_url="http://cdn.example.com/l.png")), TOKEN)["body"]
    assert "<img" not in body


@pytest.mark.parametrize("state", list(PageState))
@pytest.mark.parametrize("accept", ["text/html", "application/json"])
def test_every_answer_keeps_the_link_secret(state: PageState, accept: str) -> None:
    """No answer is cached, sends a referrer or may be framed or sniffed."""
    headers = pages.render(_page(state), TOKEN, accept=accept)["headers"]
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    if "json" not in headers.get("content-type", ""):
        assert headers["content-security-policy"].startswith("default-src 'none'")


def test_policy_allows_exactly_the_style_of_the_page() -> None:
    """The hash in the policy is that of the style in the page, else browsers would show it bare."""
    answer = pages.render(_page(PageState.OPEN), TOKEN)
    found = re.search(r"<style>(.*?)</style>", answer["body"], re.DOTALL)
    assert found is not None
    wanted = base64.b64encode(hashlib.sha256(found[1].encode()).digest()).decode()
    policy = answer["headers"]["content-security-policy"]
    assert f"style-src 'sha256-{wanted}'" in policy
    assert "img-src https://cdn.example.com" in policy
    assert "style=" not in answer["body"]


def test_colours_have_enough_contrast() -> None:
    """Texts and buttons reach 4.5 to 1 (WCAG 2.2, 1.4.3)."""

    def luminance(colour: str) -> float:
        parts = [int(colour[n : n + 2], 16) / 255 for n in (0, 2, 4)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    assert set(re.findall(r"#[0-9a-f]{3,6}", pages._STYLE)) == {"#fff", "#1f2933", "#1d4ed8"}
    for dark in ("1f2933", "1d4ed8"):
        assert (luminance("ffffff") + 0.05) / (luminance(dark) + 0.05) >= 4.5


@pytest.mark.parametrize("state", list(PageState))
def test_json_says_the_state_or_the_problem(state: PageState) -> None:
    """Programs get the state, or problem details with a stable code."""
    answer = pages.render(_page(state), TOKEN, accept="application/json")
    said = json.loads(answer["body"])
    if answer["statusCode"] < 400:
        assert said["state"] == state
    else:
        assert (said["code"], said["status"]) == (f"invitation_{state}", answer["statusCode"])
        assert said["detail"]
    assert "maya@example.com" not in answer["body"]


def test_unknown_link_speaks_the_language_of_the_browser() -> None:
    """Without an invitation the browser's first language decides, and English where we have none."""
    assert 'lang="fr"' in pages.render(Page(PageState.VOID), TOKEN, accept_language="fr-CA,en;q=0.5")["body"]
    assert 'lang="en"' in pages.render(Page(PageState.VOID), TOKEN, accept_language="tlh")["body"]


def _app() -> ModuleType:
    spec = importlib.util.spec_from_file_location("accept_invitation_app", APP)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Load the function, with settings."""
    for name in ("HUBS", "INVITATIONS", "PEOPLE", "MEMBERS"):
        monkeypatch.setenv(f"{name}_TABLE", "x")
    monkeypatch.setenv("FILES_BUCKET", "x")
    monkeypatch.setenv("STACK_SECRET_ARN", "x")
    return _app()


def _request(route: str) -> dict[str, Any]:
    return {"routeKey": route, "pathParameters": {"token": TOKEN}, "headers": {"accept": "text/html"}, "body": "a=b"}


@pytest.mark.parametrize(
    ("route", "status"),
    [
        ("GET /invitations/{token}", 404),
        ("POST /invitations/{token}/accept", 404),
        ("POST /invitations/{token}/decline", 404),
        ("GET /invitations/{token}/unsubscribe", 404),
        ("POST /invitations/{token}/unsubscribe", 404),
    ],
)
def test_link_that_is_none_of_ours_is_404_on_every_route(app: ModuleType, route: str, status: int) -> None:
    """A token without our form is answered without asking AWS."""
    assert app.handler(_request(route), None)["statusCode"] == status


def test_passing_trouble_is_503_and_the_token_stays_out_of_the_log(
    app: ModuleType, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """When AWS fails, the page asks to try again, and nothing that was logged opens the link."""

    def fail(_token: str) -> Page:
        raise TransientError

    monkeypatch.setitem(app._ROUTES, "GET /invitations/{token}", fail)
    with caplog.at_level(logging.DEBUG):
        answer = app.handler(_request("GET /invitations/{token}"), None)
    assert answer["statusCode"] == 503
    assert "retry-after" in answer["headers"]
    logged = str([record.__dict__ for record in caplog.records])
    assert "invitation_page_failed" in logged
    assert TOKEN not in logged
