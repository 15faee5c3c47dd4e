"""On the running stack: a rule that touches few members of a large hub, published and taken back."""

from __future__ import annotations

import os
import time
import uuid
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from demo.hub_client import wait_for

from rollcall.members import store as members
from rollcall.plans.store import get_plan
from rollcall.runtime import clients
from rollcall.runtime.ids import SHARDS
from tests.support import seeding
from tests.support.admin import call, claims_of
from tests.support.aws import running
from tests.support.faults import injected
from tests.support.plans import approve, current, drain
from tests.support.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from demo.hub_client import HubApi

READS = ("Query", "GetItem", "BatchGetItem")
WRITES = ("PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems")
RULE = {
    "field": "Office",
    "value": "Berlin",
    "hub_type": "Segment",
    "hub_field": "Office",
    "hub_attribute": "Berlin",
}
QUEUES = ("PLAN_PARTS_QUEUE_URL", "EMAILS_QUEUE_URL")
PATIENCE = 3000


@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.parametrize(("people", "touched"), [(100_000, 1_000)])
def test_a_rule_writes_those_it_touches_only(
    stack: dict[str, Any], api: HubApi, figure: Callable[[str], None], people: int, touched: int
) -> None:
    """By the deployed functions; then the rule is taken out by one worker of ours, whose calls are counted."""
    source_id = api.post("/sources", {"provider": "standard", "name": "Payroll"})["source_id"]
    seeding.seed(stack, api.hub_id, source_id, people - touched, Grade="Junior")
    moved = seeding.seed(stack, api.hub_id, source_id, touched, first=people - touched, Office="Berlin")
    ids = set(moved.values())
    before = _revisions(stack, api.hub_id)
    assert len(before) == people

    begun = time.monotonic()
    plan_id = api.post("/mapping/rules", {"rules": [RULE]})["plan_id"]
    plan = wait_for("the plan", lambda: _in_state(api, plan_id, "awaiting_approval"), seconds=PATIENCE)
    planned = time.monotonic() - begun
    assert (plan["counts"]["recompute"], plan["counts"]["unchanged"]) == (touched, people - touched)
    begun = time.monotonic()
    api.post(f"/plans/{plan_id}/approve", {"hash": plan["hash"]})
    plan = wait_for("publishing", lambda: _in_state(api, plan_id, "applied"), seconds=PATIENCE)
    applied = time.monotonic() - begun
    assert (plan["counts"]["applied"], plan["counts"]["unchanged"]) == (touched, people - touched)
    after = _revisions(stack, api.hub_id)
    assert {name for name in after if after[name] != before[name]} == ids
    assert all(after[name] == before[name] + 1 for name in ids)
    figure(f"{people} members, {touched} touched: planned in {planned:.0f} s, applied in {applied:.0f} s by the stack")

    with running(stack), _queues_of_ours():
        hub_id, claims = api.hub_id, claims_of(f"{api.hub_id}:admin")
        with injected() as planning:
            removal = {"remove": [{"field": "Office", "value": "Berlin"}]}
            answer = call("POST", f"/hubs/{hub_id}/mapping/rules", claims, removal)
            world = World()
            drain(world)
        with injected() as applying:
            ours = get_plan(hub_id, answer.json["plan_id"])
            assert ours is not None
            approve(world, ours)
            drain(world)  # at most 500 messages each time, and there are more
            done = current(ours)
    assert (done.counts["applied"], done.counts["unchanged"]) == (touched, people - touched)
    last = _revisions(stack, api.hub_id)
    assert {name for name in last if last[name] != after[name]} == ids
    figure(f"the same by one worker: planning {_told(planning.calls)}; applying {_told(applying.calls)}")


def _told(calls: list[str]) -> str:
    count = Counter(calls)
    return f"{sum(count[name] for name in READS)} reading, {sum(count[name] for name in WRITES)} writing calls"


def _revisions(stack: Mapping[str, Any], hub_id: str) -> dict[str, int]:
    """Return member id → revision, of every member that is stored."""
    with running(stack):
        names = [member_id for shard in range(SHARDS) for member_id in members.ids_of_shard(hub_id, shard)]
        found: dict[str, int] = {}
        for start in range(0, len(names), 100):
            held = members.get_members(hub_id, names[start : start + 100])
            found |= {member_id: member.rev for member_id, member in held.items()}
    return found


@contextmanager
def _queues_of_ours() -> Iterator[None]:
    """Have parts of plans, and mails, sent where no deployed function takes them."""
    made = {name: clients.sqs().create_queue(QueueName=f"ours-{uuid.uuid4().hex}")["QueueUrl"] for name in QUEUES}
    os.environ |= made
    try:
        yield
    finally:
        for url in made.values():
            clients.sqs().delete_queue(QueueUrl=url)


def _in_state(api: HubApi, plan_id: str, state: str) -> dict[str, Any] | None:
    plan: dict[str, Any] = api.get(f"/plans/{plan_id}")
    return plan if plan["state"] == state else None
