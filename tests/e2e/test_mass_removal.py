"""On the running stack: a broken feed that deactivates a large part of a hub is stopped at the limit, and undone."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from demo.hub_client import wait_for

from tests.support.seeding import event, external_id, seed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from demo.hub_client import HubApi, StandardSource

SENDERS = WORKERS = 8
BATCH = 5
TRIES = 10


@pytest.fixture
def workers(stack: dict[str, Any], aws_client: Callable[[str], Any]) -> Iterator[Callable[[bool], None]]:
    """Let eight workers apply events at once; yields what lets them rest, and lets them loose together."""
    client = aws_client("lambda")
    (mapping,) = client.list_event_source_mappings(FunctionName=stack["functions"]["sync_member"])[
        "EventSourceMappings"
    ]

    def set_working(is_working: bool, most: int = WORKERS) -> None:  # noqa: FBT001 - one word, one meaning
        client.update_event_source_mapping(
            UUID=mapping["UUID"], Enabled=is_working, ScalingConfig={"MaximumConcurrency": most}
        )

    yield set_working
    set_working(True, mapping["ScalingConfig"]["MaximumConcurrency"])


@pytest.mark.timeout(900)
def test_feed_that_deactivates_two_fifths_of_100_members_is_stopped_and_undone(
    api: HubApi, own_system: StandardSource, hub: dict[str, Any], figure: Callable[[str], None]
) -> None:
    """Ten of forty leave and thirty wait; one notice per admin; nobody held changes; the ten come back as one."""
    figure(_stop_and_undo(api, own_system, hub, members=100, limit=10))


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_feed_that_deactivates_two_fifths_of_1000_members_is_stopped_and_undone_with_eight_workers(
    api: HubApi,
    own_system: StandardSource,
    hub: dict[str, Any],
    workers: Callable[[bool], None],
    figure: Callable[[str], None],
) -> None:
    """The same with 1,000 members, of whom five percent may leave; all events lie there when eight workers begin."""
    figure(_stop_and_undo(api, own_system, hub, members=1000, limit=50, workers=workers))


def _stop_and_undo(
    api: HubApi,
    source: StandardSource,
    hub: dict[str, Any],
    *,
    members: int,
    limit: int,
    workers: Callable[[bool], None] = lambda _: None,
) -> str:
    begun = time.monotonic()
    told = [f"ada-{hub['hub_id'].lower()}@example.com", f"ben-{hub['hub_id'].lower()}@example.com"]
    listed = [{"email": email, "role": "admin", "notices": ["held_removals"]} for email in told]
    api.put("/admins", {"items": [*listed, {"email": "vic@example.com", "role": "admin", "notices": []}]})
    (connected,) = api.get("/sources")["items"]
    ids = seed(hub, hub["hub_id"], connected["source_id"], members, Country="Malta")
    leaving = range(members * 2 // 5)
    seeded = time.monotonic()

    workers(False)
    _leave(source, leaving)
    workers(True)
    _settled(api, len(leaving), seconds=300 + members)
    fed = time.monotonic()

    states = Counter((one["state"], one["reason"]) for one in api.all("/events"))
    assert states == {("applied", "person_deactivated"): limit, ("held", "removal_held"): len(leaving) - limit}
    after = _statuses(api)
    assert Counter(after.values()) == {"inactive": limit, "active": members - limit}
    assert {member_id for member_id, status in after.items() if status == "inactive"} <= {
        ids[external_id(number)] for number in leaving
    }
    assert sorted(_notices(api, hub, told)) == sorted(told)

    plan = _made(api, _held_plan(api)["plan_id"])
    assert plan["counts"] == {"deactivate": len(leaving) - limit}
    held = {change["subject"] for change in api.all(f"/plans/{plan['plan_id']}/changes")}
    assert held == {ids[external_id(number)] for number in leaving} - {
        member_id for member_id, status in after.items() if status == "inactive"
    }
    before = _members(api)
    api.post(f"/plans/{plan['plan_id']}/reject", {"reason": "The feed was broken."})
    assert _members(api) == before

    undoing = _made(api, api.post(f"/plans/{plan['plan_id']}/undo")["plan_id"])
    assert undoing["counts"] == {"reverse": limit}
    assert api.approve(undoing, seconds=300)["counts"] == {"reversed": limit}
    assert Counter(_statuses(api).values()) == {"active": members}
    assert len(_notices(api, hub, told)) == len(told)
    return (
        f"{members} members, {len(leaving)} deactivations by {SENDERS} senders: {limit} left, {len(held)} held, "
        f"{len(told)} notices; seeding {seeded - begun:.0f} s, feed {fed - seeded:.0f} s, "
        f"all {time.monotonic() - begun:.0f} s"
    )


def _leave(source: StandardSource, numbers: range) -> None:
    """Let eight senders say at once that these people left; without an answer each sends the same again."""
    batches = [numbers[start : start + BATCH] for start in range(0, len(numbers), BATCH)]

    def send(batch: range) -> int:
        events, name = [event(number, "person.deactivated") for number in batch], f"leaving-{batch.start}"
        for _ in range(TRIES):
            with suppress(httpx.TransportError):
                answer = source.send(events, name=name)
                if answer.is_success:
                    return answer.status_code
        raise AssertionError

    with ThreadPoolExecutor(SENDERS) as pool:
        assert set(pool.map(send, batches)) == {202}


def _settled(api: HubApi, count: int, *, seconds: float) -> None:
    def look() -> bool:
        states = [one["state"] for one in api.all("/events")]
        return len(states) == count and "new" not in states

    wait_for("every event having had its effect", look, seconds=seconds)


def _members(api: HubApi) -> dict[str, dict[str, Any]]:
    return {member["member_id"]: dict(member) for member in api.all("/members")}


def _statuses(api: HubApi) -> dict[str, str]:
    return {member_id: member["status"] for member_id, member in _members(api).items()}


def _held_plan(api: HubApi) -> dict[str, Any]:
    (plan,) = [plan for plan in api.all("/plans") if plan["kind"] == "held_removals"]
    assert plan["is_growing"]
    return dict(plan)


def _made(api: HubApi, plan_id: str) -> dict[str, Any]:
    """Look at a plan until it is made."""

    def look() -> dict[str, Any] | None:
        plan = api.get(f"/plans/{plan_id}")
        return dict(plan) if plan["state"] == "awaiting_approval" else None

    return wait_for("the plan being made", look, seconds=180)


def _notices(api: HubApi, hub: dict[str, Any], told: list[str]) -> list[str]:
    """Return who got a mail, once there are as many as there are to be told."""

    def look() -> list[str] | None:
        index = api.http.get(f"{hub['recorder_url']}/messages").json()["messages"]
        found = [mail for mail in index if mail["to"][0] in told]
        return [mail["to"][0] for mail in found] if len(found) >= len(told) else None

    return wait_for("the notices", look, seconds=180)
