"""A client of the running stack: the admin API with a token, and HR systems that sign their webhooks.

Signatures come from the vendors' packages, never from our own code.
"""

from __future__ import annotations

import csv
import email
import email.policy
import io
import json
import re
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import httpx
from standardwebhooks import Webhook
from workos.actions import _compute_signature

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from email.message import EmailMessage

ROOT = Path(__file__).resolve().parent.parent
Json = Any
Found = TypeVar("Found")


class GaveUpError(Exception):
    """Something that should have happened did not within its time."""


class AnswerError(Exception):
    """The API refused."""

    def __init__(self, status: int, body: Json) -> None:
        super().__init__(f"{status}: {body}")
        self.status = status
        self.body = body


def load_stack(path: Path) -> dict[str, Any]:
    """Read ``.local/stack.json``."""
    stack: dict[str, Any] = json.loads(path.read_text())
    return stack


def new_hub(stack: dict[str, Any], folder: Path, name: str, admin: str) -> dict[str, Any]:
    """Make a hub and its admin with the documented command, and return the stack as that admin sees it.

    The command's own stack file is left in ``folder``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "stack.json"
    path.write_text(json.dumps({key: stack[key] for key in stack.keys() - {"hub_id", "admin_token", "admin_email"}}))
    command = [sys.executable, str(ROOT / "tools" / "create_hub.py"), "--stack", str(path)]
    subprocess.run(  # noqa: S603 - our own command
        [*command, "--name", name, "--admin-email", admin], check=True, stdout=subprocess.DEVNULL
    )
    return load_stack(path)


def read_mail(path: Path) -> EmailMessage:
    """Read a mail as the recorder wrote it down."""
    return email.message_from_bytes(path.read_bytes(), policy=email.policy.default)


def invitation_link(message: EmailMessage) -> str:
    """Return the link that a person would press, taken from the text of the mail."""
    part = message.get_body(("plain",))
    found = re.search(r"https?://\S+/invitations/[\w-]+", part.get_content() if part else "")
    if found is None:
        msg = "the mail has no invitation link"
        raise GaveUpError(msg)
    return found.group()


def wait_for(what: str, look: Callable[[], Found | None], *, seconds: float = 60) -> Found:
    """Look again until there is something to see.

    Raises
    ------
    GaveUpError
        Naming what did not happen.
    """
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(0.2)
    msg = f"{what} did not happen within {seconds:.0f} seconds"
    raise GaveUpError(msg)


@dataclass
class HubApi:
    """The admin API of one hub, as an admin with a token uses it."""

    api_url: str
    hub_id: str
    token: str
    http: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=30))

    @classmethod
    def of(cls, stack: dict[str, Any]) -> HubApi:
        """Return the API of the seeded hub."""
        return cls(stack["api_url"].rstrip("/"), stack["hub_id"], stack["admin_token"])

    def call(self, method: str, path: str, body: Json = None, **headers: str) -> httpx.Response:
        """Call ``/hubs/<hub id><path>`` and return the answer whatever it is."""
        sent = {"authorization": f"Bearer {self.token}", **headers}
        url = f"{self.api_url}/hubs/{self.hub_id}{path}"
        if isinstance(body, str):
            return self.http.request(method, url, content=body.encode(), headers={"content-type": "text/plain", **sent})
        return self.http.request(method, url, json=body, headers=sent)

    def get(self, path: str) -> Json:
        """Return what lies at a path of the hub."""
        return self._checked(self.call("GET", path))

    def post(self, path: str, body: Json = None) -> Json:
        """Post to a path of the hub."""
        return self._checked(self.call("POST", path, body))

    def patch(self, path: str, body: Json) -> Json:
        """Patch what lies at a path of the hub."""
        return self._checked(self.call("PATCH", path, body))

    def put(self, path: str, body: Json) -> Json:
        """Put to a path of the hub."""
        return self._checked(self.call("PUT", path, body))

    def all(self, path: str) -> Iterator[Json]:
        """Yield the items of a list, page after page."""
        cursor: str | None = ""
        while cursor is not None:
            query = httpx.QueryParams({"limit": "200"} | ({"cursor": cursor} if cursor else {}))
            answer = self.get(f"{path}{'&' if '?' in path else '?'}{query}")
            yield from answer["items"]
            cursor = answer["next_cursor"]

    def download(self, path: str) -> bytes:
        """Follow a path that redirects to a file, and return the file."""
        answer = self.call("GET", path)
        if answer.status_code != httpx.codes.FOUND:
            raise AnswerError(answer.status_code, answer.text)
        return self.http.get(answer.headers["location"]).content

    def upload(self, kind: str, filename: str, content: bytes) -> str:
        """Upload a file as an admin does and return the upload id; the work starts by itself."""
        form = self.post("/uploads", {"kind": kind, "filename": filename})
        answer = self.http.post(form["url"], data=form["fields"], files={"file": (filename, content)})
        if answer.status_code not in (httpx.codes.OK, httpx.codes.CREATED, httpx.codes.NO_CONTENT):
            raise AnswerError(answer.status_code, answer.text)
        return str(form["upload_id"])

    def planned(self, upload_id: str) -> Json:
        """Wait until an upload has been read and return its plan; the upload itself where it was refused."""

        def look() -> Json:
            upload = self.get(f"/uploads/{upload_id}")
            if upload["state"] in ("refused", "failed"):
                return upload
            if upload["state"] == "planned":
                return self.get(f"/plans/{upload['plan_id']}")
            return None

        return wait_for("planning the upload", look)

    def settled(self, plan_id: str, *, seconds: float = 90) -> Json:
        """Wait until a plan is applied or failed and return it."""

        def look() -> Json:
            plan = self.get(f"/plans/{plan_id}")
            return plan if plan["state"] in ("applied", "failed", "rejected") else None

        return wait_for("applying the plan", look, seconds=seconds)

    def approve(self, plan: Json, *, seconds: float = 90) -> Json:
        """Approve a plan as it was shown, wait until it is applied or failed and return it."""
        self.post(f"/plans/{plan['plan_id']}/approve", {"hash": plan["hash"]})
        return self.settled(plan["plan_id"], seconds=seconds)

    def add_members(self, people: Iterable[Mapping[str, str]], *, seconds: float = 300) -> Json:
        """Bring people in as members by a members file, as an existing community comes in, and return the plan.

        Parameters
        ----------
        people
            For each, column → cell: ``email`` and ``roles``, and what else the members file may have.
        """
        rows = list(people)
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, list(dict.fromkeys(name for row in rows for name in row)))
        writer.writeheader()
        writer.writerows(rows)
        plan = self.planned(self.upload("members", "community.csv", text.getvalue().encode()))
        return self.approve(plan, seconds=seconds)

    @staticmethod
    def _checked(answer: httpx.Response) -> Json:
        if answer.is_error:
            try:
                raise AnswerError(answer.status_code, answer.json())
            except json.JSONDecodeError:
                raise AnswerError(answer.status_code, answer.text) from None
        return answer.json() if answer.content else None


@dataclass
class StandardSource:
    """A client's own HR system: canonical events, signed as Standard Webhooks says."""

    url: str
    secret: str
    http: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=30))

    def send(self, events: Json, *, name: str = "", at: datetime | None = None, signature: str = "") -> httpx.Response:
        """Send an event or a list of them; ``signature`` replaces the right one."""
        body = json.dumps(events, ensure_ascii=False)
        moment = at or datetime.now(UTC)
        name = name or f"msg_{uuid.uuid4().hex}"
        headers = {
            "webhook-id": name,
            "webhook-timestamp": str(int(moment.timestamp())),
            "webhook-signature": signature or Webhook(self.secret).sign(name, moment, body),
            "content-type": "application/json",
        }
        return self.http.post(self.url, content=body.encode(), headers=headers)


@dataclass
class WorkosSource:
    """A WorkOS directory."""

    url: str
    secret: str
    http: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=30))

    def send(self, event: Json, *, at: datetime | None = None, signature: str = "") -> httpx.Response:
        """Send one event; ``signature`` replaces the right one."""
        body = json.dumps(event, ensure_ascii=False)
        stamp = str(int((at or datetime.now(UTC)).timestamp() * 1000))
        signed = signature or _compute_signature(f"{stamp}.{body}", self.secret)
        headers = {"workos-signature": f"t={stamp}, v1={signed}", "content-type": "application/json"}
        return self.http.post(self.url, content=body.encode(), headers=headers)
