"""The one way out to vendors: their own hosts, by https, to public addresses, in time, and nowhere else."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from rollcall.hubs.model import Source
from rollcall.people.events import DirectoryEvent, Kind
from rollcall.sources import bamboohr, finch, vendor_http
from rollcall.sources.asking import (
    AskingError,
    FailedError,
    LockedOutError,
    NonsenseError,
    Question,
    RefusedQuestionError,
    SlowDownError,
    UnknownPersonError,
    check_status,
    retry_after,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
NOT_PUBLIC = [
    "0.0.0.0",  # noqa: S104 - nothing is bound to it
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "127.0.0.1",
    "127.8.8.8",
    "169.254.169.254",
    "169.254.170.2",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.8",
    "192.0.2.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.7",
    "203.0.113.9",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "100::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::1",
    "2001:0:4136:e378:8000:63bf:80ff:fffe",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "not an address",
]
PUBLIC = ["1.1.1.1", "52.21.49.187", "2606:4700::1111", "::ffff:1.1.1.1"]
OTHER_HOSTS = [
    "localhost",
    "127.0.0.1",
    "169.254.169.254",
    "[::1]",
    "api.tryfinch.com.example.com",
    "api.tryfinch.com@example.com",
    "api.tryfinch.com:8443",
    "API.TRYFINCH.COM",
    "example.com#api.tryfinch.com",
    "harbour.bamboohr.com.example.com",
    "bamboohr.com",
    ".bamboohr.com",
    "-x.bamboohr.com",
    "x-.bamboohr.com",
    "a.b.bamboohr.com",
    "a/../b.bamboohr.com",
    "a\r\nb.bamboohr.com",
    "harbour.bamboohr.com\n",
    "ha rbour.bamboohr.com",
    "х.bamboohr.com",
]
BAD_DOMAINS = ["", "a.b", "a/b", "a@b", "a:80", "a#", "a?x=", "-a", "a-", "A", "a\n", "127.0.0.1", "é", "a" * 64, "a b"]


def question(host: str, path: str = "/employer/individual") -> Question:
    """Return a question to a host."""
    return Question("GET", host, path, {})


def resolving(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> list[str]:
    """Let every name resolve to these addresses; returns what was asked for."""
    asked: list[str] = []

    def resolve(host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr("rollcall.sources.vendor_http.socket.getaddrinfo", resolve)
    return asked


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_address_that_is_not_public_is_refused(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """A vendor's name that resolves to us, our network or the cloud's metadata is not connected to."""
    resolving(monkeypatch, address)
    with pytest.raises(RefusedQuestionError):
        vendor_http.ask(question("api.tryfinch.com"), finch.MANNERS, 1)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_address_is_taken(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """What is on the Internet may be asked."""
    resolving(monkeypatch, address)
    assert vendor_http.public_address("api.tryfinch.com") == address


def test_one_private_address_among_public_ones_refuses_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name with an address of each kind is no vendor's."""
    resolving(monkeypatch, "1.1.1.1", "10.0.0.1")
    with pytest.raises(RefusedQuestionError):
        vendor_http.public_address("api.tryfinch.com")


def test_name_is_resolved_once_and_that_address_is_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that resolves to something else a moment later changes nothing: it is not asked for again."""
    asked = resolving(monkeypatch, "1.1.1.1")
    connected: list[Any] = []

    def connect(address: Any, *_: Any, **__: Any) -> Any:
        connected.append(address)
        raise OSError

    monkeypatch.setattr("urllib3.util.connection.create_connection", connect)
    with pytest.raises(FailedError):
        vendor_http.ask(question("api.tryfinch.com"), finch.MANNERS, 1)
    assert asked == ["api.tryfinch.com"]
    assert connected == [("1.1.1.1", 443)]


@pytest.mark.parametrize("host", OTHER_HOSTS)
@pytest.mark.parametrize("module", [finch, bamboohr])
def test_host_that_is_not_the_vendors_is_refused(monkeypatch: pytest.MonkeyPatch, module: Any, host: str) -> None:
    """Nothing but the vendor's own host is even resolved."""
    asked = resolving(monkeypatch, "1.1.1.1")
    with pytest.raises(RefusedQuestionError):
        vendor_http.ask(question(host), module.MANNERS, 1)
    assert not asked


@pytest.mark.parametrize("domain", BAD_DOMAINS)
def test_company_domain_that_is_none_is_no_credential(domain: str) -> None:
    """What an admin enters can only ever be one label in front of BambooHR's own name."""
    assert not bamboohr.are_credentials({"company_domain": domain, "api_key": "bamboohr-key"})
    assert bamboohr.are_credentials({"company_domain": "harbour", "api_key": "bamboohr-key"})


@pytest.mark.parametrize(
    "key", ["", "short", "with space", "line\r\nbreak: x", "a:b-is-basic-auth", "ü" * 10, "x" * 600]
)
def test_key_that_would_bend_a_header_is_no_credential(key: str) -> None:
    """Keys and tokens are printable ASCII, without what ends a header or a name."""
    assert not bamboohr.are_credentials({"company_domain": "harbour", "api_key": key})
    if ":" not in key:
        assert not finch.are_credentials({"access_token": key if len(key) < 600 else key * 4})


@pytest.mark.parametrize("name", ["../../meta/users", "1?fields=ssn", "1#x", "1%2f2", "a\r\nHost: x", "久美子"])
def test_external_id_cannot_leave_its_place_in_the_path(name: str) -> None:
    """What a webhook calls a person is one segment of the path, whatever it is."""
    event = DirectoryEvent("0" * 32, "S", name, Kind.UPDATED, "2026-10-05T08:00:00.000Z", look=True)
    source = Source("H", "S", "bamboohr", "BambooHR", "salt")
    (asked,) = bamboohr.questions(event, source, {"company_domain": "harbour", "api_key": "bamboohr-key"})
    assert asked.host == "harbour.bamboohr.com"
    path, _, _ = asked.path.partition("?fields=firstName")
    assert path.startswith("/api/v1/employees/")
    assert not set(path.removeprefix("/api/v1/employees/")) & set("/?#\r\n ")
    assert asked.path.isascii()


def test_local_override_has_no_effect_beyond_a_local_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable alone does nothing: in any other stage the vendor's own host is resolved and checked."""
    with server(200, {}, b"{}") as url:
        monkeypatch.setenv("VENDOR_API_BASE", url)
        asked = resolving(monkeypatch, "127.0.0.1")
        for stage in ("prod", "test", "", "LOCAL"):
            monkeypatch.setenv("STAGE", stage)
            with pytest.raises(RefusedQuestionError):
                vendor_http.ask(question("api.tryfinch.com"), finch.MANNERS, 1)
        assert len(asked) == 4
        monkeypatch.undo()


@contextmanager
def server(status: int, headers: dict[str, str], body: bytes) -> Iterator[str]:
    """Run a server on loopback that answers everything alike."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """Answer."""
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    listener = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listener.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.server_address[1]}"
    finally:
        listener.shutdown()
        listener.server_close()
        thread.join()


def ask_local(monkeypatch: pytest.MonkeyPatch, url: str) -> Any:
    """Ask the server of a test."""
    monkeypatch.setenv("STAGE", "local")
    monkeypatch.setenv("VENDOR_API_BASE", url)
    return vendor_http.ask(question("api.tryfinch.com"), finch.MANNERS, 2)


def test_redirect_is_not_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A redirect is an answer that we have no use for."""
    with server(302, {"Location": "http://169.254.169.254/latest/meta-data"}, b"") as url:
        answer = ask_local(monkeypatch, url)
    assert answer.status == 302
    with pytest.raises(RefusedQuestionError):
        check_status(answer.status, answer.headers, AT)


def test_answer_that_never_ends_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than 1 MiB is nobody's record."""
    with server(200, {}, b"x" * (vendor_http.MAX_ANSWER + 1)) as url, pytest.raises(NonsenseError):
        ask_local(monkeypatch, url)


def test_compressed_answer_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is decompressed, so no answer grows."""
    with server(200, {"Content-Encoding": "gzip"}, b"x") as url, pytest.raises(NonsenseError):
        ask_local(monkeypatch, url)


@pytest.mark.parametrize(
    ("status", "headers", "kind"),
    [
        (401, {}, LockedOutError),
        (403, {}, LockedOutError),
        (404, {}, UnknownPersonError),
        (410, {}, UnknownPersonError),
        (408, {}, FailedError),
        (429, {}, SlowDownError),
        (429, {"retry-after": "7"}, SlowDownError),
        (503, {"retry-after": "7"}, SlowDownError),
        (503, {}, FailedError),
        (500, {}, FailedError),
        (202, {}, SlowDownError),
        (302, {}, RefusedQuestionError),
        (400, {}, RefusedQuestionError),
    ],
)
def test_status_means_what_it_says(status: int, headers: dict[str, str], kind: type[AskingError]) -> None:
    """Each status is one kind of trouble; 200 is none."""
    with pytest.raises(AskingError) as caught:
        check_status(status, headers, AT)
    assert type(caught.value) is kind
    check_status(200, headers, AT)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        (" 0 ", 0.0),
        ("99999999999999999999", 86400.0),
        ("Sun, 22 Nov 2026 12:01:00 GMT", 60.0),
        ("Sun, 22 Nov 2026 11:00:00 GMT", 0.0),
        ("", None),
        ("-1", None),
        ("soon", None),
        ("1.5", None),
        ("٣", None),
    ],
)
def test_retry_after_is_read_in_both_forms(value: str, seconds: float | None) -> None:
    """Seconds or a date (RFC 9110, 10.2.3), a day at most; anything else is as if it were not there."""
    assert retry_after(value, AT) == seconds
