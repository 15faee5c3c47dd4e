"""A rule that touches few members of many: who is written, and what is read for it."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from rollcall.hubs import context
from rollcall.mapping.counting import count
from rollcall.people.events import Kind
from rollcall.plans import mapping_change, parts, planning
from rollcall.plans.store import get_plan
from rollcall.runtime import lists
from tests.support.admin import call, claims_of
from tests.support.faults import injected
from tests.support.plans import approve, drain
from tests.support.units import counted
from tests.support.world import World, everything

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.usefixtures("aws")

READS = ("Query", "GetItem", "BatchGetItem")
RULE = {
    "field": "Office",
    "value": "Berlin",
    "hub_type": "Segment",
    "hub_field": "Location",
    "hub_attribute": "London",
}
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
    hub_id = world.hub.hub_id
    with injected() as planning:
        begun = time.monotonic()
        answer = call("POST", f"/hubs/{hub_id}/mapping/rules", claims_of(f"{hub_id}:admin"), {"rules": [RULE]})
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


def test_planning_in_many_runs_reads_each_member_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each run goes on behind whom the last one listed: the plan is the same, and what is read does not grow."""
    world = World().build()
    world.populate(240, Grade="Junior")
    world.populate(10, first=240, Office="Berlin")
    hub_id, read = world.hub.hub_id, list[float]()
    subjects: list[list[str]] = []
    monkeypatch.setattr(planning, "PART_SIZE", 40)
    monkeypatch.setattr(mapping_change, "BATCH", 10)
    monkeypatch.setattr(lists, "BATCH", 5)
    for run_seconds in (60.0, -1.0):
        monkeypatch.setattr(planning, "RUN_SECONDS", run_seconds)
        with counted() as units:
            answer = call("POST", f"/hubs/{hub_id}/mapping/rules", claims_of(f"{hub_id}:admin"), {"rules": [RULE]})
            drain(world)
        plan = get_plan(hub_id, answer.json["plan_id"])
        assert plan is not None
        assert plan.counts == {"rule_new": 1, "recompute": 10, "unchanged": 240}
        listed = range(1, plan.parts - plan.tail + 1)
        found = [one for part in listed for one in parts.read_part(plan.hub_id, plan.plan_id, part)]
        subjects.append([one.subject for one in found if one.subject])
        read.append(units.read["Members"])
    assert subjects[0] == subjects[1]
    assert len(set(subjects[1])) == 250
    assert read[1] < 2 * read[0], read
