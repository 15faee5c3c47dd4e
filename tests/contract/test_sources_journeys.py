"""Every sample, signed, through the webhook's handler and the sync, to the expected person and member."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rollcall.hubs import store as hubs
from rollcall.hubs.model import Source
from rollcall.people import event_log
from rollcall.people.model import EventState
from rollcall.people.sync import apply_event
from rollcall.sources.registry import PROVIDERS
from tests.support.admin import call, claims_of
from tests.support.aws import stack
from tests.support.journeys import SECRETS, Journey
from tests.support.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
SOURCE = "01J8Z3QK5V7X9WB2C4D6E8FG00"


class InMemory:
    """A hub on the stores in memory, with one source connected."""

    def __init__(self, system: str) -> None:
        self.world = replace(World().build(), source_id=SOURCE)
        self.hub_id = self.world.hub.hub_id
        hubs.create_source(Source(self.hub_id, SOURCE, system, "HR", self.world.hub.salt), SECRETS[system])
        spec = importlib.util.spec_from_file_location("receive_webhook", ROOT / "functions/receive_webhook/app.py")
        assert spec is not None
        assert spec.loader is not None
        self.module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.module)

    def send(self, body: bytes, headers: dict[str, str]) -> int:
        """Call the handler as the gateway does."""
        event = {
            "requestContext": {"http": {"method": "POST"}},
            "pathParameters": {"hub_id": self.hub_id, "source_id": SOURCE},
            "headers": headers,
            "body": body.decode(),
            "isBase64Encoded": False,
        }
        return int(self.module.handler(event, None)["statusCode"])

    def settled(self) -> list[dict[str, Any]]:
        """Apply what waits, and return the log as the API shows it."""
        for event in event_log.list_events(self.hub_id, limit=500)[0]:
            if event.state is EventState.NEW:
                apply_event(self.hub_id, event.event_id)
        found: list[dict[str, Any]] = self.get("/events?limit=500")["items"]
        return found

    def person(self, external_id: str) -> dict[str, Any] | None:
        """Return a person by external id."""
        found = call("GET", f"/hubs/{self.hub_id}/people", self.admin(), query={"q": external_id}).json["items"]
        return next(iter(found), None)

    def member(self, member_id: str) -> dict[str, Any] | None:
        """Return a member."""
        answer = call("GET", f"/hubs/{self.hub_id}/members/{member_id}", self.admin())
        return answer.json if answer.status == 200 else None

    def enrol(self, external_id: str) -> None:
        """Make a member of a person, as accepting an invitation does."""
        self.world.enrol(external_id)

    def admin(self) -> dict[str, str]:
        """Return the claims of the hub's admin."""
        return claims_of(f"{self.hub_id}:admin")

    def get(self, path: str) -> Any:
        """Read from the API of the hub."""
        where, _, query = path.partition("?")
        given = dict(part.split("=") for part in query.split("&")) if query else {}
        return call("GET", f"/hubs/{self.hub_id}{where}", self.admin(), query=given).json


@pytest.fixture
def aws() -> Iterator[None]:
    """All stores of the stack, empty, in memory."""
    with stack():
        yield


@pytest.mark.parametrize("system", PROVIDERS)
def test_samples_of_a_system_lead_to_the_expected_people_and_members(aws: None, system: str) -> None:
    """After each sample, and after all of them once more, log, persons and members are as written beside them."""
    Journey(system, InMemory(system)).travel()


def test_every_system_has_its_expectations() -> None:
    """A system that is added comes with samples and with what they lead to."""
    assert set(SECRETS) == set(PROVIDERS)
    assert all(json.loads((ROOT / "events" / system / "expected.json").read_text()) for system in PROVIDERS)
