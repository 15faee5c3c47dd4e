"""On the running stack: a new office arrives, is told, mapped, and its version taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from demo.hub_client import StandardSource, wait_for

from tests.support import seeding

if TYPE_CHECKING:
    from demo.hub_client import HubApi

PEOPLE = 6
MOVED = (1, 4)
SEEN = "2026-10-05T08:01:00.000Z"


def test_a_new_office_arrives_by_event_is_mapped_and_taken_back(stack: dict[str, Any], api: HubApi) -> None:
    """Two move to Berlin, one who is no member is there: three wait; the two get the option, and lose it again."""
    made = api.post("/sources", {"provider": "standard", "name": "Payroll"})
    source = StandardSource(made["webhook_url"], made["secret"])
    ids = seeding.seed(stack, api.hub_id, made["source_id"], PEOPLE, Grade="Junior")
    moved = {ids[seeding.external_id(number)] for number in MOVED}
    with source.http:
        told = [seeding.event(number, attributes={"Office": "Berlin"}) for number in MOVED]
        new = seeding.event(99, "person.added", email="new@example.com", attributes={"Office": "berlin "})
        answer = source.send([*told, new | {"timestamp": SEEN}])
    assert answer.is_success, answer.text
    (entry,) = wait_for("the new office", lambda: [one for one in _drift(api, "Office") if one["people"] == 3])
    assert (entry["value"].strip().casefold(), entry["first_seen"], entry["suggestion"]) == ("berlin", SEEN, None)

    rule = {
        "field": "Office",
        "value": "Berlin",
        "hub_type": "Segment",
        "hub_field": "Office",
        "hub_attribute": "Berlin",
    }
    first = _approved(api, api.post("/mapping/rules", {"rules": [rule]}), moved)
    assert _offices(api) == {one: ["Berlin"] for one in moved}
    assert _drift(api, "Office") == []

    other = {
        "field": "Grade",
        "value": "Senior",
        "hub_type": "Segment",
        "hub_field": "Grade",
        "hub_attribute": "Senior",
    }
    both = {"rules": [other], "remove": [{"field": "office", "value": "BERLIN"}]}
    second = _approved(api, api.post("/mapping/rules", both), moved)
    assert _offices(api) == {}
    assert [one["people"] for one in _drift(api, "Office")] == [3]

    _approved(api, api.post(f"/mapping/versions/{first}/restore", {}), moved)
    assert _offices(api) == {one: ["Berlin"] for one in moved}
    versions = [one["version"] for one in api.all("/mapping/versions")]
    assert versions == [second + 1, second, first]


def _rule(field: str, value: str) -> dict[str, str]:
    return {"field": field, "value": value, "hub_type": "Segment", "hub_field": field, "hub_attribute": value}


def _approved(api: HubApi, plan: dict[str, Any], touched: set[str]) -> int:
    """Approve a plan that changes just these members, and return the version it publishes."""
    path = f"/plans/{plan['plan_id']}"
    plan = wait_for("the plan", lambda: _in_state(api, path, "awaiting_approval"))
    changes = list(api.all(f"{path}/changes"))
    assert {one["subject"] for one in changes if one["outcome"] == "recompute"} == touched
    api.post(f"{path}/approve", {"hash": plan["hash"]})
    wait_for("publishing", lambda: _in_state(api, path, "applied"))
    return int(api.get("/mapping")["version"])


def _in_state(api: HubApi, path: str, state: str) -> dict[str, Any] | None:
    plan: dict[str, Any] = api.get(path)
    return plan if plan["state"] == state else None


def _drift(api: HubApi, field: str) -> list[dict[str, Any]]:
    return [one for one in api.all("/mapping/unmapped") if one["field"] == field]


def _offices(api: HubApi) -> dict[str, list[str]]:
    """Return member id → office, of those who have one."""
    return {one["member_id"]: found for one in api.all("/members") if (found := one["segments"].get("Office"))}
