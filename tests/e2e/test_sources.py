"""Every system's samples, signed as by the vendor, through the deployed webhook; and a secret that changes midway."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from demo.hub_client import HubApi, StandardSource, wait_for

from rollcall.hubs import store as hubs
from rollcall.sources.registry import PROVIDERS
from tests.support.aws import running
from tests.support.journeys import SECRETS, Journey
from tests.support.vendors import sign_standard
from tests.support.world import World

JUNK = (b"", b"\xff\xfe\x00", b"[", b"null", b'{"maya": "okafor"}', b"[" * 50_000)
BIG = 1024 * 1024
SLOW = 150.0  # of use only where the machine is shared with much else


@dataclass
class Deployed:
    """A hub on the running stack, with one source connected."""

    stack: dict[str, Any]
    api: HubApi
    source: dict[str, Any]

    def send(self, body: bytes, headers: dict[str, str]) -> int:
        """Send a delivery to the webhook."""
        return self.api.http.post(self.source["webhook_url"], content=body, headers=headers).status_code

    def settled(self) -> list[dict[str, Any]]:
        """Wait until no event is new, and return the log."""

        def look() -> list[dict[str, Any]] | None:
            found = list(self.api.all("/events"))
            return found if all(event["state"] != "new" for event in found) else None

        return wait_for("applying the events", look, seconds=SLOW)

    def person(self, external_id: str) -> dict[str, Any] | None:
        """Return a person by external id."""
        items: list[dict[str, Any]] = self.api.get(f"/people?{httpx.QueryParams({'q': external_id})}")["items"]
        return next(iter(items), None)

    def member(self, member_id: str) -> dict[str, Any] | None:
        """Return a member."""
        answer = self.api.call("GET", f"/members/{member_id}")
        return answer.json() if answer.is_success else None

    def enrol(self, external_id: str) -> None:
        """Make a member of a person, straight in the tables: invitations have tests of their own."""
        with running(self.stack):
            World(hub=hubs.get_hub(self.api.hub_id), source_id=self.source["source_id"]).enrol(external_id)


@pytest.mark.parametrize("system", PROVIDERS)
def test_samples_of_a_system_lead_to_the_expected_people_and_members(
    stack: dict[str, Any], api: HubApi, system: str
) -> None:
    """After each sample, and after all of them once more, log, persons and members are as written beside them."""
    made = api.post("/sources", {"provider": system, "name": "HR", "secret": SECRETS[system]})
    Journey(system, Deployed(stack, api, made)).travel()
    health = api.get(f"/sources/{made['source_id']}")["health"]
    assert health["last_success_at"]
    assert sum(day["accepted"] + day["ignored"] for day in health["days"]) == len(list(api.all("/events")))


def test_bodies_of_every_size_and_kind_are_answered_by_the_rules(api: HubApi) -> None:
    """1 MiB is read and one byte more is 413, bytes that are no text too; signed junk is 400, unsigned 401."""
    made = api.post("/sources", {"provider": "standard", "name": "HR"})

    def send(body: bytes, *, is_signed: bool = True, kind: str = "application/json") -> int:
        moment = datetime.now(UTC)
        text = body.decode("latin-1") if kind == "application/json" else ""
        headers = sign_standard(text.encode("latin-1"), moment, "msg_1", made["secret"]) if is_signed else {}
        headers["content-type"] = kind
        return api.http.post(made["webhook_url"], content=body, headers=headers).status_code

    for body in JUNK:
        if body.isascii():
            assert send(body) == 400, body[:20]
        assert send(body, is_signed=False) == 401, body[:20]
        assert send(body, is_signed=False, kind="application/octet-stream") == 401, body[:20]
    assert send(b" " * BIG) == 400
    assert send(b" " * (BIG + 1)) == 413
    assert send(b"\xff" * (BIG + 1), is_signed=False, kind="application/octet-stream") == 413
    assert list(api.all("/events")) == []
    health = api.get(f"/sources/{made['source_id']}")["health"]
    assert health["last_failure_code"] in ("malformed", "unauthentic", "too_large")


def _rotate_midway(api: HubApi, count: int, seed: int) -> dict[str, float]:
    """Send so many signed events, with a rotation in the middle that the sender follows a little later.

    Sender and admin know nothing of each other: for a while events are signed with one secret or the other, as it
    happens with senders of several machines.
    """
    chance = random.Random(seed)
    made = api.post("/sources", {"provider": "standard", "name": "HR"})
    source = StandardSource(made["webhook_url"], made["secret"])
    rotated_at = chance.randrange(count // 3, count // 2)
    switched_at = rotated_at + chance.randrange(1, count // 4)
    new = ""
    refused: list[int] = []
    started = time.monotonic()
    with source.http:
        for number in range(count):
            if number == rotated_at:
                new = api.post(f"/sources/{made['source_id']}/rotate-secret", {})["secret"]
            overlaps = rotated_at <= number < switched_at
            is_new = number >= switched_at or (overlaps and chance.random() < 0.5)
            source.secret = new if is_new else made["secret"]
            event = {"type": "person.added", "data": {"external_id": f"E-{number:04d}"}}
            answer = source.send(event, name=f"msg_{number:04d}")
            if answer.status_code != 202:
                refused.append(answer.status_code)
    seconds = time.monotonic() - started
    assert refused == []
    shown = api.get(f"/sources/{made['source_id']}")
    newest, old = shown["secrets"]
    assert newest["last_used_at"] > old["last_used_at"]
    retired = api.call("DELETE", f"/sources/{made['source_id']}/secrets/{old['secret_id']}")
    assert retired.status_code == 200
    source = StandardSource(made["webhook_url"], made["secret"])
    with source.http:
        late = source.send({"type": "person.added", "data": {"external_id": "E-late"}})
    assert late.status_code == 401
    return {"rotated_at": rotated_at, "switched_at": switched_at, "seconds": seconds}


def _all_applied(api: HubApi, count: int) -> bool:
    found = [event["state"] for event in api.all("/events")]
    return len(found) == count and set(found) == {"applied"}


def test_rotation_midway_loses_no_event(api: HubApi) -> None:
    """150 events, a rotation among them that the sender follows later: every one is taken and applied."""
    figures = _rotate_midway(api, 150, seed=7)
    wait_for("applying all of them", lambda: _all_applied(api, 150), seconds=SLOW)
    print(f"150 events, rotation: {figures}")


@pytest.mark.long
@pytest.mark.timeout(3_000)
def test_rotation_in_a_long_stream_loses_no_event(api: HubApi) -> None:
    """1,000 events, a rotation among them that the sender follows later: every one is taken and applied."""
    figures = _rotate_midway(api, 1_000, seed=random.randrange(1_000_000))
    wait_for("applying all of them", lambda: _all_applied(api, 1_000), seconds=600)
    print(f"1,000 events, rotation: {figures}")


def test_transform_is_applied_by_the_deployed_webhook(api: HubApi) -> None:
    """The client's own JSON becomes persons; trying it before stored nothing; the try and the real thing agree."""
    expression = "staff[*].{type: 'person.added', data: {external_id: to_string(no), email: mail, first_name: name}}"
    made = api.post("/sources", {"provider": "standard", "name": "HR", "transform": expression})
    body = {"staff": [{"no": n, "mail": f"e{n}@example.com", "name": f"E{n}"} for n in (1, 2)]}
    tried = api.post(f"/sources/{made['source_id']}/try", {"sample": body})
    assert ([event["external_id"] for event in tried["events"]], tried["faults"]) == (["1", "2"], [])
    source = StandardSource(made["webhook_url"], made["secret"])
    with source.http:
        assert source.send(body).json() == {"accepted": 2, "ignored": 0}
    wait_for("applying them", lambda: _all_applied(api, 2), seconds=SLOW)
    assert sorted(person["email"] for person in api.all("/people")) == ["e1@example.com", "e2@example.com"]


def test_many_events_of_okta_are_taken_at_once_and_answered_with_nothing(api: HubApi) -> None:
    """Okta wants an empty answer, soon: 40 events of one delivery are written several at a time, each once."""
    made = api.post("/sources", {"provider": "okta", "name": "Okta"})
    event = {
        "eventType": "user.lifecycle.create",
        "published": "2026-11-02T09:15:22.104Z",
        "outcome": {"result": "SUCCESS"},
    }
    events = [
        {
            **event,
            "uuid": f"uuid-{n}",
            "target": [{"type": "User", "id": f"00u{n}", "alternateId": f"u{n}@example.com"}],
        }
        for n in range(40)
    ]
    headers = {"authorization": made["secret"]}
    begin = time.monotonic()
    for _ in range(2):
        answer = api.http.post(made["webhook_url"], json={"data": {"events": events}}, headers=headers)
        assert (answer.status_code, answer.content) == (204, b"")
    print(f"twice 40 events of Okta answered in {time.monotonic() - begin:.2f} s")
    wait_for("applying them", lambda: _all_applied(api, 40), seconds=SLOW)
