from __future__ import annotations

import hmac
import json
import sys
from datetime import UTC, datetime
from types import ModuleType

import pytest

from rollcall.people import event_log
from rollcall.people.sync import apply_event
from rollcall.sources import registry
from rollcall.sources.receive import receive
from tests.integration.test_api_hubs import as_admin, made_hub

# All that a new system needs, as sources/README.md says it.
MODULE = """
import hmac

from rollcall.people.events import DirectoryEvent, Kind
from rollcall.runtime.errors import UnauthenticError
from rollcall.runtime.ids import event_name
from rollcall.runtime.times import to_text
from rollcall.sources.model import Faults, load_json, read_id
from rollcall.sources.secret import AS_SHOWN as SECRET_RULE
from rollcall.sources.secret import is_text_secret as is_secret
from rollcall.sources.secret import new_text_secret as new_secret

ANSWER = 200
SETTINGS = ()
CREDENTIALS = ()


def verify(delivery, secrets):
    made = [hmac.new(secret.encode(), delivery.body, "sha256").hexdigest() for secret in secrets if secret]
    if not any(hmac.compare_digest(delivery.headers.get("acme-signature", "").encode(), one.encode()) for one in made):
        raise UnauthenticError


def parse(delivery, source):
    faults = Faults()
    who = read_id(load_json(delivery.body).get("who"), "$.who", faults)
    faults.check()
    at = to_text(delivery.received_at)
    return [DirectoryEvent(event_name(source.source_id, who), source.source_id, who, Kind.ADDED, at)]
"""


@pytest.fixture
def acme(monkeypatch: pytest.MonkeyPatch) -> None:
    """Add a system: its module, and its name in the list."""
    module = ModuleType("rollcall.sources.acme")
    exec(compile(MODULE, "acme.py", "exec"), module.__dict__)  # noqa: S102 - the module above
    monkeypatch.setitem(sys.modules, "rollcall.sources.acme", module)
    monkeypatch.setattr(registry, "PROVIDERS", (*registry.PROVIDERS, "acme"))


def test_system_that_is_added_by_a_module_alone_works_from_connecting_to_the_person(aws: None, acme: None) -> None:
    """It can be connected, tried, rotated; its signed events are applied; nothing else had to know of it."""
    hub_id = made_hub()
    made = as_admin(hub_id, "POST", "/sources", {"provider": "acme", "name": "Acme"}).json
    path = f"/sources/{made['source_id']}"
    assert as_admin(hub_id, "POST", f"{path}/try", {"sample": {}}).json["faults"][0]["place"] == "$.who"
    secret = as_admin(hub_id, "POST", f"{path}/rotate-secret", {}).json["secret"]
    body = json.dumps({"who": "E-1"})
    headers = {"Acme-Signature": hmac.new(secret.encode(), body.encode(), "sha256").hexdigest()}
    status, said = receive(hub_id, made["source_id"], body, headers, datetime.now(UTC), is_base64=False)
    assert (status, said) == (200, {"accepted": 1, "ignored": 0})
    (event,) = event_log.list_events(hub_id, limit=10)[0]
    apply_event(hub_id, event.event_id)
    (person,) = as_admin(hub_id, "GET", "/people").json["items"]
    assert person["external_id"] == "E-1"
    assert as_admin(hub_id, "GET", path).json["health"]["days"][-1]["accepted"] == 1
