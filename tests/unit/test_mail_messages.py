"""What mails say, and that nothing from outside can break out of a header, a line or the HTML."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from email import message_from_string
from email.policy import SMTP
from html.parser import HTMLParser
from pathlib import Path

import jinja2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollcall.mail import messages
from rollcall.mail.messages import Look, UnsafeAddressError, header_text, named_address, one_address, render
from rollcall.mail.model import Kind

LOOK = Look("Example Alumni")
LINK = "https://hub.example.com/invitations/abc-DEF_123"
PARAMS: dict[Kind, dict[str, object]] = {
    Kind.INVITATION: {"first_name": "Maya", "expires_on": "2026-10-19"},
    Kind.REMINDER: {"first_name": "Maya", "expires_on": "2026-10-19"},
    Kind.EXPORT: {"file": "invites.csv", "rows": 12, "purpose": "invites", "attached": True},
    Kind.PLAN_REPORT: {"what": "autumn.csv", "state": "applied", "counts": [["invited", 12], ["skipped", 3]]},
    Kind.HELD_REMOVALS: {},
    Kind.NOTICE: {"title": "please look", "text": "Something waits for you."},
}
UNSAFE = [
    "\r",
    "\n",
    "\r\nBcc: eve@example.com",
    "\x00",
    "\x0b",
    "\x0c",
    "\x1c",
    "\x7f",
    "\x85",
    "\x9f",
    "\u2028",
    "\u2029",
    "\u061c",
    "\u200e",
    "\u200f",
    "\u202a",
    "\u202e",
    "\u2066",
    "\u2069",
    "\ufeff",
    "\ud800",
]


class Reader(HTMLParser):
    """Collects the tags with their attributes, and the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect a tag."""
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        """Collect text."""
        self.text += data


@pytest.mark.parametrize("language", messages.languages())
@pytest.mark.parametrize("kind", Kind)
def test_every_kind_in_every_language_has_subject_text_and_html(kind: Kind, language: str) -> None:
    """Every kind of mail can be written for every language, with the hub's name in the subject."""
    message = render(kind, language, PARAMS[kind], LOOK, LINK)
    assert "Example Alumni" in message.subject
    assert "{{" not in message.subject + message.text + message.html
    assert LINK in message.text
    assert ("a", LINK) in [(tag, attributes.get("href")) for tag, attributes in Reader(message.html).tags]


@pytest.mark.parametrize("kind", [Kind.INVITATION, Kind.REMINDER, Kind.HELD_REMOVALS])
@pytest.mark.parametrize("language", messages.languages())
def test_urgent_texts_exist_in_every_language(kind: Kind, language: str) -> None:
    """Whoever is invited reads it in their own language, reminders too."""
    file = Path(messages.__file__).parent / "templates" / f"{language}.toml"
    more = {"stop"} if kind is Kind.REMINDER else set()
    wanted = {"subject", "body", "button", "after", "footer"} | more
    assert set(tomllib.loads(file.read_text("utf-8"))[kind]) == wanted


def test_french_marks_never_begin_a_line() -> None:
    """The space before them does not break, in mails and on pages: one alone on a line looks like a fault."""
    for folder in ("mail", "invitations"):
        file = Path(messages.__file__).parents[1] / folder / "templates" / "fr.toml"
        texts = str(tomllib.loads(file.read_text("utf-8")))
        assert re.findall(r"\w* [:;?!»]", texts) == []


def test_arabic_invitation_runs_from_right_to_left() -> None:
    """An Arabic mail says so to the mail program, names its month in Arabic and keeps the link left to right."""
    message = render(Kind.INVITATION, "ar", PARAMS[Kind.INVITATION], LOOK, LINK)
    reader = Reader(message.html)
    assert reader.tags[0] == ("html", {"lang": "ar", "dir": "rtl"})
    assert "19 أكتوبر 2026" in message.text
    assert {attributes.get("align") for tag, attributes in reader.tags if tag == "td"} <= {"right", "center"}


def test_admin_mail_for_a_french_hub_is_english_and_says_so() -> None:
    """A text that a language lacks is taken whole from English, and the HTML is labelled English."""
    message = render(Kind.EXPORT, "fr", PARAMS[Kind.EXPORT], LOOK)
    assert Reader(message.html).tags[0] == ("html", {"lang": "en", "dir": "ltr"})
    assert message.text.startswith("Hello,")


@pytest.mark.parametrize(
    ("wanted", "fallback", "expected"),
    [
        ("fr", "en", "fr"),
        ("fr-CA", "en", "fr"),
        ("AR_eg", "en", "ar"),
        ("ja", "fr-FR", "fr"),
        ("", "", "en"),
        ("../en", "xx", "en"),
    ],
)
def test_wanted_language_is_picked_else_the_hubs_else_english(wanted: str, fallback: str, expected: str) -> None:
    """A language without a file falls back to the hub's, then to English."""
    assert messages.pick_language(wanted, fallback) == expected


def test_person_without_first_name_is_greeted_without_a_name() -> None:
    """A missing first name leaves no gap in the greeting."""
    message = render(Kind.INVITATION, "en", {"first_name": "", "expires_on": "2026-10-19"}, LOOK, LINK)
    assert message.text.startswith("Hello,\n")


def test_names_with_markup_stay_text_in_html() -> None:
    """Markup in names and in the hub's own text is shown, not obeyed."""
    nasty = '<script>alert(1)</script>"><img src=x onerror=alert(1)>'
    look = Look(nasty, invitation_text=f"Welcome\n{nasty}")
    params = {"first_name": nasty, "expires_on": "2026-10-19"}
    message = render(Kind.INVITATION, "en", params, look, LINK)
    reader = Reader(message.html)
    assert {tag for tag, _ in reader.tags}.isdisjoint({"script", "img"})
    assert nasty in reader.text


def test_template_syntax_in_a_name_is_not_carried_out() -> None:
    """A name that looks like a template is only a name."""
    params = {"first_name": "{{ 7 * 7 }}", "expires_on": "2026-10-19"}
    assert "Hello {{ 7 * 7 }}," in render(Kind.INVITATION, "en", params, LOOK, LINK).text


def test_line_break_in_a_name_adds_no_line_to_the_text() -> None:
    """A first name cannot smuggle a paragraph of its own into the mail."""
    params = {"first_name": "Maya\n\nYour account is locked", "expires_on": "2026-10-19"}
    message = render(Kind.INVITATION, "en", params, LOOK, LINK)
    assert "Hello Maya Your account is locked," in message.text.splitlines()


def test_logo_that_is_not_https_is_left_out() -> None:
    """Only an https address becomes an image."""
    message = render(Kind.NOTICE, "en", PARAMS[Kind.NOTICE], Look("Hub", logo_url="javascript:alert(1)"))
    assert "javascript" not in message.html


def test_missing_parameter_fails_loudly() -> None:
    """A caller that forgets a parameter hears of it instead of sending a mail with a hole."""
    with pytest.raises(jinja2.UndefinedError):
        render(Kind.EXPORT, "en", {"file": "invites.csv"}, LOOK)


@pytest.mark.parametrize("unsafe", UNSAFE)
def test_unsafe_character_does_not_reach_a_header(unsafe: str) -> None:
    """Controls, separators, bidirectional controls and lone surrogates are gone from subjects and names."""
    look = Look(f"Alumni{unsafe}Hub")
    subject = render(Kind.NOTICE, "en", {"title": f"a{unsafe}b", "text": "x"}, look).subject
    sender = named_address(f"Alumni{unsafe}Hub", "hub@example.com")
    parsed = message_from_string(f"From: {sender}\nSubject: {subject}\n\n", policy=SMTP)
    assert parsed["Bcc"] is None
    assert not set(unsafe) & set(subject) - set("Bcc: eve@example.com")
    assert [address.addr_spec for address in parsed["From"].addresses] == ["hub@example.com"]


@given(st.text(max_size=200))
def test_any_header_text_is_one_short_safe_line(text: str) -> None:
    """Whatever goes in, what comes out has no control, separator or bidirectional control, and is stable."""
    safe = header_text(text)
    assert len(safe) <= 80
    assert header_text(safe) == safe
    assert not [c for c in safe if unicodedata.category(c) in ("Cc", "Zl", "Zp", "Cs")]
    assert not [
        c
        for c in safe
        if unicodedata.bidirectional(c) in ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
    ]


@given(st.text(max_size=120))
def test_any_display_name_leaves_exactly_one_sender(name: str) -> None:
    """Whatever a hub calls itself, the From header holds one address, ours, and the name reads as given."""
    header = named_address(name, "hub@example.com")
    assert header.isascii()
    assert "\n" not in header
    (address,) = message_from_string(f"From: {header}\n\n", policy=SMTP)["From"].addresses
    assert address.addr_spec == "hub@example.com"


@pytest.mark.parametrize(
    "name", ["Łódź & Friends", "久美子の会", "O'Brien-Ñúñez", 'A "quoted" \\ name', "Hub, Inc. <x@y>"]
)
def test_display_name_reads_back_as_given(name: str) -> None:
    """A mail program shows the hub's name as the hub writes it, in any script."""
    (address,) = message_from_string(f"From: {named_address(name, 'hub@example.com')}\n\n", policy=SMTP)[
        "From"
    ].addresses
    assert address.display_name == name


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nobody",
        "a@example.com, b@example.com",
        "a@example.com;b@example.com",
        "a@example.com b@example.com",
        "a@example.com\r\nBcc: b@example.com",
        "a@example.com\n",
        "a@example.com\x00",
        "a\u202e@example.com",
        "<a@example.com>",
        "Maya <a@example.com>",
        "a@b@example.com",
        "a@",
        "@example.com",
        "josé@example.com",
        '"a b"@example.com',
        "a@[127.0.0.1]",
        f"{'a' * 65}@example.com",
    ],
)
def test_text_that_is_not_exactly_one_address_is_refused(text: str) -> None:
    """Lists, names, controls and what SES cannot send to are refused, without the text in the error."""
    with pytest.raises(UnsafeAddressError) as caught:
        one_address(text)
    assert "example" not in str(caught.value)


def test_domain_in_another_script_becomes_ascii() -> None:
    """SES takes international domains in their xn-- form."""
    assert one_address("maya@bücher.example.com") == "maya@xn--bcher-kva.example.com"
