"""Random histories of events, edits by hand, new tables and restores: what members have is what the table gives."""

from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from rollcall.hubs import context
from rollcall.mapping.counting import count
from rollcall.mapping.table import project
from rollcall.members import store as members
from rollcall.people import store as people
from rollcall.people.events import Kind
from rollcall.plans import applying, approval
from rollcall.plans.model import DONE, PlanState
from rollcall.plans.store import get_plan
from rollcall.runtime import clients
from rollcall.runtime.settings import env
from rollcall.segments.model import normalise
from tests.support.admin import call, claims_of
from tests.support.plans import admin_of
from tests.support.world import World

if TYPE_CHECKING:
    from collections.abc import Callable

    from rollcall.members.model import Manual, Member
    from rollcall.plans.model import Plan

pytestmark = pytest.mark.usefixtures("aws")

NAMES = ("ana", "ben", "cleo")
OFFICES = ("London", "toronto ", "Berlin", "Oslo", "")
GRADES = ("Senior", "Junior", "Lead")
TARGETS = (("Segment", "Location", "London"), ("Segment", "Location", "Berlin"), ("Role", "", "Mentee"))


@dataclass
class History:
    """A hub in the middle of its life: plans may wait, and messages be on their way."""

    world: World
    chance: random.Random
    ids: dict[str, str] = field(default_factory=dict)
    manual: dict[str, Manual] = field(default_factory=dict)
    plans: list[str] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)

    def begin(self) -> None:
        """Make three members, and one who is none."""
        for name in (*NAMES, "potential"):
            self.event(name, 0, Kind.ADDED)
        for name in NAMES:
            self.ids[name] = self.world.enrol(name)
            self.manual[name] = self.member(name).manual

    def member(self, name: str) -> Member:
        """Return a member as stored."""
        found = members.get_member(self.world.hub.hub_id, self.ids[name])
        assert found is not None
        return found

    def event(self, name: str, step: int, kind: Kind = Kind.UPDATED) -> None:
        """Tell where somebody is, in any order of time."""
        seconds = 0 if kind is Kind.ADDED else self.chance.randrange(10, 10_000)
        attributes: dict[str, Any] = {"Office": self.chance.choice(OFFICES) or None}
        attributes["Grade"] = self.chance.choice(GRADES)
        fields: dict[str, str | None] = {"email": f"{name}@example.com", "first_name": name}
        self.world.tell(self.world.event(f"{name}-{step}", seconds, kind, name, fields=fields, attributes=attributes))

    def edit(self, name: str) -> None:
        """Grant something by hand."""
        body = self.chance.choice([{"roles": ["Mentor"]}, {"segments": {"Location": ["Toronto"]}}, {"roles": []}])
        hub_id = self.world.hub.hub_id
        answer = call("PATCH", f"/hubs/{hub_id}/members/{self.ids[name]}", claims_of(f"{hub_id}:admin"), body)
        assert answer.status in {200, 400, 409}, answer.text
        if answer.status == 200:
            self.manual[name] = self.member(name).manual

    def ask(self, path: str, body: object = None) -> None:
        """Ask for a plan of a new table."""
        hub_id = self.world.hub.hub_id
        answer = call("POST", f"/hubs/{hub_id}/mapping{path}", claims_of(f"{hub_id}:admin"), body)
        if answer.status == 202:
            self.plans.append(answer.json["plan_id"])

    def change_rules(self) -> None:
        """Add a rule, or replace what there is for its value."""
        value = self.chance.choice([office for office in OFFICES if office])
        kind, name, label = self.chance.choice(TARGETS)
        rule = {"field": "Office", "value": value, "hub_type": kind, "hub_field": name, "hub_attribute": label}
        rules = context.load(self.world.hub.hub_id).table.rules
        is_there = any((rule.field, normalise(rule.value)) == ("Office", normalise(value)) for rule in rules)
        gone = [{"field": "Office", "value": value}] if is_there else []
        self.ask("/rules", {"rules": [rule] if self.chance.random() < 0.7 or not gone else [], "remove": gone})

    def restore(self) -> None:
        """Bring back any version before the present one."""
        present = context.load(self.world.hub.hub_id).table.version
        self.ask(f"/versions/{self.chance.randint(1, present)}/restore")

    def waiting(self) -> list[Plan]:
        """Return the plans that wait for an approval."""
        found = [get_plan(self.world.hub.hub_id, plan_id) for plan_id in self.plans]
        return [plan for plan in found if plan is not None and plan.state is PlanState.AWAITING_APPROVAL]

    def approve(self) -> None:
        """Approve a plan that waits, if there is one."""
        for plan in self.waiting()[:1]:
            approval.approve(plan.hub_id, plan.plan_id, plan.hash, admin_of(self.world, "admin-2"))

    def work(self, messages: int) -> bool:
        """Do what some messages say, any of them twice; tell whether there were any."""
        queue = env("PLAN_PARTS_QUEUE_URL")
        found = clients.sqs().receive_message(QueueUrl=queue, MaxNumberOfMessages=messages).get("Messages", [])
        for message in found:
            for _ in range(self.chance.choice((1, 1, 2))):
                applying.handle_pointer(json.loads(message["Body"]))
            clients.sqs().delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return bool(found)

    def step(self, number: int) -> None:
        """Do one thing."""
        name = self.chance.choice(NAMES)
        ways: dict[str, Callable[[], object]] = {
            "event": lambda: self.event(self.chance.choice((*NAMES, "potential")), number),
            "edit": lambda: self.edit(name),
            "rules": self.change_rules,
            "restore": self.restore,
            "approve": self.approve,
            "work": lambda: self.work(self.chance.randint(1, 10)),
        }
        way = self.chance.choice([*ways, "rules", "approve", "work", "work"])
        if way in {"rules", "restore"} and self.waiting() and self.chance.random() < 0.8:
            way = "approve"  # else most plans would be in each other's way
        self.done[way] += 1
        ways[way]()

    def end(self) -> None:
        """Work off what is on its way; plans that nobody approved stay plans."""
        while self.work(10):
            pass
        self.approve()
        while self.work(10):
            pass
        for plan_id in self.plans:
            plan = get_plan(self.world.hub.hub_id, plan_id)
            assert plan is not None
            assert plan.state in {*DONE, PlanState.FAILED, PlanState.AWAITING_APPROVAL}, plan.detail

    def check(self) -> None:
        """Compare every member with the table, what was granted by hand with what is held, and drift with people."""
        ctx = context.load(self.world.hub.hub_id)
        for name in NAMES:
            member = self.member(name)
            assert member.manual == self.manual[name], name
            (part,) = member.slices.values()
            record = people.get_persons(ctx.hub.hub_id, [part.person_id])[part.person_id]
            given = project(record.person.values(), ctx.table, ctx.catalogue)
            assert (part.roles, part.segments, part.profile) == (given.roles, given.segments, given.profile), name
        open_values: Counter[tuple[str, str]] = Counter()
        for name in (*NAMES, "potential"):
            person_id = self.world.person_id(name)
            person = people.get_persons(ctx.hub.hub_id, [person_id])[person_id].person
            left = project(person.values(), ctx.table, ctx.catalogue).unmapped
            open_values.update({(key, normalise(value)) for key, value in left})
        told = {(one.field, normalise(one.value or "")): one.people for one in count(ctx).entries()}
        assert told == open_values


def live(seed: int, steps: int) -> Counter[str]:
    """Live through one history."""
    history = History(World().build(), random.Random(seed))
    history.begin()
    for number in range(1, steps + 1):
        history.step(number)
    history.end()
    history.check()
    history.done["published"] = context.load(history.world.hub.hub_id).table.version - 1
    return history.done


def test_members_have_what_the_table_gives_after_a_random_history(figure: Callable[[str], None]) -> None:
    """Events, edits, tables and restores, planned, approved and applied at any moment, messages doubled."""
    done = live(1, 30)
    assert done["published"] > 1
    figure(f"a history of 30 steps: {done['published']} tables published; every member as the table says")


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_members_have_what_the_table_gives_after_many_random_histories(figure: Callable[[str], None]) -> None:
    """The same, with 8 seeds and 40 steps each."""
    total: Counter[str] = Counter()
    for seed in range(100, 108):
        total += live(seed, 40)
    assert total["published"] > 8
    figure(f"8 histories of 40 steps: {dict(sorted(total.items()))}; every member as the table says")
