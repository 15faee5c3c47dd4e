"""A server on this machine that answers as Finch's and BambooHR's APIs do, and fails as they may.

The question's ``Host`` header says whose API is meant. Faults come by seed, so a run can be repeated: 429 with
``Retry-After``, 500, an answer that is not JSON, one of another shape, one that comes too late, a closed connection.
"""

from __future__ import annotations

import base64
import json
import random
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

FINCH_TOKEN = "finch-token-for-tests"
BAMBOOHR_KEY = "bamboohr-key-for-tests"
BAMBOOHR_DOMAIN = "harbour"
FINCH_CREDENTIALS = {"access_token": FINCH_TOKEN}
BAMBOOHR_CREDENTIALS = {"company_domain": BAMBOOHR_DOMAIN, "api_key": BAMBOOHR_KEY}
FAULTS = ("too_many", "failed", "not_json", "other_shape", "slow", "closed")
OK = 200
_FAULTY = {
    "too_many": (429, b""),
    "failed": (500, b"<html>Sorry</html>"),
    "not_json": (200, b'{"id": '),
    "other_shape": (200, b'{"responses": {}, "id": []}'),
}


@dataclass
class VendorServer:
    """What the server knows and how it behaves; may be changed while it runs.

    Attributes
    ----------
    individuals, employments
        Finch's records by individual id.
    employees
        BambooHR's records by employee id, with all of their fields.
    faults
        Which faults may come.
    rate
        The share of questions that meet one.
    asked
        Every question: seconds since 1970, vendor, id.
    refused
        How many questions came with wrong credentials.
    faulty
        How many met a fault.
    """

    seed: int = 1
    rate: float = 0.0
    faults: tuple[str, ...] = FAULTS
    retry_after: str = "1"
    slow_seconds: float = 6.0
    individuals: dict[str, dict[str, Any]] = field(default_factory=dict)
    employments: dict[str, dict[str, Any]] = field(default_factory=dict)
    employees: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: list[tuple[float, str, str]] = field(default_factory=list)
    refused: int = 0
    faulty: int = 0
    url: str = ""

    def __post_init__(self) -> None:
        """Begin the row of chances."""
        self._lock = threading.Lock()
        self._chance = random.Random(self.seed)

    def add_finch(self, individual_id: str, email: str, **employment: Any) -> None:
        """Add somebody to Finch."""
        self.individuals[individual_id] = {
            "id": individual_id,
            "first_name": "Priya",
            "middle_name": None,
            "last_name": "Raman",
            "dob": "1990-01-01",
            "emails": [{"data": f"home.{email}", "type": "personal"}, {"data": email, "type": "work"}],
        }
        self.employments[individual_id] = {
            "id": individual_id,
            "title": "Field Organiser",
            "department": {"name": "Field"},
            "is_active": True,
            "employment_status": "active",
            "start_date": "2024-02-01",
            "end_date": None,
            "custom_fields": [{"name": "Chapter", "value": "East Bay"}, {"name": "Volunteer", "value": True}],
        } | employment

    def add_bamboohr(self, employee_id: str, email: str, **fields: Any) -> None:
        """Add somebody to BambooHR."""
        self.employees[employee_id] = {
            "firstName": "Aiko",
            "lastName": "Tanaka",
            "workEmail": email,
            "homeEmail": f"home.{email}",
            "status": "Active",
            "hireDate": "2024-02-01",
            "terminationDate": "0000-00-00",
            "department": "Field",
            "jobTitle": "Field Organiser",
        } | fields

    def fault(self) -> str | None:
        """Return the fault of the next question, if it is to meet one."""
        with self._lock:
            if self._chance.random() >= self.rate:
                return None
            self.faulty += 1
            return self._chance.choice(self.faults)

    def finch(self, table: dict[str, dict[str, Any]], authorization: str, body: bytes) -> tuple[int, Any]:
        """Answer ``POST /employer/individual`` and ``/employer/employment``."""
        if authorization != f"Bearer {FINCH_TOKEN}":
            self.refused += 1
            return 401, {"code": 401, "name": "unauthorized", "message": "No."}
        responses = []
        for wanted in json.loads(body)["requests"]:
            name = wanted["individual_id"]
            self.asked.append((time.time(), "finch", name))
            missing = {"code": 404, "name": "not_found", "finch_code": "individual_not_found", "message": "No."}
            responses.append(
                {"individual_id": name, "code": 200 if name in table else 404, "body": table.get(name, missing)}
            )
        return 200, {"responses": responses}

    def bamboohr(self, authorization: str, path: str) -> tuple[int, Any]:
        """Answer ``GET /api/v1/employees/{id}?fields=...``."""
        if authorization != "Basic " + base64.b64encode(f"{BAMBOOHR_KEY}:x".encode()).decode():
            self.refused += 1
            return 401, None
        url = urlsplit(path)
        name = unquote(url.path.removeprefix("/api/v1/employees/"))
        self.asked.append((time.time(), "bamboohr", name))
        if name not in self.employees:
            return 404, None
        wanted = parse_qs(url.query)["fields"][0].split(",")
        return 200, {"id": name} | {key: self.employees[name].get(key) for key in wanted}


@contextmanager
def vendor_server(server: VendorServer, port: int = 0) -> Iterator[VendorServer]:
    """Run the server on loopback; ``server.url`` says where."""
    listener = ThreadingHTTPServer(("127.0.0.1", port), _handler(server))
    listener.daemon_threads = True
    thread = threading.Thread(target=listener.serve_forever, daemon=True)
    thread.start()
    server.url = f"http://127.0.0.1:{listener.server_address[1]}"
    try:
        yield server
    finally:
        listener.shutdown()
        listener.server_close()
        thread.join()


def _handler(server: VendorServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """Answer a question to BambooHR."""
            self._answer(*server.bamboohr(self.headers.get("Authorization", ""), self.path))

        def do_POST(self) -> None:
            """Answer a question to Finch."""
            body = self.rfile.read(int(self.headers["Content-Length"]))
            table = server.individuals if self.path == "/employer/individual" else server.employments
            self._answer(*server.finch(table, self.headers.get("Authorization", ""), body))

        def _answer(self, status: int, content: Any) -> None:
            body = b"" if content is None else json.dumps(content).encode()
            fault = server.fault() if status == OK else None
            if fault == "closed":
                self.close_connection = True
                self.connection.close()
                return
            if fault == "slow":
                time.sleep(server.slow_seconds)
            status, body = _FAULTY.get(fault or "", (status, body))
            with suppress(OSError):  # whoever asked has gone away
                self.send_response(status)
                if fault == "too_many":
                    self.send_header("Retry-After", server.retry_after)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

        def finish(self) -> None:
            """End quietly, also where the connection is gone."""
            with suppress(OSError, ValueError):
                super().finish()

    return Handler
