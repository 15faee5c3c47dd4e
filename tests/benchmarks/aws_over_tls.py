"""AWS over TLS on this machine, for what measures real functions: moto behind a certificate made at the start.

A process of its own: it prints its address, its certificate's file and the settings of a function as a line of JSON,
then answers each name of a function that comes in with ``{"event", "calls"}``: a new event for it, and what was asked
since the line before. In place of a name, ``BareCalls`` gives the calls as an event that were made before it was first
said.

Usage: ``python -m tests.benchmarks.aws_over_tls FOLDER ROOTS``, with the file of the roots that the functions trust.
"""

from __future__ import annotations

import json
import os
import ssl
import sys
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from botocore.awsrequest import AWSPreparedRequest
from botocore.compat import HTTPHeaders
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from moto.core.models import botocore_stubber

from rollcall.invitations.model import InvitationStatus
from rollcall.people.events import Kind
from rollcall.runtime import clients
from rollcall.runtime.ids import new_id
from rollcall.runtime.settings import env
from tests.support.admin import claims_of
from tests.support.aws import REGION, stack
from tests.support.outbox import one_invitation
from tests.support.vendors import sign_standard

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HOSTS = {"ses": "email"}
PERSON = {
    "external_id": "E-7",
    "email": "priya.anand@example.com",
    "first_name": "Priya",
    "attributes": {f"Field {number}": f"value {number}" for number in range(20)} | {"Office": "London"},
}


class Aws(BaseHTTPRequestHandler):
    """Hands requests to moto as those of the service that they were signed for."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    calls: ClassVar[list[tuple[str, str, Any]]] = []
    _one_at_a_time = threading.Lock()

    def answer(self) -> None:
        """Answer one request."""
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        service = self.headers["authorization"].split("/")[3]
        url = f"https://{HOSTS.get(service, service)}.{REGION}.amazonaws.com{self.path}"
        headers = HTTPHeaders()
        for name, value in self.headers.items():
            headers[name] = value
        with self._one_at_a_time:
            operation = self.headers.get("x-amz-target", "").rpartition(".")[2]
            self.calls.append((service, operation, json.loads(body) if operation else None))
            request = AWSPreparedRequest(self.command, url, headers, body, False)
            found = botocore_stubber.process_request(request)
        status, said, text = found or (404, {}, "")
        content = text.encode() if isinstance(text, str) else text
        self.send_response(status)
        for name, value in said.items():
            if name.lower() not in {"content-length", "date", "server"}:
                self.send_header(name, str(value))
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = answer  # noqa: N815 - as http.server wants them

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def certificate(folder: Path, roots: Path) -> tuple[Path, Path]:
    """Make a certificate for localhost; return its file, and a bundle of it and of the roots."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name.from_rfc4514_string("CN=localhost")
    at = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(at - timedelta(days=1))
        .not_valid_after(at + timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    own, bundle = folder / "localhost.pem", folder / "bundle.pem"
    own.write_bytes(private + made)
    bundle.write_bytes(roots.read_bytes() + made)
    return own, bundle


def first_events() -> dict[str, Callable[[], Any]]:
    """Return what makes an event for each function, all in one hub."""
    outbox = one_invitation(status=InvitationStatus.SENT)
    world, hub_id = outbox.world, outbox.hub_id
    numbers: Iterator[int] = count(1)
    bare: list[tuple[str, str, Any]] = []

    def webhook() -> Any:
        body = json.dumps({"type": "person.updated", "data": PERSON}).encode()
        return _request(
            "POST /hubs/{hub_id}/sources/{source_id}/events",
            body.decode(),
            {"hub_id": hub_id, "source_id": world.source_id},
            sign_standard(body, datetime.now(UTC), name=f"msg_{next(numbers)}"),
        )

    def sync() -> Any:
        number = next(numbers)
        event = world.event(f"next {number}", number, Kind.UPDATED, attributes={"Office": f"Office {number}"})
        return _messages(hub_id=hub_id, source_id=world.source_id, event_id=world.record(event))

    def api() -> Any:
        path = f"/hubs/{hub_id}/members"
        event = _request(f"GET {path}", "", {"hub_id": hub_id}, {"accept": "application/json"}) | {"rawPath": path}
        event["requestContext"]["authorizer"] = {"jwt": {"claims": claims_of(f"{hub_id}:admin"), "scopes": None}}
        return event

    def bare_calls() -> Any:
        bare.extend(Aws.calls if not bare else ())
        new = json.loads(json.dumps(bare))
        for _, operation, asked in new:
            if operation == "PutItem":  # of something new, so that no condition fails
                asked["Item"]["pk"] = {"S": f"{asked['Item']['pk']['S']}#{new_id()}"}
        return {"calls": new}

    at = {"pk": {"S": f"{hub_id}#P#{world.person_id()}"}, "sk": {"S": "-"}}
    image = clients.dynamodb().get_item(TableName=env("PEOPLE_TABLE"), Key=at)["Item"]
    key = {"bucket": {"name": "test-files"}, "object": {"key": f"uploads/{hub_id}/invites/{new_id()}/a.csv"}}
    ses = json.loads((Path(__file__).parents[2] / "events/ses/delivery-confirmed.json").read_text())
    return {
        "ReceiveWebhook": webhook,
        "SyncMember": sync,
        "AdminApi": api,
        "AcceptInvitation": lambda: _request("GET /invitations/{token}", "", {"token": outbox.token}, {}),
        "SendEmail": lambda: _messages(hub_id=hub_id, mail_id=outbox.mail().mail_id),
        "RecordDelivery": lambda: _messages(**ses),
        "RecordActivity": lambda: {
            "Records": [{"eventID": "1", "dynamodb": {"SequenceNumber": "1", "NewImage": image}}]
        },
        "ExportCsv": lambda: _messages(hub_id=hub_id, export_id=new_id()),
        "PlanUpload": lambda: _messages(Records=[{"s3": key}]),
        "ApplyPlan": lambda: _messages(hub_id=hub_id, plan_id=new_id(), part=1),
        "ErasePerson": lambda: _messages(hub_id=hub_id, person_id=world.person_id()),
        "Sweep": dict,
        "BareCalls": bare_calls,
    }


def _request(route: str, body: str, path: dict[str, str], headers: dict[str, str]) -> dict[str, Any]:
    method, _, raw_path = route.partition(" ")
    context = {"http": {"method": method, "path": raw_path}, "stage": "$default", "domainName": "api.example.com"}
    event = {"version": "2.0", "routeKey": route, "rawPath": raw_path, "rawQueryString": "", "requestContext": context}
    return event | {"pathParameters": path, "headers": headers, "body": body, "isBase64Encoded": False}


def _messages(**body: Any) -> dict[str, Any]:
    return {"Records": [{"messageId": "1", "body": json.dumps(body), "attributes": {"ApproximateReceiveCount": "1"}}]}


def main(folder: Path, roots: Path) -> None:
    """Serve until nobody asks any more."""
    answers, sys.stdout = sys.stdout, sys.stderr  # logs go elsewhere

    def say(what: dict[str, Any]) -> None:
        print(json.dumps(what), file=answers, flush=True)

    own, bundle = certificate(folder, roots)
    with stack():
        server = ThreadingHTTPServer(("127.0.0.1", 0), Aws)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(own)
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        events = first_events()
        settings = {
            name: value
            for name, value in os.environ.items()
            if name.endswith(("_TABLE", "_URL", "_BUCKET", "_ARN", "_PREFIX", "_RATE", "_ADDRESS", "_SET"))
        }
        url = f"https://localhost:{server.server_port}"
        say({"url": url, "bundle": str(bundle), "functions": list(events), "settings": settings})
        for line in sys.stdin:
            say({"event": events[line.strip()](), "calls": [call[:2] for call in Aws.calls]})
            Aws.calls.clear()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
