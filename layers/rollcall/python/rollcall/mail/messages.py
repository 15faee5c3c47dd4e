"""What a mail says: subject, plain text and HTML, in the recipient's language.

``templates/<language>.toml`` holds every text of a language; ``layout.html`` and ``layout.txt`` hold the form. A new
language is one new file. Values are escaped in HTML and stripped of everything that could break out of a header or a
line (reliability I27).
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from dataclasses import dataclass
from datetime import date
from email.header import Header
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
from email_validator import EmailNotValidError, validate_email

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rollcall.mail.model import Kind

_FOLDER = Path(__file__).parent / "templates"
_DEFAULT_LANGUAGE = "en"
_NAME_LENGTH = 80
_SUBJECT_LENGTH = 150
_TEXT_LENGTH = 4000
# Marks, embeddings, overrides and isolates of the bidirectional algorithm (UAX #9), and the two separators.
_BIDI = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_UNSAFE = re.compile(f"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff{_BIDI}]+")
_UNSAFE_LINES = re.compile(f"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff{_BIDI}]+")


class UnsafeAddressError(ValueError):
    """The text is not exactly one e-mail address that SES can send to."""

    def __init__(self) -> None:
        super().__init__("this is not exactly one e-mail address")


@dataclass(frozen=True, slots=True)
class Look:
    """What a hub's mails look like: its name, logo (an https address, or nothing) and invitation text."""

    hub: str
    logo_url: str = ""
    invitation_text: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """A rendered mail; ``subject`` is safe in a header."""

    subject: str
    text: str
    html: str


def header_text(text: str, limit: int = _NAME_LENGTH) -> str:
    """Return text that is safe in a header and on one line.

    Controls (C0, C1), line and paragraph separators, bidirectional controls and lone surrogates go, white space
    becomes single spaces, and more than ``limit`` characters are cut.
    """
    valid = text.encode("utf-8", "ignore").decode()
    line = " ".join(unicodedata.normalize("NFC", _UNSAFE.sub(" ", valid)).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def one_address(text: str) -> str:
    """Return the one address that the text is, in the form SES takes: ASCII, the domain in its xn-- form.

    Raises
    ------
    UnsafeAddressError
        If it is not exactly one address, or its local part is not ASCII, which SES cannot send to.
    """
    try:
        found = validate_email(text, check_deliverability=False, allow_smtputf8=False, strict=True).ascii_email
    except (EmailNotValidError, ValueError, TypeError):
        raise UnsafeAddressError from None
    if found is None:
        raise UnsafeAddressError
    return found


def named_address(name: str, address: str) -> str:
    """Return ``"Name" <address>`` for a From header; a name that is not ASCII becomes RFC 2047 encoded words.

    SES wants the encoding done by the caller (SendEmail, ``FromEmailAddress``).
    """
    bare, safe = one_address(address), header_text(name)
    if not safe:
        return bare
    if safe.isascii():
        quoted = safe.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{quoted}" <{bare}>'
    return f"{Header(safe, 'utf-8', maxlinelen=75).encode(linesep='')} <{bare}>"


def languages() -> tuple[str, ...]:
    """Return the languages there is a file for, as language tags."""
    return tuple(sorted(file.stem for file in _FOLDER.glob("*.toml")))


def pick_language(wanted: str, fallback: str = _DEFAULT_LANGUAGE) -> str:
    """Return the language to write in: the wanted tag (``fr-CA``), its base (``fr``), the hub's, else English."""
    known = languages()
    for tag in (wanted, fallback):
        base = tag.replace("_", "-").split("-")[0].lower()
        if base in known:
            return base
    return _DEFAULT_LANGUAGE


def render(kind: Kind, language: str, params: Mapping[str, Any], look: Look, link: str = "") -> Message:
    """Return the mail in a language; texts that the language lacks are English.

    Parameters
    ----------
    kind, language, look
        What for, in which language (``pick_language``), in whose name.
    params
        By kind, all optional unless said:
        ``invitation``, ``reminder``: ``first_name``, ``expires_on`` (``YYYY-MM-DD``, required).
        ``export``: ``file`` (file name, required), ``rows`` (number, required), ``purpose`` (kind of export),
        ``attached``, ``values`` (where the allowed values lie), ``days`` (how long the link works).
        ``plan_report``: ``what`` (what it is, in words, required), ``state`` (of the plan, required), ``counts`` (list
        of ``[name, number]``), ``problem``, ``attached``, ``needed`` (how many need somebody), ``outcome`` (``all``,
        ``some`` or ``none``), ``unread`` (columns that nobody reads).
        ``held_removals``: nothing.
        ``notice``: ``title``, ``text`` (both required).
    link
        Where the button leads; no button without it.

    Raises
    ------
    jinja2.UndefinedError
        If a required parameter is missing: a bug of the caller.
    """
    own = _texts(language)
    texts = own if str(kind) in own else _texts(_DEFAULT_LANGUAGE)
    words = texts[str(kind)]
    given = {**_DEFAULTS.get(str(kind), {}), **params, "hub": look.hub, "link": link}
    values = {name: _clean(value) for name, value in given.items()}
    if "text" in values:
        values["text"] = _lines(str(given["text"]))

    def fill(template: str) -> str:
        return _plain(template, texts["date"], tuple(texts["months"])).render(values).strip()

    body = [fill(text) for text in words["body"]]
    invitation_text = _lines(look.invitation_text) if str(kind) == "invitation" else ""
    first_name = values.get("first_name")
    frame = {
        "language": language if texts is own else _DEFAULT_LANGUAGE,
        "direction": texts["direction"],
        "hub": values["hub"],
        "logo_url": look.logo_url if look.logo_url.startswith("https://") else "",
        "subject": header_text(fill(words["subject"]), _SUBJECT_LENGTH),
        "greeting": fill(texts["hello"]) if first_name else fill(texts["hello_nobody"]),
        "body": [text for text in [invitation_text, *body] if text],
        "link": link,
        "button": fill(words["button"]),
        "after": [text for text in map(fill, words["after"]) if text],
        "link_hint": texts["link_hint"],
        "footer": fill(words["footer"]),
        "stop": fill(words.get("stop", "")) if link else "",
    }
    html = _layouts(escape=True).get_template("layout.html").render(frame)
    text = _layouts(escape=False).get_template("layout.txt").render(frame)
    return Message(subject=str(frame["subject"]), text=text, html=html)


_DEFAULTS: dict[str, dict[str, Any]] = {
    "export": {"purpose": "", "attached": False, "values": "", "days": 7},
    "plan_report": {"counts": [], "problem": "", "attached": False, "needed": 0, "outcome": "all", "unread": []},
}


def _clean(value: Any) -> Any:  # noqa: ANN401 - parameters are any JSON value
    """Make every text of a value fit for one line; the length is cut generously, since texts are short."""
    match value:
        case str():
            return header_text(value, 300)
        case list() | tuple():
            return [_clean(inner) for inner in value]
        case dict():
            return {name: _clean(inner) for name, inner in value.items()}
        case _:
            return value


def _lines(text: str) -> str:
    """Make a text of several lines fit for a mail: line breaks stay, other controls go."""
    valid = text.encode("utf-8", "ignore").decode().replace("\r\n", "\n").replace("\r", "\n")
    return _UNSAFE_LINES.sub(" ", valid).strip()[:_TEXT_LENGTH]


@cache
def _texts(language: str) -> dict[str, Any]:
    return tomllib.loads((_FOLDER / f"{language}.toml").read_text(encoding="utf-8"))


@cache
def _plain(template: str, date_form: str, months: tuple[str, ...]) -> jinja2.Template:
    """Compile one text of a language file."""

    def write_date(day: str) -> str:
        parsed = date.fromisoformat(day)
        return date_form.format(day=parsed.day, month=months[parsed.month - 1], year=parsed.year)

    # Plain text: the layout escapes the whole.
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined)  # noqa: S701 - as said above
    environment.filters["date"] = write_date
    return environment.from_string(template)


@cache
def _layouts(*, escape: bool) -> jinja2.Environment:
    # HTML is escaped, plain text is not: a name with an ampersand stays one.
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER),
        autoescape=escape,  # noqa: S701 - as said above
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
