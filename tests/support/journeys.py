"""The samples of each system in the order of their times, and what is so after each: ``events/<system>/expected.json``.

A step sends one sample. ``said``: what the event log then says of each event in it. ``then``: persons by external id as
the API shows them, with their member; ``null`` for somebody who is gone. ``enrol``: who becomes a member after that.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from tests.support.vendors import (
    BAMBOOHR_SECRET,
    FINCH_SECRET,
    FORM,
    MERGE_SECRET,
    OKTA_SECRET,
    STANDARD_SECRET,
    WORKOS_SECRET,
    sign_bamboohr,
    sign_finch,
    sign_merge,
    sign_okta,
    sign_standard,
    sign_workos,
)

if TYPE_CHECKING:
    from collections.abc import Callable

EVENTS = Path(__file__).parents[2] / "events"
EXPECTED = "expected.json"
SECRETS = {
    "standard": STANDARD_SECRET,
    "workos": WORKOS_SECRET,
    "merge": MERGE_SECRET,
    "bamboohr": BAMBOOHR_SECRET,
    "okta": OKTA_SECRET,
    "finch": FINCH_SECRET,
}
_SIGN: dict[str, Callable[[bytes, datetime], dict[str, str]]] = {
    "workos": sign_workos,
    "merge": sign_merge,
    "bamboohr": sign_bamboohr,
    "okta": sign_okta,
}
_NAMED = {"standard": sign_standard, "finch": sign_finch}


def samples(system: str) -> list[str]:
    """Return the names of a system's samples."""
    return sorted(path.name for path in (EVENTS / system).iterdir() if path.is_file() and path.name != EXPECTED)


def signed(system: str, sample: str, at: datetime) -> tuple[bytes, dict[str, str]]:
    """Return body and headers of a sample as the system would send it, signed with the vendor's own package."""
    body = (EVENTS / system / sample).read_bytes()
    headers = {"content-type": FORM if sample.endswith(".form.txt") else "application/json"}
    if system in _NAMED:
        return body, headers | _NAMED[system](body, at, f"msg_{sample}")
    return body, headers | _SIGN[system](body, at)


class Place(Protocol):
    """Where a journey is made: the stores in memory, or the deployed stack."""

    def send(self, body: bytes, headers: dict[str, str]) -> int:
        """Send a delivery to the webhook and return the status of the answer."""

    def settled(self) -> list[dict[str, Any]]:
        """Wait until no event waits, and return the event log."""

    def person(self, external_id: str) -> dict[str, Any] | None:
        """Return a person as the API shows them."""

    def member(self, member_id: str) -> dict[str, Any] | None:
        """Return a member as the API shows them."""

    def enrol(self, external_id: str) -> None:
        """Make a member of a person."""


@dataclass
class Journey:
    """Sends the samples of one system, step by step, and looks at what came of each."""

    system: str
    place: Place
    known: set[str] = field(default_factory=set)
    members: dict[str, str] = field(default_factory=dict)

    def travel(self) -> None:
        """Take all steps, and send every sample a second time at the end: nothing moves."""
        steps = json.loads((EVENTS / self.system / EXPECTED).read_text())
        assert sorted(step["sample"] for step in steps) == samples(self.system)
        for step in steps:
            self.step(step)
        before = self.shown()
        for step in steps:
            assert self._send(step["sample"]) == step["answer"]
        assert len(self.place.settled()) == len(self.known)
        assert self.shown() == before

    def step(self, step: dict[str, Any]) -> None:
        """Send one sample and compare."""
        assert self._send(step["sample"]) == step["answer"], step["sample"]
        assert self.said() == step["said"], step["sample"]
        for external_id, wanted in step.get("then", {}).items():
            assert self.look(external_id, wanted) == wanted, (step["sample"], external_id)
        for external_id in step.get("enrol", ()):
            self.place.enrol(external_id)

    def said(self) -> list[str]:
        """Return what the log says of the events that are new in it."""
        new = [event for event in self.place.settled() if event["event_id"] not in self.known]
        self.known |= {event["event_id"] for event in new}
        return sorted(_said(event) for event in new)

    def look(self, external_id: str, wanted: dict[str, Any] | None) -> dict[str, Any] | None:
        """Return what is shown of a person, as far as it is wanted."""
        person = self.place.person(external_id)
        if person and person["member_id"]:
            self.members[external_id] = person["member_id"]
        member_id = self.members.get(external_id)
        member = self.place.member(member_id) if member_id else None
        if person is None:
            assert member is None, external_id
            return None
        found = {name: person[name] for name in ("email", "first_name", "last_name", "state")}
        attributes = (wanted or {}).get("attributes", {})
        shown = {name: person["attributes"].get(name) for name in attributes}
        return found | {"attributes": shown, "member": member["status"] if member else None}

    def shown(self) -> dict[str, Any]:
        """Return everybody who was ever a member, as they are now."""
        return {external_id: self.look(external_id, None) for external_id in self.members}

    def _send(self, sample: str) -> int:
        return self.place.send(*signed(self.system, sample, datetime.now(UTC)))


def _said(event: dict[str, Any]) -> str:
    return event["reason"] if event["state"] == "ignored" else f"{event['kind']} {event['state']}"
