"""The SES recorder, talked to by the real client: what arrives is what was sent, and it fails as told."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from email import message_from_bytes
from email.policy import SMTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

from rollcall.mail.delivery import parse
from rollcall.mail.send import _call, _Doubt, _Refusal
from rollcall.runtime import clients

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from email.message import EmailMessage

    from types_boto3_sesv2 import SESV2Client

ROOT = Path(__file__).parents[2]
HUB = "01J8Z3QK5V7X9WB2C4D6E8FGHJ"
MAIL = "4f1d0c2b9a8e7766554433221100ffee"
CSV = "﻿E-mail;Name\r\nmaya.okafor@example.com;久美子\r\n".encode()


@dataclass
class Running:
    """A recorder in a process of its own, its folder, and a client of SES that talks to it."""

    url: str
    folder: Path
    ses: SESV2Client

    def get(self, path: str) -> Any:
        """Return the JSON of a page."""
        with urllib.request.urlopen(self.url + path, timeout=5) as answer:  # noqa: S310 - loopback
            return json.load(answer)

    def arm(self, **fault: Any) -> None:
        """Tell it to fail."""
        request = urllib.request.Request(f"{self.url}/faults", data=json.dumps(fault).encode(), method="POST")  # noqa: S310 - loopback
        urllib.request.urlopen(request, timeout=5).close()  # noqa: S310 - loopback

    def mails(self) -> list[EmailMessage]:
        """Return the mails on disk, in order of arrival."""
        files = sorted(self.folder.glob("*.eml"))
        return [message_from_bytes(file.read_bytes(), policy=SMTP) for file in files]


def start(folder: Path, *more: str) -> tuple[subprocess.Popen[str], str]:
    """Start a recorder on a free port; return the process and its address."""
    command = [sys.executable, str(ROOT / "tools" / "ses_recorder.py"), "--port", "0", "--dir", str(folder), *more]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, process.stdout.readline().split()[-1]


def end(process: subprocess.Popen[str]) -> None:
    """Stop a recorder."""
    process.terminate()
    process.communicate(timeout=5)


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Running]:
    """Provide a running recorder."""
    process, url = start(tmp_path / "mail", "--hold-seconds", "2")
    yield Running(url, tmp_path / "mail", client(url))
    end(process)


def start_queue() -> tuple[list[str], str, Callable[[], None]]:
    """Start a loopback stand-in for SQS (JSON protocol, SendMessage only); return its bodies, address and stop."""
    bodies: list[str] = []

    class Queue(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            assert self.headers["X-Amz-Target"] == "AmazonSQS.SendMessage"
            assert message["QueueUrl"].endswith("/delivery-events")
            bodies.append(message["MessageBody"])
            digest = hashlib.md5(message["MessageBody"].encode(), usedforsecurity=False).hexdigest()
            answer = json.dumps({"MessageId": "m", "MD5OfMessageBody": digest}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Queue)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def stop() -> None:
        server.shutdown()
        server.server_close()

    return bodies, f"http://127.0.0.1:{server.server_address[1]}", stop


def client(url: str) -> SESV2Client:
    """Return a client as ``clients.sesv2`` makes it, with a shorter patience."""
    once = Config(connect_timeout=1, read_timeout=1, retries={"total_max_attempts": 1})
    session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name="eu-west-1")
    return session.client("sesv2", endpoint_url=url, config=once)


def request(to: str = "maya.okafor@example.com", **simple: Any) -> dict[str, Any]:
    """Return a SendEmail request as ours are."""
    content = {
        "Subject": {"Data": "Łódź lädt ein – 久美子", "Charset": "UTF-8"},
        "Body": {"Text": {"Data": "Zażółć\n" + "x" * 2000}, "Html": {"Data": "<p dir='rtl'>مرحبًا</p>"}},
        "Headers": [{"Name": "List-Unsubscribe", "Value": "<https://hub.example.com/invitations/t/decline>"}],
        **simple,
    }
    return {
        "FromEmailAddress": "=?utf-8?b?xYHDs2TFug==?= <hub@example.com>",
        "Destination": {"ToAddresses": [to]},
        "ReplyToAddresses": ["help@example.com"],
        "Content": {"Simple": content},
        "EmailTags": [{"Name": "mail", "Value": MAIL}, {"Name": "hub", "Value": HUB}],
        "ConfigurationSetName": "rollcall",
    }


def test_sent_mail_is_kept_with_everything_that_was_sent(recorder: Running) -> None:
    """Subject, sender, headers, both bodies and the attachment are in the .eml as they were given."""
    attachment = {"FileName": "Einladungen ä.csv", "RawContent": CSV, "ContentType": "text/csv"}
    answer = recorder.ses.send_email(**request(Attachments=[attachment]))
    assert [file.name for file in recorder.folder.glob("*.eml")] == ["0001-maya.okafor@example.com.eml"]
    (mail,) = recorder.mails()
    assert mail["Subject"] == "Łódź lädt ein – 久美子"
    assert mail["From"].addresses[0].display_name == "Łódź"
    assert (mail["To"], mail["Reply-To"]) == ("maya.okafor@example.com", "help@example.com")
    assert mail["List-Unsubscribe"] == "<https://hub.example.com/invitations/t/decline>"
    assert answer["MessageId"] in mail["Message-ID"]
    text, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert text is not None
    assert html is not None
    assert text.get_content().replace("\r\n", "\n").strip() == "Zażółć\n" + "x" * 2000
    assert html.get_content().strip() == "<p dir='rtl'>مرحبًا</p>"
    (attached,) = mail.iter_attachments()
    assert (attached.get_filename(), attached.get_content_type()) == ("Einladungen ä.csv", "text/csv")
    assert attached.get_payload(decode=True) == CSV


def test_kept_mail_is_well_formed(recorder: Running) -> None:
    """The file has internet line ends, no line longer than a mail server takes, and no defect on parsing."""
    attachment = {"FileName": "a.csv", "RawContent": CSV * 200, "ContentType": "text/csv"}
    recorder.ses.send_email(**request(Attachments=[attachment]))
    (file,) = recorder.folder.glob("*.eml")
    lines = file.read_bytes().split(b"\r\n")
    assert max(map(len, lines)) <= 998
    assert not [line for line in lines if b"\n" in line or b"\r" in line]
    assert [part.defects for part in recorder.mails()[0].walk()] == [[]] * 5


def test_raw_mail_is_kept_as_it_is(recorder: Running) -> None:
    """A mail that comes as a whole is kept, and listed under its own recipient."""
    raw = b"From: hub@example.com\r\nTo: maya.okafor@example.com\r\nSubject: Hello\r\n\r\nHi.\r\n"
    recorder.ses.send_email(Content={"Raw": {"Data": raw}})
    (file,) = recorder.folder.glob("*.eml")
    assert (file.name, file.read_bytes()) == ("0001-maya.okafor@example.com.eml", raw)


def test_mails_are_listed_in_order_and_numbering_goes_on(recorder: Running) -> None:
    """The index tells id, recipient, subject, tags and file; a recorder started again goes on from there."""
    ids = [recorder.ses.send_email(**request(f"p{n}@example.com"))["MessageId"] for n in range(3)]
    listed = recorder.get("/messages")["messages"]
    assert [entry["message_id"] for entry in listed] == ids
    assert listed[1]["to"] == ["p1@example.com"]
    assert listed[1]["tags"] == {"mail": MAIL, "hub": HUB}
    assert listed[1]["file"] == "0002-p1@example.com.eml"
    process, url = start(recorder.folder)
    client(url).send_email(**request("p3@example.com"))
    end(process)
    assert (recorder.folder / "0004-p3@example.com.eml").exists()


@pytest.mark.parametrize(
    ("mode", "code", "status"),
    [
        ("throttle", "TooManyRequestsException", 429),
        ("500", "InternalServiceError", 500),
        ("reject", "MessageRejected", 400),
    ],
)
def test_refusal_comes_as_ses_sends_it_and_keeps_no_mail(recorder: Running, mode: str, code: str, status: int) -> None:
    """The client sees the error by its name and status, as often as told; then mails go again."""
    recorder.arm(mode=mode, count=2)
    for _ in range(2):
        with pytest.raises(ClientError) as caught:
            recorder.ses.send_email(**request())
        response = caught.value.response
        assert (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]) == (code, status)
    assert recorder.mails() == []
    recorder.ses.send_email(**request())
    assert len(recorder.mails()) == 1


def test_modelled_errors_are_the_clients_own_exceptions(recorder: Running) -> None:
    """The errors of the API's model arrive as the exceptions that code catches."""
    recorder.arm(mode="throttle")
    with pytest.raises(recorder.ses.exceptions.TooManyRequestsException):
        recorder.ses.send_email(**request())
    recorder.arm(mode="reject")
    with pytest.raises(recorder.ses.exceptions.MessageRejected):
        recorder.ses.send_email(**request())


def test_lost_response_has_sent_the_mail(recorder: Running) -> None:
    """The mail is there although the client got no answer, and only once."""
    recorder.arm(mode="lost_response")
    with pytest.raises(ConnectionClosedError):
        recorder.ses.send_email(**request())
    assert len(recorder.mails()) == 1


def test_timeout_has_sent_nothing(recorder: Running) -> None:
    """The client waits in vain, and there is no mail."""
    recorder.arm(mode="timeout")
    with pytest.raises(ReadTimeoutError):
        recorder.ses.send_email(**request())
    assert recorder.mails() == []


def test_fault_for_one_address_spares_the_others(recorder: Running) -> None:
    """A fault with an address meets that address only, until it is used up or forgotten."""
    recorder.arm(mode="reject", count=0, to="Maya.Okafor@example.com")
    recorder.ses.send_email(**request("someone.else@example.com"))
    for _ in range(3):
        with pytest.raises(ClientError):
            recorder.ses.send_email(**request())
    recorder.arm(mode="off")
    recorder.ses.send_email(**request())
    assert len(recorder.mails()) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"Destination": {"ToAddresses": ["a@example.com, b@example.com"]}},
        {"Destination": {"ToAddresses": ["a@example.com\r\nBcc: b@example.com"]}},
        {"Destination": {"ToAddresses": [f"p{n}@example.com" for n in range(51)]}},
        {"Destination": {}},
        {"EmailTags": [{"Name": "mail", "Value": "a b"}]},
    ],
)
def test_request_that_ses_refuses_is_refused(recorder: Running, change: dict[str, Any]) -> None:
    """What SES would not take is not taken here either."""
    with pytest.raises(recorder.ses.exceptions.BadRequestException):
        recorder.ses.send_email(**{**request(), **change})
    assert recorder.mails() == []


def test_unknown_fault_is_refused(recorder: Running) -> None:
    """A fault that does not exist is answered with the ones that do."""
    with pytest.raises(urllib.error.HTTPError) as caught:
        recorder.arm(mode="explode")
    with caught.value as answer:
        assert (answer.code, b"lost_response" in answer.read()) == (400, True)


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("throttle", _Refusal("TooManyRequestsException")),
        ("reject", _Refusal("MessageRejected")),
        ("500", _Doubt()),
        ("timeout", _Doubt()),
        ("lost_response", _Doubt()),
    ],
)
def test_our_one_call_tells_no_from_doubt(
    recorder: Running, monkeypatch: pytest.MonkeyPatch, mode: str, expected: object
) -> None:
    """On the wire, each kind of failure is understood for what it is: certainly not sent, or nobody knows."""
    monkeypatch.setattr(clients, "sesv2", lambda: recorder.ses)
    recorder.arm(mode=mode)
    assert _call(request()) == expected


def test_recorder_that_is_not_there_means_certainly_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that was never made is no doubt."""
    monkeypatch.setattr(clients, "sesv2", lambda: client("http://127.0.0.1:9"))
    assert _call(request()) == _Refusal("not_connected")


@pytest.mark.parametrize("mode", ["throttle", "500", "timeout", "lost_response"])
def test_client_of_ours_calls_once_on_the_wire(recorder: Running, monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    """The client that the code uses never repeats a send by itself."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_SESV2", recorder.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    clients.reset()
    recorder.arm(mode=mode, count=5)
    assert not isinstance(_call(request()), str)
    clients.reset()
    assert recorder.get("/faults")["faults"] == [{"mode": mode, "count": 4, "to": None}]


@pytest.mark.parametrize(
    ("mode", "kinds"),
    [
        ("off", ["sent", "delivered"]),
        ("lost_response", ["sent", "delivered"]),
        ("bounce", ["sent", "bounced_for_good"]),
        ("complaint", ["sent", "delivered", "complained"]),
    ],
)
def test_events_of_a_mail_reach_the_queue_without_addresses(tmp_path: Path, mode: str, kinds: list[str]) -> None:
    """The delivery-events queue gets the events in the shape our code reads, and no address."""
    bodies, endpoint, stop = start_queue()
    url = f"{endpoint}/000000000000/delivery-events"
    state = {"endpoint_url": endpoint, "region": "eu-west-1", "queues": {"delivery-events": url}}
    process, address = start(tmp_path / "mail", "--state", str(tmp_path / "stack.json"))
    running = Running(address, tmp_path / "mail", client(address))
    try:
        running.arm(mode=mode)
        try:
            running.ses.send_email(**request())
        except ConnectionClosedError:
            assert mode == "lost_response"
        # The stack may come up after the recorder: the events wait for it.
        (tmp_path / "stack.json").write_text(json.dumps(state))
        deadline = time.monotonic() + 20
        while len(bodies) < len(kinds) and time.monotonic() < deadline:
            time.sleep(0.05)
        events = [parse(json.loads(body)) for body in bodies]
        assert sorted(str(event.kind) for event in events if event) == sorted(kinds)
        assert {(event.hub_id, event.mail_id) for event in events if event} == {(HUB, MAIL)}
        (message_id,) = {event.ses_message_id for event in events if event}
        assert running.get("/messages")["messages"][0]["message_id"] == message_id
        assert not [body for body in bodies if "@" in body]
    finally:
        end(process)
        stop()


def test_port_that_is_taken_is_said_in_one_sentence(recorder: Running, tmp_path: Path) -> None:
    """Starting on a port in use ends with 1 and a sentence, not with a traceback."""
    port = recorder.url.rsplit(":", 1)[1]
    command = [sys.executable, str(ROOT / "tools" / "ses_recorder.py"), "--port", port, "--dir", str(tmp_path / "m2")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert ended.returncode == 1
    assert f"Port {port} is in use" in ended.stdout
    assert ended.stderr == ""
