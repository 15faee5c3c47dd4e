"""The mass-removal guard on the stores: who leaves, who waits, and what an admin decides."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from rollcall.guard import store as guard
from rollcall.guard import waiting
from rollcall.guard.showing import show
from rollcall.hubs import admins as admin_store
from rollcall.hubs import store as hubs
from rollcall.hubs.admins import ListedAdmin, Notice
from rollcall.hubs.model import Admin, Hub, RemovalGuard
from rollcall.mail.model import Kind as MailKind
from rollcall.members import store as members
from rollcall.members.projection import view
from rollcall.people import event_log
from rollcall.people import store as people
from rollcall.people.events import Kind
from rollcall.people.model import Barred, EventState
from rollcall.people.sync import apply_event
from rollcall.plans import again, approval, store
from rollcall.plans.applying import changes, handle_pointer
from rollcall.plans.model import Plan, PlanKind, PlanState
from rollcall.privacy.erase import purge_after_grace
from rollcall.runtime import dynamo
from rollcall.runtime.ids import new_id
from rollcall.runtime.times import from_text, now
from tests.support.aws import stack
from tests.support.world import World, everything

if TYPE_CHECKING:
    from collections.abc import Iterator

APPROVER = Admin("sub-approver", "approver@example.com")


@pytest.fixture
def world() -> Iterator[World]:
    with stack():
        yield make_world()


def make_world(people: int = 2, percent: int = 0, count: int = 5) -> World:
    """Return a hub whose guard lets so many people go, with members E-0, E-1, ... and two admins."""
    hub = Hub(new_id(), "Harbour", "0" * 32, removal_guard=RemovalGuard(people, percent))
    world = World(hub).build()
    admins = (
        ListedAdmin("ada@example.com", "admin", (Notice.HELD_REMOVALS,)),
        ListedAdmin("vic@example.com", "viewer"),
    )
    admin_store.put_admins(hub.hub_id, admins, seen=0)
    for number in range(count):
        join(world, number)
    return world


def set_guard(world: World, people: int) -> None:
    """Let so many people go, from now on."""
    changed = replace(world.hub, removal_guard=RemovalGuard(people, 0))
    world.hub = hubs.update_hub(changed, seen=world.hub.version)


def join(world: World, number: int, email: str = "") -> str:
    """Make one more member, and return their id."""
    person, team = f"E-{number}", "Sales" if number % 2 else "Research"
    fields = {"email": email or f"e{number}@example.com", "first_name": "Noor", "last_name": f"Ito{number}"}
    attributes: Any = {"Grade": "Senior", "Team": team}
    world.tell(world.event(f"add-{number}", 0, Kind.ADDED, person, fields=fields, attributes=attributes))
    return world.enrol(person)


def leave(world: World, number: int, kind: Kind = Kind.DEACTIVATED, seconds: int = 10, name: str = "leave") -> str:
    """Apply the event of a person leaving, and return its state and reason."""
    event = world.event(f"{name}-{number}", seconds, kind, f"E-{number}")
    world.tell(event)
    logged = event_log.get_event(world.hub.hub_id, event.event_id)
    assert logged is not None
    return f"{logged.state}:{logged.reason}"


def statuses(world: World) -> dict[str, str]:
    """Return person → status as shown."""
    found = {item["pk"]: item["shown"] for item in everything("MEMBERS_TABLE")}
    return {shown["last_name"].replace("Ito", "E-"): shown["status"] for _, shown in sorted(found.items())}


def held_plans(world: World) -> list[Plan]:
    """Return the held-removals plans of the hub, newest first."""
    found, _ = store.list_plans(world.hub.hub_id, limit=50)
    return [plan for plan in found if plan.kind is PlanKind.HELD_REMOVALS]


def shown_plan(world: World) -> Plan:
    """Look at the newest held-removals plan, and let it be made."""
    plan = show(held_plans(world)[0])
    handle_pointer({"hub_id": plan.hub_id, "plan_id": plan.plan_id, "part": "plan"})
    return stored(plan)


def stored(plan: Plan) -> Plan:
    found = store.get_plan(plan.hub_id, plan.plan_id)
    assert found is not None
    return found


def carry_out(plan: Plan) -> Plan:
    """Approve a plan as it was shown, and apply all of it."""
    approval.approve(plan.hub_id, plan.plan_id, plan.hash, APPROVER)
    for part in range(plan.parts + 1):
        handle_pointer({"hub_id": plan.hub_id, "plan_id": plan.plan_id, "part": part})
    return stored(plan)


def outcomes(plan: Plan) -> dict[str, str]:
    """Return member → outcome and reason."""
    found, _ = changes(plan.hub_id, plan.plan_id, limit=500)
    return {change.subject: f"{change.outcome}:{change.reason}" for change in found}


def test_removals_above_the_limit_are_held(world: World) -> None:
    """The first two leave; the others wait, still shown as before, in one plan with one notice."""
    said = [leave(world, number) for number in range(4)]
    assert said == ["applied:person_deactivated"] * 2 + ["held:removal_held"] * 2
    assert statuses(world) == {"E-0": "inactive", "E-1": "inactive", "E-2": "active", "E-3": "active", "E-4": "active"}
    (plan,) = held_plans(world)
    assert (plan.state, plan.is_growing) == (PlanState.PLANNING, True)
    assert len(list(waiting.waiting(world.hub.hub_id, plan.plan_id))) == 2
    mails = [item for item in everything("MAIL_TABLE") if item["kind"] == MailKind.HELD_REMOVALS]
    assert [mail["to"] for mail in mails] == ["ada@example.com"]


def test_held_person_is_merged_and_stays_reachable(world: World) -> None:
    """The person says what the directory said; the address is not barred while the member stays."""
    for number in range(3):
        leave(world, number)
    record = people.get_person(world.hub.hub_id, world.person_id("E-2"))
    assert record is not None
    assert record.person.status == "inactive"
    assert people.get_address(world.hub.hub_id, world.address_id("e2@example.com")).barred is None
    assert people.get_address(world.hub.hub_id, world.address_id("e1@example.com")).barred is Barred.DEACTIVATED


def test_approved_removals_take_place(world: World) -> None:
    """Approving lets everybody go whom the plan shows, bars their addresses and counts nobody against the limit."""
    leave(world, 0), leave(world, 1), leave(world, 2)
    leave(world, 3, Kind.DELETED)
    plan = shown_plan(world)
    assert (plan.state, dict(plan.counts)) == (PlanState.AWAITING_APPROVAL, {"deactivate": 1, "delete": 1})
    assert plan.expires_at == ""
    done = carry_out(plan)
    assert (done.state, dict(done.counts)) == (PlanState.APPLIED, {"applied": 2})
    assert statuses(world) == {
        "E-0": "inactive", "E-1": "inactive", "E-2": "inactive", "E-3": "deleted", "E-4": "active"
    }  # fmt: skip
    assert people.get_address(world.hub.hub_id, world.address_id("e2@example.com")).barred is Barred.DEACTIVATED
    assert people.get_address(world.hub.hub_id, world.address_id("e3@example.com")).barred is Barred.DELETED
    assert guard.get_guard(world.hub.hub_id).removals == 2


def test_rejected_removals_change_nobody(world: World) -> None:
    """After a rejection every held member is exactly as stored before, and stays so when the event is replayed."""
    for number in range(4):
        leave(world, number)
    before = everything("MEMBERS_TABLE")
    plan = shown_plan(world)
    approval.reject(plan.hub_id, plan.plan_id, APPROVER, "The feed was broken.")
    leave(world, 3)
    assert everything("MEMBERS_TABLE") == before


def test_source_that_changes_its_mind_releases(world: World) -> None:
    """Somebody taken back by the HR system is shown so in the plan, and approving it leaves them alone."""
    leave(world, 0), leave(world, 1), leave(world, 2)
    leave(world, 3, Kind.DELETED)
    plan = shown_plan(world)
    world.tell(world.event("back-3", 20, Kind.REACTIVATED, "E-3"))
    done = carry_out(plan)
    assert sorted(outcomes(done).values()) == ["applied:", "left_alone:changed_its_mind"]
    assert statuses(world)["E-3"] == "active"


def test_change_of_mind_before_the_first_look_is_shown(world: World) -> None:
    """Who was taken back before anybody looked is in the plan as somebody who waits no more."""
    for number in range(4):
        leave(world, number)
    world.tell(world.event("back-3", 20, Kind.REACTIVATED, "E-3"))
    plan = shown_plan(world)
    assert dict(plan.counts) == {"deactivate": 1, "left_alone": 1}


def test_plan_that_was_looked_at_grows_no_more(world: World) -> None:
    """Removals after the first look go into the next plan, with a notice of its own."""
    for number in range(3):
        leave(world, number)
    first = shown_plan(world)
    leave(world, 3)
    assert stored(first).total == 1
    newest, oldest = held_plans(world)
    assert oldest.plan_id == first.plan_id
    assert newest.is_growing
    assert len([item for item in everything("MAIL_TABLE") if item["kind"] == MailKind.HELD_REMOVALS]) == 2


def test_second_removal_of_somebody_held_extends_the_hold(world: World) -> None:
    """A newer removal of somebody who waits is held too, room or not, and moves to the newer plan."""
    for number in range(3):
        leave(world, number)
    first = shown_plan(world)
    set_guard(world, 100)
    assert leave(world, 2, Kind.DELETED, 30, "again") == "held:removal_held"
    assert statuses(world)["E-2"] == "active"
    done = carry_out(first)
    assert list(outcomes(done).values()) == ["left_alone:moved_to_later_plan"]
    carry_out(shown_plan(world))
    assert statuses(world)["E-2"] == "deleted"


def test_older_removal_of_somebody_held_changes_nothing(world: World) -> None:
    """A late event that is older than what is held has no effect of its own."""
    for number in range(3):
        leave(world, number)
    leave(world, 2, Kind.DEACTIVATED, 5, "late")
    assert statuses(world)["E-2"] == "active"


def test_hub_admin_is_held_whatever_the_count(world: World) -> None:
    """The first removal of all is held if it is that of a listed admin, however the address is written."""
    join(world, 7, "Ada@Example.com")
    assert leave(world, 7, Kind.DELETED) == "held:hub_admin"
    assert statuses(world)["E-7"] == "active"
    assert guard.get_guard(world.hub.hub_id).removals == 0


def _suspend(world: World, number: int) -> None:
    record = people.get_person(world.hub.hub_id, world.person_id(f"E-{number}"))
    assert record is not None
    member = members.get_member(world.hub.hub_id, record.member_id or "")
    assert member is not None
    suspended = replace(member, suspended="2026-10-05T08:00:00.000Z")
    dynamo.write([members.put_member(world.hub.hub_id, suspended, view(suspended, world.hub, frozenset()))])


def test_suspended_member_who_leaves_is_no_removal(world: World) -> None:
    """Who was shown inactive before is not counted when the directory deactivates them too."""
    _suspend(world, 0)
    leave(world, 0)
    assert guard.get_guard(world.hub.hub_id).removals == 0
    assert leave(world, 0, Kind.DELETED, 20, "del") == "applied:person_deleted"
    assert guard.get_guard(world.hub.hub_id).removals == 1


def test_share_of_the_members_lifts_the_limit() -> None:
    """Of twenty members twenty percent may leave, though the fixed number is one."""
    with stack():
        world = make_world(people=1, percent=20, count=20)
        said = [leave(world, number) for number in range(6)]
        assert [one.partition(":")[0] for one in said] == ["applied"] * 4 + ["held"] * 2
        counted = guard.get_guard(world.hub.hub_id).counted
        assert [(one.known, one.members) for one in counted.values()] == [(20, 20)]


def test_replayed_removal_is_counted_once(world: World) -> None:
    """An event applied again has had its effect, and takes no more room."""
    leave(world, 0)
    event = world.event("leave-0", 10, Kind.DEACTIVATED, "E-0")
    event_log.reopen_event(world.hub.hub_id, event.event_id, now())
    outcome = apply_event(world.hub.hub_id, event.event_id)
    assert outcome is not None
    assert outcome.state is EventState.APPLIED
    assert guard.get_guard(world.hub.hub_id).removals == 1


def test_plan_says_what_they_have_in_common(world: World) -> None:
    """Those who would leave are all of one team, of which the rest of the hub has others too."""
    set_guard(world, 1)
    for number in (0, 1, 3):
        leave(world, number)
    plan = shown_plan(world)
    assert plan.params["in_common"] == {"field": "Team", "value": "Sales", "held": 2, "of": 2}


def _undone(plan: Plan) -> Plan:
    """Make the plan that undoes one, and carry it out."""
    undoing = again.undo(plan.hub_id, plan.plan_id, APPROVER)
    handle_pointer({"hub_id": plan.hub_id, "plan_id": undoing.plan_id, "part": "plan"})
    return carry_out(stored(undoing))


def test_undoing_a_rejected_plan_brings_back_those_who_left_before(world: World) -> None:
    """Whoever went through before the guard fired is as before: status, values, list and address."""
    before = {item["pk"]: item["shown"] for item in everything("MEMBERS_TABLE")}
    leave(world, 0)
    leave(world, 1, Kind.DELETED)
    leave(world, 2)
    plan = shown_plan(world)
    approval.reject(plan.hub_id, plan.plan_id, APPROVER)
    done = _undone(stored(plan))
    assert dict(done.counts) == {"reversed": 2}
    assert {item["pk"]: item["shown"] for item in everything("MEMBERS_TABLE")} == before
    assert len(list(members.all_members(world.hub.hub_id))) == 5
    for number in range(2):
        assert people.get_address(world.hub.hub_id, world.address_id(f"e{number}@example.com")).barred is None


def test_undoing_an_applied_plan_brings_back_its_own_too(world: World) -> None:
    """Those that the plan let go come back with those before it; undoing that sends all of them away again."""
    for number in range(4):
        leave(world, number)
    done = carry_out(shown_plan(world))
    first = _undone(done)
    assert dict(first.counts) == {"reversed": 4}
    assert set(statuses(world).values()) == {"active"}
    assert dict(_undone(first).counts) == {"reversed": 4}
    assert sorted(statuses(world).values()) == ["active", *["inactive"] * 4]


def test_undo_leaves_who_changed_since(world: World) -> None:
    """Who was deactivated anew, or is back already, is left as they are, with the reason."""
    for number in range(3):
        leave(world, number)
    plan = shown_plan(world)
    leave(world, 0, Kind.DEACTIVATED, 30, "again")
    undoing = again.undo(plan.hub_id, plan.plan_id, APPROVER)
    handle_pointer({"hub_id": plan.hub_id, "plan_id": undoing.plan_id, "part": "plan"})
    assert dict(stored(undoing).counts) == {"left": 1, "reverse": 1}
    assert sorted(outcomes(undoing).values()) == ["left:changed_since", "reverse:"]


def test_undone_removal_counts_again_when_the_source_says_it_anew(world: World) -> None:
    """A newer deactivation of somebody whose removal was undone is a removal like any other."""
    for number in range(3):
        leave(world, number)
    _undone(shown_plan(world))
    set_guard(world, 100)
    assert leave(world, 0, Kind.DEACTIVATED, 60, "again") == "applied:person_deactivated"
    assert statuses(world)["E-0"] == "inactive"


def test_removals_of_other_sources_are_not_undone(world: World) -> None:
    """Only what the sources of the held removals did is undone."""
    leave(world, 0)
    other = replace(world, source_id=new_id())
    fields = {"email": "else@example.com", "first_name": "Ana", "last_name": "Ito9"}
    other.tell(other.event("add", 0, Kind.ADDED, "X-1", fields=fields, attributes={"Grade": "Senior"}))
    other.enrol("X-1")
    other.tell(other.event("leave", 10, Kind.DEACTIVATED, "X-1"))
    leave(world, 1)
    assert dict(_undone(shown_plan(world)).counts) == {"reversed": 1}
    assert statuses(world)["E-9"] == "inactive"


def test_deletion_that_waits_is_not_purged_and_has_its_whole_grace_time_afterwards(world: World) -> None:
    """However long a deletion is held, nobody is erased; the days of grace begin when an admin lets the person go."""
    leave(world, 0), leave(world, 1)
    leave(world, 2, Kind.DELETED)
    hub_id, person_id = world.hub.hub_id, world.person_id("E-2")
    record = people.get_person(hub_id, person_id)
    assert record is not None
    old = replace(record, deleted_at="2026-01-05T08:00:00.000Z", due_at="2026-02-05T08:00:00.000Z")
    dynamo.write([people.put_person(hub_id, old, "test", "2026-01-05T08:00:00.000Z")])
    assert purge_after_grace(world.hub, world.key, person_id) is None
    carry_out(shown_plan(world))
    assert statuses(world)["E-2"] == "deleted"
    assert purge_after_grace(world.hub, world.key, person_id) is None
    after = people.get_person(hub_id, person_id)
    assert after is not None
    assert from_text(after.due_at) > now() + timedelta(days=29)
