"""Plans made from no file, and plans that take more than one run to make."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

import pytest

from rollcall.hubs import store as hubs
from rollcall.plans import applying, planning, store
from rollcall.plans.kinds import KINDS, Kind
from rollcall.plans.model import Change, Plan, PlanKind, PlanState, Result
from rollcall.plans.stuck import wake_due
from rollcall.runtime import clients, dynamo
from rollcall.runtime.ids import digest
from rollcall.runtime.settings import env
from rollcall.runtime.times import now, to_text
from rollcall.uploads.model import UploadKind
from tests.support.plans import changes_of, current, drain, plan_file
from tests.support.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rollcall.hubs.context import HubContext
    from rollcall.plans.seen import Start

pytestmark = pytest.mark.usefixtures("aws")

CHANGES = 450
HEADER = "email,first_name,last_name,role,Location,language"


@pytest.fixture
def world() -> World:
    return World().build()


@pytest.fixture
def derived(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let plans of one kind be 450 changes that come from no file."""

    def plan_changes(_ctx: HubContext, plan: Plan, start: Start) -> Iterator[Change]:
        listed = (Change(row=0, outcome="edit", kind="member", subject=f"{n}", todo=True) for n in range(CHANGES))
        del plan
        return islice(listed, start.skip, None)

    def apply_change(*_: object) -> Result:
        return Result("applied")

    monkeypatch.setitem(KINDS, PlanKind.MEMBER_EDITS, Kind(apply_change, plan_changes=plan_changes, expires=False))


def _plan(world: World, *, is_growing: bool = False) -> Plan:
    plan = Plan(
        plan_id=digest("plan", world.hub.hub_id, "derived"),
        hub_id=world.hub.hub_id,
        kind=PlanKind.MEMBER_EDITS,
        state=PlanState.PLANNING,
        upload_id="",
        created_by="directory",
        email="",
        created_at=to_text(now()),
        is_growing=is_growing,
    )
    return planning.begin(plan)


def _make_due(plan: Plan) -> None:
    past = {"past": "2000-01-01T00:00:00.000Z"}
    key = store.pk(plan.hub_id, plan.plan_id)
    dynamo.write([dynamo.update_action(store.TABLE, key, "-", "SET #due_sk = :past", values=past)])


@pytest.mark.usefixtures("derived")
def test_a_plan_from_no_file_is_made_in_the_background_and_waits_for_ever(world: World) -> None:
    """It is planned in parts by the queue, waits for an approval, and no sweep ends it."""
    plan = _plan(world)
    assert plan.state is PlanState.PLANNING
    drain(world)
    plan = current(plan)
    assert (plan.state, plan.parts, plan.total, plan.counts) == (PlanState.AWAITING_APPROVAL, 3, CHANGES, {"edit": 450})
    assert len(plan.hash) == 64
    assert (plan.expires_at, wake_due()) == ("", 0)
    assert [change.subject for change in changes_of(plan)] == [str(n) for n in range(CHANGES)]


@pytest.mark.usefixtures("derived")
def test_a_plan_from_no_file_whose_message_got_lost_is_woken_by_the_sweeper(world: World) -> None:
    """The sweeper points at it again, and it is made."""
    plan = _plan(world)
    clients.sqs().purge_queue(QueueUrl=env("PLAN_PARTS_QUEUE_URL"))
    _make_due(plan)
    assert wake_due() == 1
    drain(world)
    assert current(plan).state is PlanState.AWAITING_APPROVAL


@pytest.mark.usefixtures("derived")
def test_a_growing_plan_is_made_only_once_it_is_frozen(world: World) -> None:
    """Neither a message nor a sweep makes a plan that still grows; freezing it twice makes it once."""
    plan = _plan(world, is_growing=True)
    drain(world)
    applying.handle_pointer({"hub_id": plan.hub_id, "plan_id": plan.plan_id, "part": "plan"})
    assert (current(plan).state, current(plan).total, wake_due()) == (PlanState.PLANNING, 0, 0)
    assert not planning.freeze(plan).is_growing
    planning.freeze(plan)
    drain(world)
    assert (current(plan).state, current(plan).total) == (PlanState.AWAITING_APPROVAL, CHANGES)


def _invites(world: World) -> Plan:
    names = [f"person{n}@example.com,,,Mentee,," for n in range(399)]
    return plan_file(world, UploadKind.INVITES, HEADER, *names, "person3@example.com,,,Mentee,,", *names[:20])


def test_a_file_too_long_for_one_run_gives_the_same_plan_as_in_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each run writes one part and hands over: same changes, same hash, and a row knows its double of runs before."""
    hubs.update_hub(replace(world.hub, invite_review=True), seen=1)
    whole = _invites(world)
    assert (whole.state, whole.total) == (PlanState.AWAITING_APPROVAL, 420)
    monkeypatch.setattr(planning, "RUN_SECONDS", -1.0)
    plan = _invites(world)
    assert (plan.state, plan.total, plan.parts) == (PlanState.PLANNING, 200, 1)
    drain(world)
    plan = current(plan)
    assert plan.state is PlanState.AWAITING_APPROVAL
    assert (plan.hash, plan.counts, plan.parts) == (whole.hash, whole.counts, whole.parts)
    assert plan.counts == {"invite": 399, "duplicate_of_row": 21}
    assert changes_of(plan)[399].detail == "Row 5 is for the same address or person."


def test_a_long_row_of_runs_is_taken_up_by_the_sweeper(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A function does not wake itself for ever: after some runs it leaves the plan to the next sweep."""
    monkeypatch.setattr(planning, "RUN_SECONDS", -1.0)
    monkeypatch.setattr(planning, "RUNS_IN_A_ROW", 1)
    plan = _invites(world)
    drain(world)
    assert (current(plan).state, current(plan).parts) == (PlanState.PLANNING, 1)
    assert wake_due() == 1
    drain(world)
    assert (current(plan).state, current(plan).parts) == (PlanState.PLANNING, 2)
    assert wake_due() == 1
    drain(world)
    assert current(plan).state is PlanState.APPLIED
