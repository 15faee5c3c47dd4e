"""Two writers at once: the second commits between any two AWS calls of the first.

A pair is right if the end is one that the two could have reached one after the other: then neither overwrote what the
other did. Writers that meet in one base must change different things, so that either order holds both effects.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from rollcall.api.etags import retry
from rollcall.guard.showing import show
from rollcall.hubs import context
from rollcall.hubs import store as hubs
from rollcall.hubs.model import Admin, RemovalGuard
from rollcall.invitations import api as invitations_api
from rollcall.invitations import links
from rollcall.invitations import store as invitations
from rollcall.invitations.accept import Page, accept, decline
from rollcall.invitations.model import Invitation, InvitationStatus
from rollcall.members import api as members_api
from rollcall.members import recompute
from rollcall.members import store as members
from rollcall.members.edits import ColumnEdit, newest_deactivation
from rollcall.members.model import Change as MemberChange
from rollcall.members.model import Member
from rollcall.people import collisions
from rollcall.people.collisions import Choice
from rollcall.people.events import Kind
from rollcall.people.model import EventState
from rollcall.people.sync import apply_event
from rollcall.plans import applying, held_removals, invites, member_edits
from rollcall.plans import store as plans
from rollcall.plans.model import Change, Plan, PlanKind, PlanState
from rollcall.plans.pointers import PLANNING
from rollcall.privacy.erase import erase
from rollcall.privacy.model import Cause, Subject
from rollcall.privacy.restore import restore_member
from rollcall.runtime import clients, dynamo
from rollcall.runtime.errors import RollcallError, TransientError
from rollcall.runtime.ids import SHARDS
from rollcall.runtime.times import now, to_text
from rollcall.segments import store as segments
from rollcall.segments.model import Option
from tests.support.admin import call, claims_of
from tests.support.aws import back_to, empty, snapshot
from tests.support.world import RULES, SEGMENTS, T0, World, logged

from rollcall.mapping.table import ProfileTarget, Rule  # isort: skip

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rollcall.people.events import DirectoryEvent

OTHER_SOURCE = "01JA0000000000000000000ZWE"
MAYA = {"email": "maya@example.com", "first_name": "Maya", "last_name": "Okafor"}
REFUSALS = frozenset({400, 404, 409, 410, 412})


def every_place(calls: int) -> list[int]:
    """Return the number of every call."""
    return list(range(1, calls + 1))


@contextmanager
def second_at(at: int, second: Callable[[], None]) -> Iterator[list[str]]:
    """Run with ``second`` carried out whole before the AWS call of that number; calls of the second do not count.

    Yields the names of the calls of the first; number 0 is never reached, so nothing comes in between.
    """
    calls: list[str] = []
    is_second = False

    def before(model: Any, **_: Any) -> None:
        nonlocal is_second
        if is_second:
            return
        calls.append(model.name)
        if len(calls) == at:
            is_second = True
            try:
                second()
            finally:
                is_second = False

    made = [clients.dynamodb(), clients.sqs(), clients.s3(), clients.secretsmanager()]
    for client in made:
        client.meta.events.register("before-call", before, unique_id="rollcall-second")
    try:
        yield calls
    finally:
        for client in made:
            client.meta.events.unregister("before-call", unique_id="rollcall-second")


@dataclass(frozen=True)
class Writer:
    """Somebody who writes members or people.

    Attributes
    ----------
    prepare
        What must be there before: an event in the log, a source's person.
    run
        Writes. Returns whether the one who asked was told that it is done, ``None`` if nobody asked. May be run again,
        as a queue or an impatient admin would.
    event
        The event it applies, if it does.
    """

    run: Callable[[World], object]
    prepare: Callable[[World], object] = lambda _: None
    event: Callable[[World], DirectoryEvent] | None = None


def _event(make: Callable[[World], DirectoryEvent]) -> Writer:
    def run(world: World) -> None:
        apply_event(world.hub.hub_id, make(world).event_id)

    return Writer(run, lambda world: world.record(make(world)), make)


def _patch(**body: Any) -> Writer:
    def run(world: World) -> bool:
        def change() -> Member:
            ctx = context.load(world.hub.hub_id)
            member = members_api.existing(ctx, member_id(world))
            return members_api._edit(ctx, member, members_api.MemberEdit(**body), _admin(world))

        return _told(lambda: retry(change))

    return Writer(run)


def _admin(world: World) -> Admin:
    return Admin("subject-of-ada", "ada.admin@example.com", frozenset({f"{world.hub.hub_id}:admin"}))


def _told(ask: Callable[[], object]) -> bool:
    """Return whether the route says that it is done, or refuses. The router itself takes one call at a time."""
    try:
        ask()
    except RollcallError as exc:
        if exc.status not in REFUSALS:
            raise
        return False
    return True


def _plan(world: World, kind: PlanKind, plan_id: str) -> Plan:
    return Plan(
        plan_id=plan_id,
        hub_id=world.hub.hub_id,
        kind=kind,
        state=PlanState.APPLYING,
        upload_id="upload",
        created_by="subject-of-ada",
        email="ada.admin@example.com",
        created_at=to_text(T0),
        approved_by="subject-of-ada",
    )


def edits_of(*edits: ColumnEdit, plan_id: str) -> Writer:
    """Return a members file, approved, that makes these edits of Maya as she is when it is planned."""
    planned: dict[str, Change] = {}

    def prepare(world: World) -> None:
        member = members.get_member(world.hub.hub_id, member_id(world))
        if member is not None:
            base = Change(1, "unchanged", kind="member", subject=member.member_id, id="00001-0001")
            newest = newest_deactivation(member)
            seen = tuple(replace(edit, seen=newest) if edit.column == "status" else edit for edit in edits)
            planned[world.hub.hub_id] = member_edits.planned(base, member, seen, (), is_admin=False)

    def run(world: World) -> bool:
        ctx, plan = context.load(world.hub.hub_id), _plan(world, PlanKind.MEMBER_EDITS, plan_id)
        return member_edits.apply_change(ctx, plan, planned[world.hub.hub_id]).outcome == "applied"

    return Writer(run, prepare)


def _recompute_all(world: World, cause: str) -> None:
    hub_id = world.hub.hub_id
    for shard in range(SHARDS):
        recompute.recompute_shard(context.load(hub_id), shard, MemberChange(cause, "subject-of-ada", to_text(now())))


NEW_RULES = (*RULES, Rule("Team", "North", ProfileTarget("Team", "Northerners"), 8))


def _publish(world: World) -> None:
    publish_to_all(world, NEW_RULES)


def publish_to_all(world: World, rules: tuple[Rule, ...]) -> None:
    """Publish rules as version 2 and compute every member anew, as an approved plan does; a second time is the same."""
    if context.load(world.hub.hub_id).table.version == 1:
        world.publish(2, rules)
    _recompute_all(world, "plan:mapping")


def _add_option(world: World) -> None:
    ctx = context.load(world.hub.hub_id)
    if ctx.catalogue_version == 1:
        languages = SEGMENTS[1]
        more = replace(languages, options=(*languages.options, Option("yo", "Yoruba")))
        segments.change_catalogue(world.hub.hub_id, 1, [], [more])
    _recompute_all(world, "catalogue:2")


def _settings(world: World) -> bool:
    """Let the hub take back by events; members follow at once, as by the messages that the change sends."""
    path, admin = f"/hubs/{world.hub.hub_id}", claims_of(f"{world.hub.hub_id}:admin")
    assert call("PUT", path, admin, {"reactivate_on_event": True}).status == 200
    _recompute_all(world, "settings:2")
    return True


def member_id(world: World) -> str:
    """Return the id of Maya's member, whether there is one yet or not."""
    return context.load(world.hub.hub_id).key.member_id(world.address_id(MAYA["email"]), 1)


def _known(world: World) -> None:
    said: dict[str, Any] = {"Office": "London", "Grade": "Senior", "Team": "North", "Languages": ("English", "Yoruba")}
    world.tell(world.event("one", 0, Kind.ADDED, fields=MAYA, attributes=said))


def _member(world: World) -> None:
    _known(world)
    world.enrol(roles=("mentee",))


def _invited(world: World) -> None:
    _known(world)
    invitation = Invitation(
        address_id=world.address_id(MAYA["email"]),
        epoch=1,
        status=InvitationStatus.SENT,
        email=MAYA["email"],
        roles=("mentee",),
        created_at=to_text(T0),
        expires_at="2999-01-01T00:00:00.000Z",
        plan_id="plan-before",
    )
    dynamo.write([invitations.put_invitation(world.hub.hub_id, invitation)])


def _press(answer: Callable[[str], Page]) -> Writer:
    def run(world: World) -> bool:
        hub_id, address_id = world.hub.hub_id, world.address_id(MAYA["email"])
        page = answer(links.make_token(context.load(hub_id).key, hub_id, address_id, 1))
        return not page.is_gone

    return Writer(run)


def _revoke(world: World) -> bool:
    hub_id, address_id = world.hub.hub_id, world.address_id(MAYA["email"])
    return _told(lambda: invitations_api._revoke(hub_id, invitations_api._existing(hub_id, address_id), "ada"))


def _invite_again(world: World) -> bool:
    data = {"email": MAYA["email"], "first_name": "", "last_name": "", "language": "en", "roles": [], "segments": {}}
    subject = world.address_id(MAYA["email"])
    change = Change(1, "invite", todo=True, kind="invitation", subject=subject, data=data, id="00001-0001")
    return (
        invites.apply_change(
            context.load(world.hub.hub_id), _plan(world, PlanKind.INVITES, "plan-again"), change
        ).outcome
        == "invited"
    )


def _other_person(world: World) -> DirectoryEvent:
    said: dict[str, Any] = {"fields": {"email": MAYA["email"]}, "attributes": {"Languages": "French"}}
    return World(world.hub, OTHER_SOURCE).event("other", 3, Kind.ADDED, "X-7", **said)


def _somebody_else(world: World) -> DirectoryEvent:
    return world.event("else", 9, Kind.ADDED, "E-2", fields={"email": MAYA["email"], "first_name": "Mika"})


def _erase_now(world: World) -> None:
    subject = Subject(members=frozenset([member_id(world)]))
    erase(world.hub.hub_id, context.load(world.hub.hub_id).key, "e" * 32, subject, cause=Cause.REQUEST)


def _left(world: World) -> None:
    _member(world)
    world.tell(world.event("was-left", 4, Kind.DEACTIVATED))


def _suspended(world: World) -> None:
    _member(world)
    writer = edits_of(ColumnEdit("status", ("active",), ("inactive",)), plan_id="plan-suspended")
    writer.prepare(world)
    assert writer.run(world)


def _deleted(world: World) -> None:
    _member(world)
    world.tell(world.event("was-deleted", 4, Kind.DELETED))


def _restore(world: World) -> bool:
    return _told(lambda: restore_member(world.hub.hub_id, member_id(world), "subject-of-ada"))


def _held(world: World) -> None:
    """Let the guard hold that Maya left, and look at the plan."""
    hubs.update_hub(replace(world.hub, removal_guard=RemovalGuard(0, 0)), seen=world.hub.version)
    _left(world)
    plan = show(_held_plan(world))
    applying.handle_pointer({"hub_id": plan.hub_id, "plan_id": plan.plan_id, "part": PLANNING})


def _held_plan(world: World) -> Plan:
    """Return the plan that was shown: the oldest, since what is held later goes into a new one."""
    return plans.list_plans(world.hub.hub_id, limit=9)[0][-1]


def _release(world: World) -> bool:
    plan = replace(_held_plan(world), approved_by="subject-of-ada")
    (change,) = applying.changes(plan.hub_id, plan.plan_id, limit=2)[0]
    return held_removals.apply_change(context.load(plan.hub_id), plan, change).outcome == "applied"


def _colliding(world: World) -> None:
    """Maya left, and somebody with a new id has her address and waits."""
    _left(world)
    world.tell(_newcomer(world))


def _newcomer(world: World) -> DirectoryEvent:
    return world.event("newcomer", 5, Kind.ADDED, "E-2", fields=MAYA, attributes={"Office": "Toronto"})


def _resolve(choice: Choice) -> Writer:
    def run(world: World) -> bool:
        ctx = context.load(world.hub.hub_id)
        return _told(lambda: collisions.resolve(ctx, world.person_id("E-2"), choice, _admin(world)))

    return Writer(run, event=_newcomer)


EVENTS = {
    "event_office": _event(lambda world: world.event("office", 5, attributes={"Office": "Toronto"})),
    "event_title": _event(lambda world: world.event("title", 6, attributes={"Job title": "Lead"})),
    "event_address": _event(lambda world: world.event("address", 7, fields={"email": "maya.o@example.com"})),
    "event_left": _event(lambda world: world.event("left", 8, Kind.DEACTIVATED)),
    "event_deleted": _event(lambda world: world.event("gone", 9, Kind.DELETED)),
    "event_other_source": _event(_other_person),
    "event_wants_address": _event(_somebody_else),
}
# Takes back what another event says: the member is then as they were before either.
BACK = {"event_back": _event(lambda world: world.event("back", 11, attributes={"Office": "London"}))}
RETURNED = {"event_returned": _event(lambda world: world.event("returned", 10, Kind.REACTIVATED))}
SETTINGS = {"settings": Writer(_settings)}
RULE_CHANGES = {"publish": Writer(_publish), "add_option": Writer(_add_option)}
ERASE = {"erase": Writer(_erase_now)}
PATCHES = {
    "patch_roles": _patch(roles=["Mentor"]),
    "patch_hobby": _patch(profile={"Hobby": "Sailing"}),
    "patch_city": _patch(profile={"City": "Oslo"}),
}


def _of(writers: dict[str, Writer], *names: str) -> dict[str, Writer]:
    return {name: writers[name] for name in names}


def _to_active(plan_id: str) -> dict[str, Writer]:
    return {"plan_activate": edits_of(ColumnEdit("status", ("inactive",), ("active",)), plan_id=plan_id)}


BASES: dict[str, tuple[Callable[[World], None], dict[str, Writer]]] = {
    "member": (
        _member,
        EVENTS
        | BACK
        | RULE_CHANGES
        | PATCHES
        | ERASE
        | {
            "plan_edit": edits_of(ColumnEdit("profile:Pronouns", (), ("she",)), plan_id="plan-edit"),
            "plan_suspend": edits_of(ColumnEdit("status", ("active",), ("inactive",)), plan_id="plan-suspend"),
        },
    ),
    "left": (
        _left,
        _of(EVENTS, "event_office", "event_deleted", "event_wants_address")
        | RETURNED
        | SETTINGS
        | _of(RULE_CHANGES, "publish")
        | _of(PATCHES, "patch_hobby")
        | ERASE
        | _to_active("plan-back"),
    ),
    "suspended": (
        _suspended,
        _of(EVENTS, "event_office", "event_left", "event_deleted")
        | SETTINGS
        | _of(RULE_CHANGES, "publish")
        | _of(PATCHES, "patch_hobby")
        | ERASE
        | _to_active("plan-lift"),
    ),
    "deleted": (
        _deleted,
        _of(EVENTS, "event_office", "event_other_source", "event_wants_address")
        | _of(RULE_CHANGES, "publish")
        | ERASE
        | {"restore": Writer(_restore)},
    ),
    "held": (
        _held,
        _of(EVENTS, "event_office", "event_deleted", "event_wants_address")
        | RETURNED
        | SETTINGS
        | _of(RULE_CHANGES, "publish")
        | _of(PATCHES, "patch_hobby")
        | ERASE
        | {"release": Writer(_release)},
    ),
    "colliding": (
        _colliding,
        _of(EVENTS, "event_office", "event_deleted")
        | RETURNED
        | _of(RULE_CHANGES, "publish")
        | _of(PATCHES, "patch_hobby")
        | ERASE
        | {
            "same_person": _resolve(Choice.SAME_PERSON),
            "give_address": _resolve(Choice.GIVE_ADDRESS),
            "keep_address": _resolve(Choice.KEEP),
        },
    ),
    "invited": (
        _invited,
        EVENTS
        | RULE_CHANGES
        | {
            "accept": _press(accept),
            "decline": _press(decline),
            "revoke": Writer(_revoke),
            "invite_again": Writer(_invite_again),
        },
    ),
}
PAIRS = [(base, one, two) for base, (_, writers) in BASES.items() for one in writers for two in writers if one != two]
PAIRS += [("invited", "accept", "accept"), ("member", "patch_roles", "patch_roles")]


class Races:
    """Races on one emulated stack: what a base needs is made once, and put back before every race."""

    def __init__(self) -> None:
        self._bases: dict[str, tuple[World, dict[str, Any]]] = {}
        self._serial: dict[tuple[str, str, str], tuple[dict[str, Any], list[str]]] = {}

    def _begin(self, base: str) -> World:
        if base not in self._bases:
            prepare, writers = BASES[base]
            empty()
            world = World().build()
            prepare(world)
            for writer in writers.values():
                writer.prepare(world)
            self._bases[base] = world, snapshot()
        world, kept = self._bases[base]
        back_to(kept)
        return world

    def race(self, base: str, one: str, two: str, at: int) -> tuple[dict[str, Any], list[str]]:
        """Let ``two`` commit before call ``at`` of ``one``; 0: after it.

        Returns
        -------
        The end state, once every queue has delivered again what was not done, with what each was told under ``told``;
        and the calls of ``one``.
        """
        first, second = (BASES[base][1][name] for name in (one, two))
        world = self._begin(base)
        told: dict[str, object] = {}
        with patch("time.sleep"):
            with second_at(at, lambda: told.update(two=_run(second, world))) as calls:
                told["one"] = _run(first, world)
            if at == 0:
                told["two"] = _run(second, world)
            _settle(world, {_event_id(writer, world) for writer in (first, second)})
        return _plain(world) | {"told": told}, calls

    def untouched(self, base: str) -> dict[str, Any]:
        """Return what lies there before anybody writes."""
        return _plain(self._begin(base))

    def alone(self, base: str, name: str) -> dict[str, Any]:
        """Return the end of one writer alone."""
        world = self._begin(base)
        writer = BASES[base][1][name]
        _run(writer, world)
        _settle(world, {_event_id(writer, world)})
        return _plain(world)

    def serial(self, base: str, one: str, two: str) -> tuple[dict[str, Any], list[str]]:
        """Return the end of ``two`` after ``one``, and the calls of ``one``."""
        key = base, one, two
        if key not in self._serial:
            self._serial[key] = self.race(*key, 0)
        return self._serial[key]

    def check(self, base: str, one: str, two: str, places: Callable[[int], list[int]] = every_place) -> int:
        """Try a pair with the second at the places, given the number of calls of the first; returns how many races.

        Raises
        ------
        AssertionError
            If the end is none of the two that come of one after the other.
        """
        ends = [self.serial(base, one, two)[0], _swapped(self.serial(base, two, one)[0])]
        calls = self.serial(base, one, two)[1]
        tried = places(len(calls))
        for at in tried:
            end, _ = self.race(base, one, two, at)
            where = f"{two} before call {at} of {one} ({calls[at - 1]}) in {base}"
            assert end in ends, f"{where}: {difference(end, ends[0])} and {difference(end, ends[1])}"
        return len(tried)


def _swapped(end: dict[str, Any]) -> dict[str, Any]:
    told = end["told"]
    return end | {"told": {"one": told["two"], "two": told["one"]}}


def _run(writer: Writer, world: World) -> object:
    for attempt in range(3):
        try:
            return writer.run(world)
        except TransientError:
            if attempt == 2:
                raise
    raise AssertionError


def _settle(world: World, mine: set[str | None]) -> None:
    """Apply events of the race that are new, or were made new again, as their messages would."""
    for _ in range(4):
        found = [event for event in logged() if event.state is EventState.NEW and event.event_id in mine]
        for event in found:
            apply_event(world.hub.hub_id, event.event_id)
        if not found:
            return


def _event_id(writer: Writer, world: World) -> str | None:
    return writer.event(world).event_id if writer.event else None


def _plain(world: World) -> dict[str, Any]:
    """Return the end state without times of ours, and what became of the events."""
    found = world.state()
    for item in found.values():
        for name in ("suspended", "restored", "kept_at"):
            item[name] = bool(item.get(name))
        for name in ("waiting", "expires_at", "due_sk"):
            item.pop(name, None)
    return found | {"held": sorted(event.event_id for event in logged() if event.state is EventState.HELD)}


def difference(one: Any, other: Any, place: str = "") -> list[str]:
    """Return what differs between two states, place by place."""
    if isinstance(one, dict) and isinstance(other, dict):
        return [
            line
            for key in sorted(one.keys() | other.keys())
            for line in difference(one.get(key), other.get(key), f"{place}/{key}")
        ]
    return [] if one == other else [f"{place}: {one!r} is not {other!r}"]
