"""A stand-in for Amazon SES on this machine: takes SendEmail calls, keeps each as a mail file, reports delivery events.

The local emulator's SES drops attachments, tags and headers and publishes no events. This small server speaks the one
call Rollcall makes (SES API v2, ``POST /v2/email/outbound-emails``, REST-JSON as in botocore's ``sesv2`` model), and

- writes each mail as ``<dir>/0001-maya.okafor@example.com.eml``, numbered in order of arrival,
- lists them at ``GET /messages`` (and in ``<dir>/index.json``),
- puts the SES events of each mail on the delivery-events queue named in the state file,
- keeps a suppression list: a bounce or complaint puts an address on it (``GET /suppressed``), the call
  DeleteSuppressedDestination takes it off,
- fails on demand: ``POST /faults {"mode": "throttle", "count": 2, "to": "maya.okafor@example.com"}``.

Fault modes: ``throttle`` (429), ``500``, ``reject`` (400 MessageRejected), ``timeout`` (no answer, nothing sent),
``lost_response`` (sent, no answer), ``bounce`` and ``complaint`` (sent, and that event follows), ``off`` (forget all).
``count`` is how many calls it holds for, 1 unless told; 0 means until ``off``.

The events have the shape SES gives to EventBridge, reduced as the stack's rule reduces them: no address and no header
of the mail gets onto a queue.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import json
import os
import queue
import re
import signal
import sys
import threading
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes
from email.errors import MessageError
from email.headerregistry import AddressHeader
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar, NoReturn
from urllib.parse import unquote

ACCOUNT = "000000000000"
MODES = ("throttle", "500", "timeout", "lost_response", "reject", "bounce", "complaint")
BAD_REQUEST = "BadRequestException"
REFUSALS: dict[str | None, tuple[str, int, str]] = {
    "throttle": ("TooManyRequestsException", 429, "Maximum sending rate exceeded."),
    "500": ("InternalServiceError", 500, "Internal failure."),
    "reject": ("MessageRejected", 400, "Email address is not verified."),
}
MAX_BODY = 40 * 1024 * 1024
MAX_RECIPIENTS = 50
MAX_HEADERS = 15
PUBLISH_TRIES = 5
SAVE_SECONDS = 1.0
_TAG = re.compile(r"[A-Za-z0-9_-]{1,256}")
_HEADER_NAME = re.compile(r"[!-9;-@A-~]{1,126}")
_HEADER_VALUE = re.compile(r"[ -~]{1,995}")
_ADDRESS = re.compile(r"[^\s@<>,;:\"]+@[^\s@<>,;:\"]+")


class SesError(Exception):
    """An error SES would answer: its type (``x-amzn-ErrorType``), HTTP status and one sentence."""

    def __init__(self, error_type: str, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.error_type = error_type
        self.status = status


@dataclass
class Fault:
    """A failure that waits for calls: its mode, how many calls are left (0: no end) and for whom (or everybody)."""

    mode: str
    left: int
    to: str | None
    endless: bool


@dataclass
class Recorder:
    """What the server keeps: mails on disk, their index, the armed faults and the events still to publish."""

    folder: Path
    state_file: Path | None
    hold_seconds: float
    lock: threading.Lock = field(default_factory=threading.Lock)
    index: list[dict[str, Any]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    suppressed: set[str] = field(default_factory=set)
    events: queue.Queue[tuple[str, dict[str, Any]]] = field(default_factory=queue.Queue)
    by_id: dict[str, dict[str, Any]] = field(default_factory=dict)
    changed: threading.Event = field(default_factory=threading.Event)
    clients: dict[str, Any] = field(default_factory=dict)
    kept: int = 0

    def __post_init__(self) -> None:
        """Go on from the mails an earlier run left in the folder."""
        self.folder.mkdir(parents=True, exist_ok=True)
        index_file = self.folder / "index.json"
        if index_file.exists():
            self.index = json.loads(index_file.read_text(encoding="utf-8"))
            self.by_id = {entry["message_id"]: entry for entry in self.index}
        # By the mails themselves: the index is written a moment after them.
        self.kept = max((int(mail.name.partition("-")[0]) for mail in self.folder.glob("[0-9]*-*.eml")), default=0)

    def arm(self, mode: str, count: int, to: str | None) -> None:
        """Let the next ``count`` calls (0: all) fail in that way; ``off`` forgets every fault."""
        with self.lock:
            if mode == "off":
                self.faults.clear()
            else:
                self.faults.append(Fault(mode, count, to.lower() if to else None, endless=count == 0))

    def take_fault(self, recipients: list[str]) -> str | None:
        """Return the mode of the first fault that meets these recipients, and use one of its calls up."""
        bare = {_bare_address(recipient).lower() for recipient in recipients}
        with self.lock:
            for fault in self.faults:
                if fault.to is None or fault.to in bare:
                    if not fault.endless:
                        fault.left -= 1
                        if fault.left == 0:
                            self.faults.remove(fault)
                    return fault.mode
        return None

    def keep(self, request: dict[str, Any]) -> dict[str, Any]:
        """Write the mail to disk and to the index; return its entry there.

        Raises
        ------
        SesError
            If the request is one that SES refuses.
        """
        _check(request)
        message_id = f"0100{int(time.time() * 1000):012x}-{uuid.uuid4()}-000000"
        content, subject, recipients = _as_mail(request, message_id)
        with self.lock:
            self.kept = number = self.kept + 1
            name = re.sub(r"[^A-Za-z0-9@._+-]", "_", _bare_address(recipients[0]))[:100]
            file = self.folder / f"{number:04d}-{name}.eml"
            file.write_bytes(content)
            entry: dict[str, Any] = {
                "number": number,
                "at": _now(),
                "message_id": message_id,
                "from": request.get("FromEmailAddress", ""),
                "to": recipients,
                "subject": subject,
                "tags": {tag["Name"]: tag["Value"] for tag in request.get("EmailTags", [])},
                "configuration_set": request.get("ConfigurationSetName"),
                "file": file.name,
                "events": [],
            }
            self.index.append(entry)
            self.by_id[message_id] = entry
        self.changed.set()
        return entry

    def publish(self, entry: dict[str, Any], kinds: list[str]) -> None:
        """Line the events of a mail up for the queue; a background thread sends them."""
        for kind in kinds:
            self.events.put((entry["message_id"], make_event(entry, kind)))

    def run_publisher(self) -> None:
        """Send events one by one, for ever. Best effort, as with SES: after a few tries an event is dropped."""
        while True:
            message_id, event = self.events.get()
            for attempt in range(PUBLISH_TRIES):
                try:
                    self._send(event)
                except Exception as error:  # noqa: BLE001 - whatever is wrong with the stack, the recorder goes on
                    _say(f"event not delivered yet: {type(error).__name__}")
                    time.sleep(min(4.0, 0.5 * 2**attempt))
                else:
                    self._note_event(message_id, event["detail"]["eventType"])
                    break

    def _send(self, event: dict[str, Any]) -> None:
        if self.state_file is None:
            return
        state = json.loads(self.state_file.read_text(encoding="utf-8"))
        # Made once for each stack: making one takes longer than many messages.
        sqs = self.clients.get(state["endpoint_url"]) or self.clients.setdefault(state["endpoint_url"], _sqs(state))
        body = {**event, "region": state["region"]}
        sqs.send_message(QueueUrl=state["queues"]["delivery-events"], MessageBody=json.dumps(body))

    def _note_event(self, message_id: str, event_type: str) -> None:
        with self.lock:
            self.by_id[message_id]["events"].append(event_type)
        self.changed.set()

    def run_saver(self) -> None:
        """Keep ``index.json`` up to date, for ever; at most once a second, since it grows with each mail."""
        while True:
            self.changed.wait()
            self.changed.clear()
            self.save()
            time.sleep(SAVE_SECONDS)

    def save(self) -> None:
        """Write ``index.json``."""
        with self.lock:
            text = json.dumps(self.index, ensure_ascii=False, indent=1)
        temporary = self.folder / "index.json.new"
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(self.folder / "index.json")


def _sqs(state: dict[str, Any]) -> Any:  # noqa: ANN401 - a client of boto3
    import boto3
    from botocore.config import Config

    # The emulator's keys, unless the environment has others; nothing reaches AWS, since the endpoint is given.
    session = boto3.Session(
        region_name=state["region"],
        aws_access_key_id=os.environ.get("AWS_ACCESS_KEY_ID", "test"),
        aws_secret_access_key=os.environ.get("AWS_SECRET_ACCESS_KEY", "test"),
    )
    quick = Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 2})
    return session.client("sqs", endpoint_url=state["endpoint_url"], config=quick)


DETAIL_TYPES = {
    "Send": "Email Sent",
    "Delivery": "Email Delivered",
    "Bounce": "Email Bounced",
    "Complaint": "Email Complaint Received",
}


def make_event(entry: dict[str, Any], kind: str) -> dict[str, Any]:
    """Return a mail's event as EventBridge has it (``kind`` is a key of ``DETAIL_TYPES``), without addresses.

    Shape: "Monitoring SES events using Amazon EventBridge" and "Contents of event data" in the SES developer guide.
    """
    now = _now()
    tags = {name: [value] for name, value in entry["tags"].items()}
    tags["ses:configuration-set"] = [entry["configuration_set"] or ""]
    about: dict[str, dict[str, Any]] = {
        "Send": {},
        "Delivery": {"timestamp": now, "processingTimeMillis": 12, "smtpResponse": "250 2.6.0 Message received"},
        "Bounce": {
            "timestamp": now,
            "bounceType": "Permanent",
            "bounceSubType": "General",
            "feedbackId": uuid.uuid4().hex,
        },
        "Complaint": {"timestamp": now, "complaintFeedbackType": "abuse", "feedbackId": uuid.uuid4().hex},
    }
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": DETAIL_TYPES[kind],
        "source": "aws.ses",
        "account": ACCOUNT,
        "time": now[:19] + "Z",
        "region": "",
        "resources": [],
        "detail": {
            "eventType": kind,
            "mail": {
                "timestamp": entry["at"],
                "messageId": entry["message_id"],
                "sendingAccountId": ACCOUNT,
                "tags": tags,
            },
            kind.lower(): about[kind],
        },
    }


def _check(request: dict[str, Any]) -> None:
    """Refuse what SES refuses, as far as our calls can go wrong in it."""
    content = request.get("Content", {})
    recipients = _recipients(request)
    if "Raw" not in content:
        _need("Simple" in content, "Content must be Simple or Raw.")
        _need(bool(request.get("FromEmailAddress")), "FromEmailAddress is missing.")
        _need(bool(recipients), "There is no recipient.")
    _need(len(recipients) <= MAX_RECIPIENTS, "There are more than 50 recipients.")
    addresses = [*recipients, *request.get("ReplyToAddresses", [])]
    _need(all(map(_is_address, addresses)), "Illegal address.")
    for tag in request.get("EmailTags", []):
        fits = _TAG.fullmatch(tag["Name"]) and _TAG.fullmatch(tag["Value"])
        _need(bool(fits), "A tag holds a character that is not allowed.")
    headers = content.get("Simple", {}).get("Headers", [])
    _need(len(headers) <= MAX_HEADERS, "There are more than 15 headers.")
    for header in headers:
        fits = _HEADER_NAME.fullmatch(header["Name"]) and _HEADER_VALUE.fullmatch(header["Value"])
        _need(bool(fits), "A header holds a character that is not allowed.")


def _is_address(text: str) -> bool:
    return text.isprintable() and _ADDRESS.fullmatch(_bare_address(text)) is not None


def _need(holds: bool, sentence: str) -> None:  # noqa: FBT001 - a check and its sentence
    if not holds:
        _bad(sentence)


def _bad(sentence: str) -> NoReturn:
    raise SesError(BAD_REQUEST, HTTPStatus.BAD_REQUEST, sentence)


def _recipients(request: dict[str, Any]) -> list[str]:
    destination = request.get("Destination", {})
    return [address for kind in ("ToAddresses", "CcAddresses", "BccAddresses") for address in destination.get(kind, [])]


def _as_mail(request: dict[str, Any], message_id: str) -> tuple[bytes, str, list[str]]:
    """Return the mail as bytes in internet format, its subject and its recipients."""
    try:
        if "Raw" in request["Content"]:
            raw = base64.b64decode(request["Content"]["Raw"]["Data"], validate=True)
            parsed = message_from_bytes(raw, policy=SMTP)
            to = parsed["To"]
            found = [address.addr_spec for address in to.addresses] if isinstance(to, AddressHeader) else []
            recipients = _recipients(request) or found
            if not recipients:
                _bad("There is no recipient.")
            return parsed.as_bytes(), str(parsed["Subject"] or ""), recipients
        mail = _simple_mail(request, message_id)
        return mail.as_bytes(), str(mail["Subject"]), _recipients(request)
    except (ValueError, KeyError, TypeError, IndexError, LookupError, MessageError, binascii.Error) as error:
        sentence = "The message cannot be read."
        raise SesError(BAD_REQUEST, HTTPStatus.BAD_REQUEST, sentence) from error


def _simple_mail(request: dict[str, Any], message_id: str) -> EmailMessage:
    simple = request["Content"]["Simple"]
    destination = request["Destination"]
    mail = EmailMessage(policy=SMTP)
    mail["From"] = request["FromEmailAddress"]
    mail["To"] = ", ".join(destination.get("ToAddresses", []))
    if destination.get("CcAddresses"):
        mail["Cc"] = ", ".join(destination["CcAddresses"])
    if request.get("ReplyToAddresses"):
        mail["Reply-To"] = ", ".join(request["ReplyToAddresses"])
    mail["Subject"] = simple["Subject"]["Data"]
    mail["Date"] = format_datetime(datetime.now(UTC))
    mail["Message-ID"] = f"<{message_id}@email.amazonses.com>"
    for header in simple.get("Headers", []):
        mail[header["Name"]] = header["Value"]
    body = simple["Body"]
    if "Text" in body:
        mail.set_content(body["Text"]["Data"], charset="utf-8")
    if "Html" in body:
        if "Text" in body:
            mail.add_alternative(body["Html"]["Data"], subtype="html", charset="utf-8")
        else:
            mail.set_content(body["Html"]["Data"], subtype="html", charset="utf-8")
    for attachment in simple.get("Attachments", []):
        main, _, sub = attachment.get("ContentType", "application/octet-stream").partition("/")
        mail.add_attachment(
            base64.b64decode(attachment["RawContent"], validate=True),
            maintype=main,
            subtype=sub.partition(";")[0].strip() or "octet-stream",
            filename=attachment["FileName"],
        )
    return mail


def _bare_address(address: str) -> str:
    """Return ``a@b`` of ``Name <a@b>``."""
    found = re.search(r"<([^<>]*)>\s*$", address)
    return found.group(1) if found else address.strip()


class Handler(BaseHTTPRequestHandler):
    """The routes. One instance per connection; ``recorder`` is shared."""

    protocol_version = "HTTP/1.1"
    recorder: ClassVar[Recorder]

    def do_GET(self) -> None:
        """``/health``, ``/messages`` (all mails, oldest first), ``/suppressed`` and ``/faults``."""
        recorder = self.recorder
        if self.path == "/health":
            self._answer(HTTPStatus.OK, {"status": "ok"})
        elif self.path == "/messages":
            with recorder.lock:
                self._answer(HTTPStatus.OK, {"messages": recorder.index})
        elif self.path == "/suppressed":
            with recorder.lock:
                self._answer(HTTPStatus.OK, {"suppressed": sorted(recorder.suppressed)})
        elif self.path == "/faults":
            with recorder.lock:
                armed = [{"mode": f.mode, "count": f.left, "to": f.to} for f in recorder.faults]
            self._answer(HTTPStatus.OK, {"faults": armed})
        else:
            self._answer(HTTPStatus.NOT_FOUND, {"message": "There is no such page."})

    def do_POST(self) -> None:
        """SendEmail and ``/faults``."""
        length = int(self.headers.get("Content-Length") or 0)
        if length > MAX_BODY:
            self.close_connection = True
            self._fail(SesError(BAD_REQUEST, HTTPStatus.BAD_REQUEST, "The message is too large."))
            return
        try:
            body = json.loads(self.rfile.read(length) or b"{}")
            if not isinstance(body, dict):
                _bad("The body must be a JSON object.")
            if self.path == "/v2/email/outbound-emails":
                self._send_email(body)
            elif self.path == "/faults":
                self._arm(body)
            else:
                self._answer(HTTPStatus.NOT_FOUND, {"message": "There is no such call here."})
        except SesError as error:
            self._fail(error)
        except (ValueError, KeyError, TypeError, AttributeError):
            self._fail(SesError(BAD_REQUEST, HTTPStatus.BAD_REQUEST, "The request has the wrong shape."))

    def _send_email(self, request: dict[str, Any]) -> None:
        mode = self.recorder.take_fault(_recipients(request))
        if mode in REFUSALS:
            raise SesError(*REFUSALS[mode])
        if mode == "timeout":
            time.sleep(self.recorder.hold_seconds)
            self.close_connection = True
            return
        entry = self.recorder.keep(request)
        if mode in {"bounce", "complaint"}:
            with self.recorder.lock:
                self.recorder.suppressed |= {_bare_address(one).lower() for one in _recipients(request)}
        last = {"bounce": ["Send", "Bounce"], "complaint": ["Send", "Delivery", "Complaint"]}
        self.recorder.publish(entry, last.get(mode or "", ["Send", "Delivery"]))
        _say(f"mail {entry['file']}")
        if mode == "lost_response":
            self.close_connection = True
            return
        self._answer(HTTPStatus.OK, {"MessageId": entry["message_id"]})

    def do_DELETE(self) -> None:
        """DeleteSuppressedDestination: takes an address off the suppression list, where bounces put it."""
        start = "/v2/email/suppression/addresses/"
        address = unquote(self.path.removeprefix(start)).lower()
        with self.recorder.lock:
            is_known = self.path.startswith(start) and address in self.recorder.suppressed
            self.recorder.suppressed.discard(address)
        if is_known:
            self._answer(HTTPStatus.OK, {})
        else:
            self._fail(SesError("NotFoundException", HTTPStatus.NOT_FOUND, "The address is not on the list."))

    def _arm(self, body: dict[str, Any]) -> None:
        mode, count, to = body.get("mode"), body.get("count", 1), body.get("to")
        if mode not in (*MODES, "off") or not isinstance(count, int) or count < 0 or not isinstance(to, str | None):
            _bad(f"mode is one of {', '.join(MODES)}, off; count is a number from 0; to is an address or left out.")
        self.recorder.arm(str(mode), count, to)
        self._answer(HTTPStatus.OK, {"mode": mode})

    def _fail(self, error: SesError) -> None:
        self._answer(error.status, {"message": str(error)}, {"x-amzn-ErrorType": error.error_type})

    def _answer(self, status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        raw = json.dumps(body, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.send_header("x-amzn-RequestId", str(uuid.uuid4()))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        """Keep quiet: the recorder says what matters itself."""


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def _say(text: str) -> None:
    print(f"{_now()} {text}", flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Serve on loopback until stopped. Returns 1, with one sentence, if the port is taken."""
    parser = argparse.ArgumentParser(description="A stand-in for Amazon SES on this machine.")
    parser.add_argument("--port", type=int, required=True, help="port on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--dir", type=Path, required=True, help="folder for the .eml files")
    parser.add_argument("--state", type=Path, help="stack.json with endpoint_url, region and queues; may come later")
    parser.add_argument("--hold-seconds", type=float, default=10.0, help="how long the fault mode timeout keeps silent")
    options = parser.parse_args(arguments)
    recorder = Recorder(options.dir, options.state, options.hold_seconds)
    handler = type("BoundHandler", (Handler,), {"recorder": recorder})
    try:
        server = ThreadingHTTPServer(("127.0.0.1", options.port), handler)
    except OSError:
        _say(f"Port {options.port} is in use: stop what listens there, or give another --port.")
        return 1
    threading.Thread(target=recorder.run_publisher, daemon=True).start()
    threading.Thread(target=recorder.run_saver, daemon=True).start()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    _say(f"listening on http://127.0.0.1:{server.server_address[1]}")
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        server.server_close()
        recorder.save()
    return 0


if __name__ == "__main__":
    sys.exit(main())
