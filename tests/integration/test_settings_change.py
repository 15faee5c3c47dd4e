"""Settings that decide what is shown of members: when they change, everybody follows, and the activity says why."""

from __future__ import annotations

from typing import Any

import pytest

from rollcall.activity import store as activity
from rollcall.hubs import context
from rollcall.hubs import store as hubs
from rollcall.hubs.model import Source
from rollcall.members import store as members
from rollcall.people.events import Kind
from rollcall.people.sync import apply_event
from rollcall.runtime import dynamo
from tests.support.admin import Answer, call, claims_of
from tests.support.plans import drain
from tests.support.streams import recording
from tests.support.world import World

OTHER = "01JA0000000000000000000ZZZ"

pytestmark = pytest.mark.usefixtures("aws")


@pytest.fixture
def world() -> World:
    return World().build()


def change(world: World, **settings: Any) -> Answer:
    answer = call("PUT", f"/hubs/{world.hub.hub_id}", claims_of(f"{world.hub.hub_id}:admin"), settings)
    assert answer.status == 200, answer.text
    return answer


def joined(world: World) -> str:
    fields = {"email": "maya@example.com", "first_name": "Maya", "last_name": "Okafor"}
    world.tell(world.event("joined", 0, Kind.ADDED, fields=fields, attributes={"Office": "London"}))
    return world.enrol(roles=("mentee",))


def told(world: World, member_id: str) -> list[tuple[str, Any, Any, str, str]]:
    found, _ = activity.list_for(world.hub.hub_id, member_id, limit=100)
    return sorted((one.field, one.old, one.new, one.cause, one.actor) for one in found if one.field != "member")


def _second_source_says(world: World, member_id: str, office: str) -> None:
    """Let a second source know the member too; only the way there is short."""
    hub_id = world.hub.hub_id
    hubs.create_source(Source(hub_id, OTHER, "standard", "Directory", world.hub.salt), "whsec_" + "A" * 32)
    second = World(hub=world.hub, source_id=OTHER)
    fields = {"email": "maya@example.com", "first_name": "Maya", "last_name": "Okafor"}
    said = second.event("second", 5, Kind.ADDED, "D-1", fields=fields, attributes={"Office": office})
    apply_event(hub_id, second.record(said))
    member = members.get_member(hub_id, member_id)
    assert member is not None
    assert set(member.slices) == {world.source_id, OTHER}


def test_sources_in_another_order_change_every_member_and_the_activity_says_by_which_setting(world: World) -> None:
    """The segment that the first source gives is shown; the entry names the version of the settings and the admin."""
    with recording():
        member_id = joined(world)
        _second_source_says(world, member_id, "Toronto")
        shown = world.shown(member_id)["segments"]["location"]
        before = told(world, member_id)
        first = OTHER if shown == ["london"] else world.source_id
        answer = change(world, source_precedence=[first])
        drain(world)
    other = {"london": "toronto", "toronto": "london"}[shown[0]]
    assert world.shown(member_id)["segments"]["location"] == [other]
    cause = f"settings:{hubs.get_hub(world.hub.hub_id).version}"
    assert answer.json["source_precedence"] == [first]
    added = [entry for entry in told(world, member_id) if entry not in before]
    assert added == [("segment:location", shown, [other], cause, "subject-of-ada")]


def test_reactivation_by_event_switched_on_and_off_changes_who_is_active(world: World) -> None:
    """Who was taken back by an event is active while the hub says so, in lists as well as by id."""
    with recording():
        member_id = joined(world)
        world.tell(world.event("left", 10, Kind.DEACTIVATED), world.event("back", 20, Kind.REACTIVATED))
        assert world.shown(member_id)["status"] == "inactive"
        for is_on, status in ((True, "active"), (False, "inactive")):
            change(world, reactivate_on_event=is_on)
            drain(world)
            assert world.shown(member_id)["status"] == status
    causes = {cause for field, _, _, cause, _ in told(world, member_id) if field == "status"}
    assert {cause.partition(":")[0] for cause in causes} == {"event", "settings"}


def test_setting_that_shows_nothing_else_computes_nobody_anew(world: World) -> None:
    """Neither another setting, nor the same value once more, makes work."""
    joined(world)
    version = context.load(world.hub.hub_id).catalogue_version
    change(world, invite_review=True)
    change(world, reactivate_on_event=False, source_precedence=[])
    assert context.load(world.hub.hub_id).catalogue_version == version


def test_settings_that_move_while_an_event_is_applied_are_what_counts(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everybody was computed anew before the event wrote by the old settings: it looks again."""
    member_id = joined(world)
    world.tell(world.event("left", 10, Kind.DEACTIVATED))
    write = dynamo.write

    def first_the_setting(actions: Any) -> None:
        monkeypatch.undo()
        change(world, reactivate_on_event=True)
        drain(world)
        write(actions)

    event_id = world.record(world.event("back", 20, Kind.REACTIVATED))
    monkeypatch.setattr(dynamo, "write", first_the_setting)
    apply_event(world.hub.hub_id, event_id)
    assert world.shown(member_id)["status"] == "active"
