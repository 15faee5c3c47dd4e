"""Nothing that is shown of a member changes without an entry, and the entries tell every difference."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from rollcall.activity import store as activity
from rollcall.invitations import store as invitations
from rollcall.mail import store as outbox
from rollcall.mail.model import DeliveryEvent, DeliveryKind, Mail
from rollcall.mail.model import Kind as MailKind
from rollcall.members.edits import ColumnEdit
from rollcall.people.events import Kind
from rollcall.runtime import dynamo
from rollcall.runtime.times import now, to_text
from tests.support.admin import call, claims_of
from tests.support.plans import drain
from tests.support.races import BASES, MAYA, edits_of, member_id, publish_to_all
from tests.support.streams import recording
from tests.support.world import RULES, SOURCE, T0, World

if TYPE_CHECKING:
    from collections.abc import Callable

    from rollcall.activity.model import Activity

STEPS = 20
CAUSES = {"event", "admin", "plan", "catalogue", "settings"}
OFFICES: list[str | None] = ["London", "Toronto", "Łódź", None]


@pytest.fixture
def world(aws: None) -> World:
    return World().build()


def _event(world: World, chance: random.Random, step: int) -> None:
    kind = chance.choices(list(Kind), [1, 12, 3, 3, 0])[0]
    said: dict[str, Any] = {
        "attributes": {
            name: chance.choice(values)
            for name, values in (
                ("Office", OFFICES),
                ("Grade", ["Senior", "Junior", None]),
                ("Languages", [("English", "French"), "French", None]),
                ("Job title", ["Lead", "Head", None]),
            )
            if chance.random() < 0.5
        }
    }
    if chance.random() < 0.3:
        email = chance.choice([MAYA["email"], "maya.o@example.com"])
        said["fields"] = {"email": email, "last_name": chance.choice(["Okafor", "Hale"])}
    # Some come late: what they say may be older than what is known.
    world.tell(world.event(f"event{step}", chance.randrange(10, 10_000), kind, **said))


def _patch(world: World, chance: random.Random, step: int) -> None:
    body = chance.choice(
        [
            {"roles": ["Mentor"]},
            {"roles": ["Mentee"]},
            {"segments": {"Location": [chance.choice(["London", "Toronto"])]}},
            {"profile": {"Hobby": f"Hobby {step % 3}"}},
            {"first_name": "Mia"},
        ]
    )
    path = f"/hubs/{world.hub.hub_id}/members/{member_id(world)}"
    assert call("PATCH", path, claims_of(f"{world.hub.hub_id}:admin"), body).status in (200, 409)


def _plan(world: World, chance: random.Random, step: int) -> None:
    status, other = chance.sample(["active", "inactive"], 2)
    edit = ColumnEdit("status", (other,), (status,), to_text(now()))
    writer = edits_of(edit, plan_id=f"plan-{step}")
    writer.prepare(world)
    writer.run(world)


def _publish(world: World, chance: random.Random, step: int) -> None:
    del chance, step
    publish_to_all(world, RULES[1:])


def _settings(world: World, chance: random.Random, step: int) -> None:
    """Let the hub take people back by events, or no longer."""
    del step
    body = {"reactivate_on_event": chance.random() < 0.5}
    assert call("PUT", f"/hubs/{world.hub.hub_id}", claims_of(f"{world.hub.hub_id}:admin"), body).status == 200
    drain(world)


WAYS: list[Callable[[World, random.Random, int], None]] = [_event, _event, _event, _patch, _plan, _publish, _settings]


@pytest.mark.parametrize("seed", [1])
def test_every_change_of_what_is_shown_is_told_by_exactly_the_entries_between(world: World, seed: int) -> None:
    """After each step of a random workload the entries written by it turn what was shown into what is shown."""
    _workload(world, random.Random(seed), STEPS)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(100, 120))
def test_every_change_of_a_long_workload_is_told(world: World, seed: int) -> None:
    """The same, longer and with other seeds."""
    _workload(world, random.Random(seed), 4 * STEPS)


def _workload(world: World, chance: random.Random, steps: int) -> None:
    with recording() as catch_up:
        BASES["member"][0](world)
        catch_up()
        before, told = _told(world.shown(member_id(world))), set[str]()
        told |= {entry.activity_id for entry in _entries(world)}
        changes = 0
        for step in range(steps):
            chance.choice(WAYS)(world, chance, step)
            catch_up()
            after = _told(world.shown(member_id(world)))
            new = [entry for entry in _entries(world) if entry.activity_id not in told]
            told |= {entry.activity_id for entry in new}
            where = f"step {step}: {[(entry.field, entry.old, entry.new) for entry in new]}"
            assert _replayed(before, new) == after, where
            assert all(entry.cause and entry.actor and entry.at for entry in new), where
            assert {entry.cause.partition(":")[0] for entry in new} <= CAUSES, where
            changes += before != after
            before = after
        assert changes >= steps // 10


def _entries(world: World) -> list[Activity]:
    """Return the entries of the member about what is shown, oldest first."""
    found, _ = activity.list_for(world.hub.hub_id, member_id(world), limit=1000)
    return [entry for entry in reversed(found) if entry.field not in ("kept_roles", "holds")]


def _told(shown: dict[str, Any]) -> dict[str, Any]:
    """Return what is shown by the names that entries use; nothing where there is no value."""
    flat = {name: shown[name] for name in ("status", "status_reason", "email", "first_name", "last_name")}
    flat["roles"] = sorted(shown["roles"])
    flat |= {f"segment:{name}": sorted(options) for name, options in shown["segments"].items() if options}
    return flat | {f"profile:{name}": text for name, text in shown["profile"].items()}


def _replayed(before: dict[str, Any], entries: list[Activity]) -> dict[str, Any]:
    """Carry the entries out on what was shown; each must begin with what was there."""
    state = dict(before)
    for entry in entries:
        assert _plain(entry.old) == state.get(entry.field), entry.field
        state[entry.field] = _plain(entry.new)
    return {name: value for name, value in state.items() if value is not None}


def _plain(value: Any) -> Any:
    return (sorted(value) or None) if isinstance(value, list) else value


def _timeline(world: World, limit: int = 50, role: str = "admin", since: str = "") -> list[dict[str, Any]]:
    """Return a member's timeline, page after page."""
    found: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        query = {"limit": str(limit), "since": since} | ({"cursor": cursor} if cursor else {})
        path = f"/hubs/{world.hub.hub_id}/members/{member_id(world)}/activity"
        answer = call("GET", path, claims_of(f"{world.hub.hub_id}:{role}"), query=query)
        assert answer.status == 200, answer.text
        found += answer.json["items"]
        cursor = answer.json["next_cursor"]
    return found


LATER = T0 + timedelta(days=3)


def _mails(world: World) -> None:
    """Let the invitation be sent and delivered, a reminder be sent, and another one not."""
    hub_id, address_id = world.hub.hub_id, world.address_id(MAYA["email"])
    for number, kind in enumerate((MailKind.INVITATION, MailKind.REMINDER, MailKind.REMINDER), start=1):
        invitation = invitations.get_invitation(hub_id, address_id)
        assert invitation is not None
        at = T0 + timedelta(days=(number - 1) * 3)
        mail = Mail(
            invitation.mail_id(hub_id, number),
            hub_id,
            kind,
            MAYA["email"],
            "en",
            at,
            address_id=address_id,
            invitation_epoch=1,
        )
        dynamo.write([outbox.put_action(mail)])
        if number == 3:
            outbox.cancel(mail, "invitation_closed")
            return
        claimed = outbox.claim(mail, at)
        assert isinstance(claimed, Mail)
        outbox.mark_sent(claimed, f"ses-{number}", at)
        if number == 1:
            event = DeliveryEvent(hub_id, claimed.mail_id, DeliveryKind.DELIVERED, f"ses-{number}", at)
            outbox.settle_by_event(claimed, event)


def test_events_that_changed_nothing_are_in_the_timeline_with_their_reason(world: World) -> None:
    """What was said again and what came late is told, page by page, and since a time; what was applied is not."""
    with recording():
        BASES["member"][0](world)
        again = world.event("again", 60, attributes={"Office": "Toronto"})
        world.tell(again, world.event("same", 61, attributes={"Office": "Toronto"}))
        world.tell(world.event("late", 59, attributes={"Office": "London"}))
    found = _timeline(world)
    told = [(one["new"], one["cause"], one["actor"]) for one in found if one["kind"] == "event_without_effect"]
    expected = [("same_values", "same"), ("older", "late")]
    assert sorted(told) == sorted((why, f"event:{world.event_id(name)}", "directory") for why, name in expected)
    assert _timeline(world, limit=1) == found
    since = to_text(T0 + timedelta(hours=12))
    assert _timeline(world, since=since) == [one for one in found if one["at"] >= since] != found


def test_timeline_joins_directory_edits_and_invitation_in_one_order(world: World) -> None:
    """What the directory said, what an admin edited and how they were invited stand in one list, newest first."""
    with recording():
        BASES["invited"][0](world)
        _mails(world)
        BASES["invited"][1]["accept"].run(world)
        moved = world.event("moved", 60, attributes={"Office": "Toronto"})
        world.tell(moved)
        path = f"/hubs/{world.hub.hub_id}/members/{member_id(world)}"
        admin = claims_of(f"{world.hub.hub_id}:admin")
        assert call("PATCH", path, admin, {"profile": {"Hobby": "Sailing"}}).status == 200
    found = _timeline(world)
    assert [entry["at"] for entry in found] == sorted((entry["at"] for entry in found), reverse=True)
    assert {entry["kind"] for entry in found} == {
        "invited",
        "invitation_sent",
        "mail_delivered",
        "reminder_sent",
        "mail_not_sent",
        "invitation_settled",
        "member_created",
        "person_created",
        "person_attribute_changed",
        "segments_changed",
        "profile_changed",
    }
    by_kind = {entry["kind"]: entry for entry in found}
    assert by_kind["segments_changed"]["cause"] == f"event:{moved.event_id}"
    assert by_kind["person_attribute_changed"]["new"] == "Toronto"
    assert (by_kind["profile_changed"]["cause"], by_kind["profile_changed"]["actor"]) == ("admin", "subject-of-ada")
    assert (by_kind["invitation_settled"]["new"], by_kind["invitation_settled"]["actor"]) == ("accepted", "member")
    assert [(one["new"], one["at"]) for one in found if one["kind"] == "reminder_sent"] == [("sent", to_text(LATER))]
    assert by_kind["mail_not_sent"]["new"] == "invitation_closed"
    assert _timeline(world, limit=2) == found
    seen_by_viewer = {entry["kind"] for entry in _timeline(world, role="viewer")}
    assert seen_by_viewer.isdisjoint({"person_attribute_changed", "profile_changed"})


def test_activity_of_a_source_is_what_its_events_did(world: World) -> None:
    """Neither what an admin did nor what another source said, in pages of any size, of the hub and of a member."""
    claims = claims_of(f"{world.hub.hub_id}:admin")
    with recording() as catch_up:
        BASES["member"][0](world)
        path = f"/hubs/{world.hub.hub_id}/members/{member_id(world)}"
        assert call("PATCH", path, claims, {"profile": {"Hobby": "Chess"}}).status == 200
        world.tell(world.event("later", 20_000, Kind.UPDATED, attributes={"Office": "Toronto"}))
        catch_up()

    def listed(path: str, **query: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        cursor = ""
        while True:
            page = call("GET", path, claims, query={**query, **({"cursor": cursor} if cursor else {})}).json
            found += page["items"]
            cursor = page["next_cursor"] or ""
            if not cursor:
                return found

    for whole in (f"{path}/activity", f"/hubs/{world.hub.hub_id}/activity"):
        every, theirs = listed(whole), listed(whole, source_id=SOURCE)
        assert theirs == [
            one for one in every if one["cause"].startswith("event:") or one["kind"].startswith("person_")
        ]
        assert {"admin"} <= {one["cause"] for one in every} - {one["cause"] for one in theirs}
        assert listed(whole, source_id=SOURCE, limit="2") == theirs
        assert "segments_changed" in {one["kind"] for one in theirs}
        assert listed(whole, source_id="01ARZ3NDEKTSV4RRFFQ69G5FAV") == []
