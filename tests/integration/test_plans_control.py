"""Plans approved in part, paused, resumed, stopped, tried only, and brought to mind: on moto."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from rollcall.hubs import store as hubs
from rollcall.hubs.model import Admin
from rollcall.plans import applying, approval, planning, store
from rollcall.plans.kinds import KINDS
from rollcall.plans.model import Plan, PlanKind, PlanState
from rollcall.plans.selection import Selection
from rollcall.plans.stuck import wake_due
from rollcall.runtime import clients, dynamo
from rollcall.runtime.errors import ConflictError, ForbiddenError, MalformedError
from rollcall.runtime.settings import env
from rollcall.runtime.times import from_text, to_text
from rollcall.uploads import store as uploads
from rollcall.uploads.model import UploadKind
from tests.support.plans import admin_of, changes_of, current, drain, plan_file, report_of, upload_file
from tests.support.world import World, everything

if TYPE_CHECKING:
    from rollcall.hubs.context import HubContext
    from rollcall.plans.model import Change, Result

pytestmark = pytest.mark.usefixtures("aws")

HEADER = "email,first_name,last_name,role,Location,language"


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """Return a hub that looks at invites before they go; parts hold two changes."""
    world = World().build()
    hubs.update_hub(replace(world.hub, invite_review=True), seen=1)
    monkeypatch.setattr("rollcall.plans.planning.PART_SIZE", 2)
    monkeypatch.setattr("rollcall.plans.selection.PART_SIZE", 2)
    return world


def _invites(world: World, count: int = 6) -> Plan:
    rows = [f"person{n}@example.com,,,Mentee,," for n in range(count)]
    return plan_file(world, UploadKind.INVITES, HEADER, *rows)


def _approve(world: World, plan: Plan, only: Selection = approval.ALL) -> Plan:
    return approval.approve(plan.hub_id, plan.plan_id, plan.hash, admin_of(world, "admin-2"), only)


def _pointers() -> list[dict[str, str | int]]:
    """Take the messages that wait."""
    found = []
    while (
        messages := clients.sqs()
        .receive_message(QueueUrl=env("PLAN_PARTS_QUEUE_URL"), MaxNumberOfMessages=10)
        .get("Messages")
    ):
        for message in messages:
            found.append(json.loads(message["Body"]))
            clients.sqs().delete_message(QueueUrl=env("PLAN_PARTS_QUEUE_URL"), ReceiptHandle=message["ReceiptHandle"])
    return found


def _point(plan: Plan, part: int) -> None:
    applying.handle_pointer({"hub_id": plan.hub_id, "plan_id": plan.plan_id, "part": part})


def _invited() -> int:
    return len(everything("INVITATIONS_TABLE"))


@pytest.mark.parametrize(
    ("only", "taken"),
    [
        (Selection(ids=frozenset({"00001-0002", "00003-0001"})), ["00001-0002", "00003-0001"]),
        (Selection(not_ids=frozenset({"00002-0001"})), ["00001-0001", "00001-0002", "00002-0002", "00003-0001"]),
        (Selection(kinds=frozenset({"member"})), []),
    ],
    ids=["some by id", "all but one", "by a kind that it has not"],
)
def test_what_is_approved_in_part_is_done_in_part(world: World, only: Selection, taken: list[str]) -> None:
    """The changes that were chosen are done, the others say that they were left out, and the counts tell both."""
    plan = _invites(world, 5)
    _approve(world, plan, only)
    drain(world)
    plan = current(plan)
    assert plan.state is PlanState.APPLIED
    assert [change.id for change in changes_of(plan) if change.outcome == "invited"] == taken
    expected = {"invited": len(taken), "left_out": 5 - len(taken)}
    assert plan.counts == {outcome: count for outcome, count in expected.items() if count}
    assert sorted(row["result"] for row in report_of(plan)) == sorted(change.outcome for change in changes_of(plan))
    assert _invited() == len(taken)


@pytest.mark.parametrize("identifier", ["00004-0001", "00003-0002", "00001-0003", "00000-0001", "00001-0000"])
def test_an_approval_of_changes_that_are_not_there_is_refused(world: World, identifier: str) -> None:
    """Each is named, and nothing is approved."""
    plan = _invites(world, 5)
    with pytest.raises(MalformedError, match=identifier):
        _approve(world, plan, Selection(ids=frozenset({"00001-0001", identifier})))
    assert current(plan).state is PlanState.AWAITING_APPROVAL


def test_another_selection_after_the_approval_is_refused(world: World) -> None:
    """The same approval twice is one, also when all is done; one that takes other changes comes too late."""
    plan = _invites(world)
    only = Selection(ids=frozenset({"00001-0001"}))
    assert _approve(world, plan, only).selection == _approve(world, plan, only).selection != ""
    with pytest.raises(ConflictError):
        _approve(world, plan)
    drain(world)
    assert _approve(world, plan, only).state is PlanState.APPLIED
    with pytest.raises(ConflictError):
        _approve(world, plan)
    assert current(plan).counts == {"invited": 1, "left_out": 5}


def test_a_plan_that_makes_sense_as_a_whole_only_is_not_approved_in_part(world: World) -> None:
    """A data mapping table is published or not, and not stopped half-way."""
    plan = replace(_invites(world), plan_id="0" * 32, kind=PlanKind.MAPPING_CHANGE, upload_id="")
    store.create_plan(plan)
    with pytest.raises(ConflictError) as refused:
        _approve(world, plan, Selection(ids=frozenset({"00001-0001"})))
    assert refused.value.code == "only_whole"
    _approve(world, plan)
    with pytest.raises(ConflictError) as refused:
        approval.stop(plan.hub_id, plan.plan_id)
    assert refused.value.code == "only_whole"


def test_a_paused_plan_begins_no_part_and_goes_on_when_resumed(world: World) -> None:
    """What was done stays, what comes by message meanwhile does nothing, and afterwards everything is done once."""
    plan = _invites(world)
    _approve(world, plan)
    _point(plan, 0)
    _point(plan, 1)
    assert approval.pause(plan.hub_id, plan.plan_id).state is PlanState.PAUSED
    drain(world)
    assert wake_due() == 0
    paused = current(plan)
    assert (paused.state, paused.done, paused.counts) == (PlanState.PAUSED, 2, {"invite": 4, "invited": 2})
    assert _invited() == 2
    approval.resume(plan.hub_id, plan.plan_id)
    drain(world)
    assert (current(plan).state, current(plan).counts, _invited()) == (PlanState.APPLIED, {"invited": 6}, 6)


@pytest.mark.parametrize("turn", [approval.pause, approval.stop])
def test_a_part_that_is_under_way_is_brought_to_its_end_and_counted(
    world: World, monkeypatch: pytest.MonkeyPatch, turn: object
) -> None:
    """Pausing and stopping while a part is applied: that part is done whole and counted, no other is begun."""
    plan = _invites(world)
    _approve(world, plan)
    _point(plan, 0)
    kind = KINDS[PlanKind.INVITES]
    calls: list[str] = []

    def apply_change(ctx: HubContext, held: Plan, change: Change) -> Result:
        if not calls:
            turn(held.hub_id, held.plan_id)  # type: ignore[operator]
        calls.append(change.id)
        return kind.apply_change(ctx, held, change)

    monkeypatch.setitem(KINDS, PlanKind.INVITES, replace(kind, apply_change=apply_change))
    _point(plan, 2)
    assert calls == ["00002-0001", "00002-0002"]
    drain(world)
    plan = current(plan)
    assert calls == ["00002-0001", "00002-0002"]
    assert plan.counts["invited"] == _invited() == 2
    assert sum(plan.counts.values()) == plan.total == 6


def test_a_stopped_plan_says_what_was_not_done(world: World) -> None:
    """It ends as stopped with a report, every change is counted once, and nothing more happens, whatever comes."""
    plan = _invites(world, 5)
    _approve(world, plan)
    _point(plan, 0)
    _point(plan, 1)
    late = _pointers()
    approval.stop(plan.hub_id, plan.plan_id)
    drain(world)
    stopped = current(plan)
    assert (stopped.state, stopped.done, stopped.total) == (PlanState.STOPPED, 5, 5)
    assert stopped.counts == {"invited": 2, "not_applied": 3}
    assert [row["result"] for row in report_of(plan)] == ["invited", "invited", *["not_applied"] * 3]
    for pointer in late:
        applying.handle_pointer(pointer)
    assert (_invited(), current(plan).counts) == (2, stopped.counts)
    assert approval.stop(plan.hub_id, plan.plan_id).state is PlanState.STOPPED
    with pytest.raises(ConflictError):
        approval.resume(plan.hub_id, plan.plan_id)


def test_a_stop_with_lost_messages_is_ended_by_the_sweeper(world: World) -> None:
    """Nobody has to stop it again."""
    plan = _invites(world)
    _approve(world, plan)
    approval.stop(plan.hub_id, plan.plan_id)
    clients.sqs().purge_queue(QueueUrl=env("PLAN_PARTS_QUEUE_URL"))
    _set_due(plan, "2000-01-01T00:00:00.000Z")
    assert wake_due() == 1
    drain(world)
    assert (current(plan).state, current(plan).counts) == (PlanState.STOPPED, {"not_applied": 6})


def test_a_trial_can_be_read_and_never_applied(world: World) -> None:
    """Also where the hub wants no review: it waits, nobody is mailed, and an approval is refused with a sentence."""
    hubs.update_hub(replace(world.hub, version=2, invite_review=False), seen=2)
    admin = admin_of(world)
    _, event = upload_file(world, UploadKind.INVITES, f"{HEADER}\nnew@example.com,,,Mentee,,\n", is_trial=True)
    (plan,) = planning.handle_s3_event(event)
    assert (plan.state, plan.counts, plan.is_trial) == (PlanState.AWAITING_APPROVAL, {"invite": 1}, True)
    with pytest.raises(ConflictError) as refused:
        approval.approve(plan.hub_id, plan.plan_id, plan.hash, admin)
    assert refused.value.code == "trial"
    drain(world)
    assert (_invited(), everything("MAIL_TABLE")) == (0, [])
    upload = uploads.get_upload(plan.hub_id, plan.upload_id)
    assert upload is not None
    assert upload.is_trial


@pytest.mark.parametrize(
    "admin",
    [
        Admin("admin-1", "admin-1@example.com", frozenset()),
        Admin("ADMIN-1", "other@example.com", frozenset()),
        Admin("other-login", "Admin-1@Example.com", frozenset()),
    ],
    ids=["the same login", "the same in other letters", "another login of the same address"],
)
def test_who_made_a_plan_is_not_its_second_person(world: World, admin: Admin) -> None:
    """Whatever way they log in: where the hub wants two people, the one who uploaded is not both of them."""
    hubs.update_hub(replace(world.hub, version=2, two_person_approval=True), seen=2)
    plan = _invites(world)
    with pytest.raises(ForbiddenError):
        approval.approve(plan.hub_id, plan.plan_id, plan.hash, admin)
    assert current(plan).state is PlanState.AWAITING_APPROVAL
    assert _approve(world, plan).state is PlanState.APPLYING


def _set_due(plan: Plan, at: str) -> None:
    key = store.pk(plan.hub_id, plan.plan_id)
    dynamo.write([dynamo.update_action(store.TABLE, key, "-", "SET #due_sk = :at", values={"at": at})])


def _states() -> list[str]:
    return [mail["params"]["state"] for mail in everything("MAIL_TABLE")]


def test_a_plan_is_brought_to_mind_a_day_before_it_expires(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """One mail a day before, one when it is over, however often the sweeper comes."""
    plan = _invites(world)
    ends = from_text(plan.expires_at)
    assert _states() == ["awaiting_approval"]
    for at, expected in (
        (ends - timedelta(hours=30), ["awaiting_approval"]),
        (ends - timedelta(hours=23), ["awaiting_approval", "expiring"]),
        (ends - timedelta(hours=2), ["awaiting_approval", "expiring"]),
        (ends + timedelta(minutes=1), ["awaiting_approval", "expired", "expiring"]),
        (ends + timedelta(hours=1), ["awaiting_approval", "expired", "expiring"]),
    ):
        monkeypatch.setattr("rollcall.plans.stuck.now", lambda at=at: at)
        wake_due()
        assert sorted(_states()) == expected, to_text(at)
    assert current(plan).state is PlanState.EXPIRED
