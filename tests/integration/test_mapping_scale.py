"""A rule that touches few members of many: who is written, and what is read for it."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from rollcall.hubs import context
from rollcall.mapping.counting import count
from rollcall.people.events import Kind
from rollcall.plans.store import get_plan
from tests.support.admin import call, claims_of
from tests.support.faults import injected
from tests.support.plans import approve, drain
from tests.support.world import World, everything

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.usefixtures("aws")

READS = ("Query", "GetItem", "BatchGetItem")
WRITES = ("PutItem", "UpdateItem", "TransactWriteItems")


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("people", "touched"), [(150, 3), pytest.param(3_000, 30, marks=pytest.mark.long)])
def test_a_rule_writes_those_it_touches_only(people: int, touched: int, figure: Callable[[str], None]) -> None:
    """Planning, approving and applying it leaves everybody else's item as it was, and reads them by the hundred."""
    world = World().build()
    ids = world.populate(people, Grade="Junior")
    for number in range(touched):
        event = world.event(f"moves{number}", 60, Kind.UPDATED, f"person-{number:04d}", attributes={"Office": "Berlin"})
        world.tell(event)
    before = {item["pk"]: item for item in everything("MEMBERS_TABLE")}
    assert [(one.value, one.people) for one in count(context.load(world.hub.hub_id)).entries()] == [("Berlin", touched)]
    rule = {"field": "Office", "value": "Berlin", "hub_type": "Segment"} | {
        "hub_field": "Location",
        "hub_attribute": "London",
    }
    hub_id = world.hub.hub_id
    with injected() as planning:
        begun = time.monotonic()
        answer = call("POST", f"/hubs/{hub_id}/mapping/rules", claims_of(f"{hub_id}:admin"), {"rules": [rule]})
        drain(world)
        planned = time.monotonic() - begun
    plan = get_plan(hub_id, answer.json["plan_id"])
    assert plan is not None
    assert plan.counts == {"rule_new": 1, "recompute": touched, "unchanged": people - touched}
    with injected() as applying:
        begun = time.monotonic()
        plan = approve(world, plan)
        applied = time.monotonic() - begun
    assert plan.counts == {"rule_new": 1, "applied": touched, "unchanged": people - touched}
    after = {item["pk"]: item for item in everything("MEMBERS_TABLE")}
    written = {pk for pk in after if after[pk] != before[pk]}
    assert written == {pk for pk in after if pk.split("#")[-1] in ids[:touched]}
    assert all(after[pk]["rev"] == before[pk]["rev"] + 1 for pk in written)
    reads, writes = (sum(Counter(applying.calls)[name] for name in names) for names in (READS, WRITES))
    assert reads < 12 * touched + people / 5 + 400
    figure(
        f"{people} members, {touched} touched: {len(written)} member items written; "
        f"planning {sum(Counter(planning.calls)[name] for name in READS)} reading calls, {planned:.1f} s; "
        f"applying {reads} reading and {writes} writing calls, {applied:.1f} s"
    )
