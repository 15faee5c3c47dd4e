"""Whatever stands in a hub's settings or a person's name, a mail has the headers that we mean, and one recipient."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from email import message_from_string
from email.policy import SMTP

import pytest

from rollcall.hubs.model import Hub
from rollcall.mail.model import Kind, Mail
from rollcall.mail.send import CannotPrepareError, prepare

BREAKS = ("\r\n", "\n", "\r", "\u2028", "\u2029", "\x85", "\x0b", "\x00", "\r\n\r\n", "%0d%0a")
LINES = (
    "Bcc: eve@example.com",
    " Cc: eve@example.com",
    "Reply-To: eve@example.com",
    "Subject: another",
    "Content-Type: text/html",
    "From: eve@example.com",
    "<eve@example.com>",
    '", <eve@example.com>, "',
)
PAYLOADS = [f"Harbour{cut}{line}" for cut, line in itertools.product(BREAKS, LINES)]


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENDER_ADDRESS", "rollcall@example.com")
    monkeypatch.setenv("CONFIGURATION_SET", "mail")


def _mail(first_name: str = "Maya", to: str = "maya@example.com") -> Mail:
    return Mail(
        mail_id="a" * 32,
        hub_id="0" * 26,
        kind=Kind.REMINDER,
        to=to,
        language="en",
        not_before=datetime(2026, 10, 5, tzinfo=UTC),
        params={"first_name": first_name, "expires_on": "2026-10-19"},
    )


def _link(*_: object) -> str:
    return "https://hub.example.com/invitations/t"


@pytest.mark.parametrize("payload", PAYLOADS)
def test_no_text_adds_a_header_or_a_recipient(payload: str) -> None:
    """Eighty ways to break out of a line, in the hub's name, its sender and a person's name: From and Subject hold."""
    assert len(PAYLOADS) == 80
    hub = Hub("0" * 26, payload, salt="", sender=payload)
    request = prepare(_mail(first_name=payload), hub, _link)
    sender, subject = request["FromEmailAddress"], request["Content"]["Simple"]["Subject"]["Data"]
    parsed = message_from_string(f"From: {sender}\r\nSubject: {subject}\r\n\r\n", policy=SMTP)
    assert list(parsed.keys()) == ["From", "Subject"]
    assert [one.addr_spec for one in parsed["From"].addresses] == ["rollcall@example.com"]
    assert request["Destination"] == {"ToAddresses": ["maya@example.com"]}
    for header in request["Content"]["Simple"]["Headers"]:
        assert header["Value"].isprintable()
        assert "eve" not in header["Value"]


@pytest.mark.parametrize("payload", PAYLOADS)
def test_no_address_is_more_than_one(payload: str) -> None:
    """The same in an address to write to, or to answer to: the mail is refused, not sent to whoever it names."""
    hub = Hub("0" * 26, "Harbour", salt="")
    cut = payload.removeprefix("Harbour")
    with pytest.raises(CannotPrepareError):
        prepare(_mail(to=f"maya@example.com{cut}"), hub, _link)
    answering = Hub("0" * 26, "Harbour", salt="", reply_to=f"help@example.com{cut}")
    with pytest.raises(CannotPrepareError):
        prepare(_mail(), answering, _link)
