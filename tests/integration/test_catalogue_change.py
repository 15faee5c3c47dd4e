"""Roles and options change, and members follow: on moto, through the API and the messages it sends."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from rollcall.hubs import context
from rollcall.hubs import store as hubs
from rollcall.mapping.table import ANY, RoleTarget, Rule
from rollcall.members import store as members
from rollcall.members.model import Change, Member
from rollcall.members.recompute import recompute_member
from rollcall.people.events import Kind
from rollcall.plans import applying, catalogue_change
from rollcall.runtime import clients, dynamo
from rollcall.runtime.ids import shard_of
from rollcall.runtime.settings import env
from rollcall.runtime.times import now
from rollcall.segments import store as segments
from tests.support.admin import Answer, call, claims_of
from tests.support.faults import MODES, injected, until_quiet
from tests.support.world import World

pytestmark = pytest.mark.usefixtures("aws")


@pytest.fixture
def world() -> World:
    return World().build()


def ask(world: World, path: str, body: object) -> Answer:
    return call("POST", f"/hubs/{world.hub.hub_id}{path}", claims_of(f"{world.hub.hub_id}:admin"), body)


def joined(world: World, name: str, **attributes: Any) -> str:
    """Make a person by an event, and a member of the person."""
    fields = {"email": f"{name}@example.com", "first_name": name.title(), "last_name": "Okafor"}
    world.tell(world.event(name, 0, Kind.ADDED, name, fields=fields, attributes=attributes))
    return world.enrol(name, roles=("mentee",))


def stored(world: World, member_id: str) -> Member:
    member = members.get_member(world.hub.hub_id, member_id)
    assert member is not None
    return member


def work_off() -> None:
    """Do what the messages of the plan-parts queue say, as the function does."""
    url = env("PLAN_PARTS_QUEUE_URL")
    while waiting := clients.sqs().receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
        for message in waiting:
            applying.handle_pointer(json.loads(message["Body"]))
            clients.sqs().delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


def option_of(world: World, label: str) -> str:
    segment = context.load(world.hub.hub_id).catalogue.segment("Languages")
    option = segment.option(label) if segment else None
    assert option is not None
    return option.option_id


def work_left(world: World) -> dict[str, Any] | None:
    version = context.load(world.hub.hub_id).catalogue_version
    return dynamo.get("PLANS_TABLE", catalogue_change.pk(world.hub.hub_id, version))


def test_an_option_that_comes_after_the_event_is_given_as_one_that_came_before(world: World) -> None:
    """Event then option, and option then event, end in the same segments; the change names what made it."""
    before = joined(world, "maya", Languages="Yoruba")
    beside = joined(world, "ana", Languages="French")
    assert world.shown(before)["segments"] == {}
    untouched = stored(world, beside)
    assert ask(world, "/segments/languages/options", {"options": ["Yoruba"]}).status == 200
    after = joined(world, "late", Languages="Yoruba")
    work_off()
    expected = {"languages": [option_of(world, "Yoruba")]}
    assert (world.shown(before)["segments"], world.shown(after)["segments"]) == (expected, expected)
    assert stored(world, before).change.cause == f"catalogue:{context.load(world.hub.hub_id).catalogue_version}"
    assert stored(world, before).change.actor == "subject-of-ada"
    assert stored(world, beside) == untouched


def test_a_new_role_is_given_to_those_whose_value_names_it(world: World) -> None:
    """A rule that takes the value over as a role gives the role once it exists."""
    world.publish(2, (Rule("Grade", ANY, RoleTarget(ANY), 2),))
    member_id = joined(world, "maya", Grade="Sponsor")
    made = ask(world, "/roles", {"label": "Sponsor"})
    work_off()
    assert world.shown(member_id)["roles"] == ["mentee", made.json["role_id"]]


def test_an_archived_option_is_taken_back_and_given_again_when_restored(world: World) -> None:
    """Whatever changes the catalogue, its work recomputes everybody."""
    member_id = joined(world, "maya", Languages="French")
    hub_id = world.hub.hub_id
    for is_archived, expected in ((True, {}), (False, {"languages": ["fr"]})):
        ctx = context.load(hub_id)
        segment = ctx.catalogue.segments_by_id["languages"]
        options = tuple(replace(option, archived=is_archived) for option in segment.options)
        version = ctx.catalogue_version + 1
        work = catalogue_change.work_action(hub_id, version, "ada", now())
        segments.change_catalogue(hub_id, version - 1, [], [replace(segment, options=options)], [work])
        catalogue_change.announce(hub_id, version)
        work_off()
        assert world.shown(member_id)["segments"] == expected


def test_lost_messages_are_sent_again_and_the_work_ends(world: World) -> None:
    """The sweeper finds work whose messages got lost; done, it is gone, and nothing is due any more."""
    member_id = joined(world, "maya", Languages="Yoruba")
    ask(world, "/segments/languages/options", {"options": ["Yoruba"]})
    clients.sqs().purge_queue(QueueUrl=env("PLAN_PARTS_QUEUE_URL"))
    assert catalogue_change.wake_due() == 0
    key = catalogue_change.pk(world.hub.hub_id, context.load(world.hub.hub_id).catalogue_version)
    dynamo.write([dynamo.update_action("PLANS_TABLE", key, "-", "SET #due_sk = :past", values={"past": "2000"})])
    assert catalogue_change.wake_due() == 1
    assert catalogue_change.wake_due() == 0
    work_off()
    assert world.shown(member_id)["segments"] == {"languages": [option_of(world, "Yoruba")]}
    assert work_left(world) is None


def test_a_pointer_that_comes_twice_writes_once(world: World) -> None:
    """The second of two equal messages finds nothing to do, while others still wait and afterwards."""
    member_id = joined(world, "maya", Languages="Yoruba")
    ask(world, "/segments/languages/options", {"options": ["Yoruba"]})
    version = context.load(world.hub.hub_id).catalogue_version
    pointer = {"hub_id": world.hub.hub_id, "catalogue_version": version, "shard": shard_of(member_id)}
    applying.handle_pointer(pointer)
    once = stored(world, member_id)
    applying.handle_pointer(pointer)
    work_off()
    applying.handle_pointer(pointer)
    assert once.slices != {}
    assert stored(world, member_id) == once


def test_a_catalogue_that_moves_while_a_member_is_computed_is_looked_at_again(world: World) -> None:
    """Nobody is left with what an older catalogue gave."""
    member_id = joined(world, "maya", Languages="Yoruba")
    old = context.load(world.hub.hub_id)
    ask(world, "/segments/languages/options", {"options": ["Yoruba"]})
    assert recompute_member(old, member_id, Change("accept:test", "member", "2026-10-05T08:00:00.000Z"))
    assert world.shown(member_id)["segments"] == {"languages": [option_of(world, "Yoruba")]}


def _do_shard(world: World, version: int, shard: int) -> None:
    hubs.forget_secrets()
    applying.handle_pointer({"hub_id": world.hub.hub_id, "catalogue_version": version, "shard": shard})


def test_members_follow_whatever_fails(world: World) -> None:
    """At every AWS call, each kind of failure in turn: the member has the option, by one write; the shard is done."""
    member_id = joined(world, "maya", Languages=tuple(f"Tongue {n}" for n in range(40)))
    shard = shard_of(member_id)

    def change(number: int) -> int:
        ask(world, "/segments/languages/options", {"options": [f"Tongue {number}"]})
        return context.load(world.hub.hub_id).catalogue_version

    _do_shard(world, change(39), shard)  # warm: what is kept is not read again
    version = change(0)
    with injected() as counted:
        _do_shard(world, version, shard)
    for number in range(1, len(counted.calls) + 1):
        version = change(number)
        before = stored(world, member_id)
        mode = MODES[number % len(MODES)]
        injector = until_quiet(partial(_do_shard, world, version, shard), at=number, mode=mode)
        where = f"{mode} at {number}: {injector.calls[number - 1 : number]}"
        assert len(injector.calls) >= number, where
        assert option_of(world, f"Tongue {number}") in world.shown(member_id)["segments"]["languages"], where
        assert stored(world, member_id).rev == before.rev + 1, where
        left = work_left(world)
        assert left is not None, where
        assert len(left["waiting"]) == 15, where


def test_an_option_that_is_there_already_makes_no_work(world: World) -> None:
    """A duplicate changes nothing, so nobody is computed anew."""
    version = context.load(world.hub.hub_id).catalogue_version
    assert ask(world, "/segments/languages/options", {"options": [" english"]}).json["added"] == []
    assert context.load(world.hub.hub_id).catalogue_version == version
    assert work_left(world) is None
