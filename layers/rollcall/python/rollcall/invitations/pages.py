"""The pages behind an invitation's link: plain HTML without scripts, or JSON where asked.

``templates/<language>.toml`` holds every text of a language, ``templates/page.html`` the form. A new language is one
new file here and one in ``mail/templates``.
"""

from __future__ import annotations

import base64
import hashlib
import json
import tomllib
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jinja2
from markupsafe import Markup

from rollcall.invitations.accept import Page, PageState
from rollcall.mail.messages import header_text, pick_language
from rollcall.runtime.times import from_text

_FOLDER = Path(__file__).parent / "templates"
_TEXT_LENGTH = 4000
# Contrast on white: text 14.7, button 6.7, its frame and the plain button's text 14.7 (WCAG 2.2 asks for 4.5).
_STYLE = (
    "body{margin:0;background:#fff;color:#1f2933;font:1.125rem/1.5 system-ui,sans-serif}"
    "main{max-width:36rem;margin:0 auto;padding:1.5rem 1rem;overflow-wrap:anywhere}"
    "img{max-width:100%;max-height:4rem}"
    "h1{font-size:1.5rem;line-height:1.25}"
    "form{margin:1rem 0}"
    "button{font:inherit;width:100%;min-height:3rem;padding:.5rem 1rem;border:2px solid #1f2933;border-radius:.375rem;"
    "background:#fff;color:#1f2933;cursor:pointer}"
    "button.yes{border-color:#1d4ed8;background:#1d4ed8;color:#fff;font-weight:bold}"
    "a{color:#1d4ed8}"
    "button:focus-visible,a:focus-visible{outline:3px solid #1f2933;outline-offset:3px}"
)
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_WITH_LANDING = frozenset({PageState.ACCEPTED, PageState.ALREADY})


def render(page: Page, token: str, *, accept: str = "", accept_language: str = "") -> dict[str, Any]:
    """Return the answer of API Gateway (payload 2.0) for a page.

    Parameters
    ----------
    token
        As in the path; only written into the page of an open invitation, which has proved it to be ours.
    accept, accept_language
        The headers of these names. Without an invitation to say it, the latter decides the language.
    """
    if "application/json" in accept.lower():
        return _as_json(page)
    landing_url = _landing_url(page)
    if page.state is PageState.ACCEPTED and landing_url:
        return _answer(303, "", {"location": landing_url, "content-security-policy": "default-src 'none'"})
    logo_url = _web_address(page.hub.logo_url, "https") if page.hub else ""
    html = _html(page, token, _language(page, accept_language), logo_url, landing_url)
    headers = {
        "content-type": "text/html; charset=utf-8",
        "content-security-policy": _policy(logo_url, landing_url),
    }
    return _answer(page.status, html, headers)


def _html(page: Page, token: str, language: str, logo_url: str, landing_url: str) -> str:
    texts = _texts(language)
    words = texts[page.state]
    hub = page.hub
    values = {"hub": header_text(hub.name) if hub else "", "day": _day(page, texts)}

    def fill(text: str) -> str:
        return _plain(text).render(values).strip()

    is_open = page.state is PageState.OPEN
    is_leaving = page.state is PageState.UNSUBSCRIBE
    own = hub.invitation_text.strip()[:_TEXT_LENGTH] if hub and is_open else ""
    return _layout().render(
        language=language,
        direction=texts["direction"],
        style=Markup(_STYLE),  # noqa: S704 - a constant
        hub=values["hub"],
        title=fill(words["title"]),
        body=[text for text in (own, *map(fill, words["body"])) if text],
        logo_url=logo_url,
        token=token,
        accept=fill(words["accept"]) if is_open else "",
        stop=fill(words["stop"]) if is_leaving else "",
        decline=fill(words["decline"]) if is_open else "",
        go=fill(words.get("go", "")),
        landing_url=landing_url if page.state in _WITH_LANDING else "",
    )


def _as_json(page: Page) -> dict[str, Any]:
    """Answer programs: what the page says, or problem details (RFC 9457) where it is an error."""
    texts = _texts("en")
    title = texts[page.state]["title"]
    if page.status >= HTTPStatus.BAD_REQUEST:
        hub = header_text(page.hub.name) if page.hub else ""
        problem = {
            "type": "about:blank",
            "title": _plain(title).render(hub=hub),
            "status": page.status,
            "code": f"invitation_{page.state}",
            "detail": " ".join(_plain(text).render(hub=hub) for text in texts[page.state]["body"]),
            "faults": [],
        }
        body = json.dumps(problem, ensure_ascii=False)
        return _answer(page.status, body, {"content-type": "application/problem+json"})
    said: dict[str, Any] = {"state": str(page.state), "hub": page.hub.name if page.hub else ""}
    if page.state is PageState.OPEN and page.invitation and page.hub:
        said |= {"invitation_text": page.hub.invitation_text, "expires_at": page.invitation.expires_at or None}
    if page.state in _WITH_LANDING:
        said["landing_url"] = _landing_url(page) or None
    return _answer(page.status, json.dumps(said, ensure_ascii=False), {"content-type": "application/json"})


def _answer(status: int, body: str, headers: dict[str, str]) -> dict[str, Any]:
    always = {
        "cache-control": "no-store",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
    }
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        always["retry-after"] = "30"
    return {"statusCode": status, "headers": {**always, **headers}, "body": body}


def _policy(logo_url: str, landing_url: str) -> str:
    """Return the content security policy.

    Browsers hold ``form-action`` against every redirect that follows a form, and a landing page may send the new
    member on to a login elsewhere: with a landing page, forms may end at any https address.
    """
    forms = "'self'"
    if landing_url:
        forms += " https:" if landing_url.startswith("https:") else f" https: {_origin(landing_url)}"
    rules = [
        "default-src 'none'",
        f"style-src 'sha256-{_STYLE_HASH}'",
        f"form-action {forms}",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ]
    if logo_url:
        rules.append(f"img-src {_origin(logo_url)}")
    return "; ".join(rules)


def _language(page: Page, accept_language: str) -> str:
    preferred = accept_language.partition(",")[0].partition(";")[0].strip()
    wanted = page.invitation.language if page.invitation else preferred
    found = pick_language(wanted or "en", page.hub.locale if page.hub else "en")
    return found if (_FOLDER / f"{found}.toml").exists() else "en"


def _landing_url(page: Page) -> str:
    return _web_address(page.hub.landing_url, "https", "http") if page.hub else ""


def _web_address(text: str, *schemes: str) -> str:
    """Return the text if it is an address of one of the schemes that may stand in a header, else nothing."""
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018 - raises for a port that is none
    except ValueError:
        return ""
    is_plain = text.isascii() and text.isprintable() and not set(text) & set(" ;,\"'<>")
    host = parts.hostname or ""
    return text if is_plain and parts.scheme in schemes and host and "@" not in parts.netloc else ""


def _origin(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"


def _day(page: Page, texts: dict[str, Any]) -> str:
    if not page.invitation or not page.invitation.expires_at:
        return ""
    day = from_text(page.invitation.expires_at)
    return str(texts["date"]).format(day=day.day, month=texts["months"][day.month - 1], year=day.year)


@cache
def _texts(language: str) -> dict[str, Any]:
    return tomllib.loads((_FOLDER / f"{language}.toml").read_text(encoding="utf-8"))


@cache
def _plain(text: str) -> jinja2.Template:
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined)  # noqa: S701 - plain text, escaped by the page
    return environment.from_string(text)


@cache
def _layout() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html")
