"""Roles, segments and options renamed, archived, merged through the API, and what becomes of members."""

from __future__ import annotations

from functools import partial
from itertools import count
from typing import Any

import pytest

from rollcall.hubs import context
from rollcall.mapping.table import ANY, OptionTarget, Rule
from rollcall.members import store as members
from rollcall.plans.model import PlanState
from rollcall.plans.store import get_plan
from rollcall.runtime.ids import shard_of
from rollcall.segments.model import Visibility
from rollcall.segments.store import MAX_CHANGES
from tests.integration.test_catalogue_change import _do_shard, joined, stored, work_off
from tests.support.admin import Answer, call, claims_of
from tests.support.faults import MODES, until_quiet
from tests.support.plans import approve, drain
from tests.support.world import RULES, World

pytestmark = pytest.mark.usefixtures("aws")
LOCATION = "/segments/location"


@pytest.fixture
def world() -> World:
    return World().build()


def ask(world: World, method: str, path: str, body: object = None, *, role: str = "admin", **given: Any) -> Answer:
    claims = claims_of(f"{world.hub.hub_id}:{role}")
    return call(method, f"/hubs/{world.hub.hub_id}{path}", claims, body, **given)


def shown(world: World, member_id: str) -> Any:
    return world.shown(member_id)["segments"]


def test_a_renamed_option_keeps_its_members_by_rule_by_star_and_by_hand(world: World) -> None:
    """Also those whose HRIS value is the former label."""
    world.publish(2, (*RULES, Rule("Site", ANY, OptionTarget("location", ANY), 8)))
    by_rule, by_star = joined(world, "maya", Office="London"), joined(world, "noor", Site="London")
    by_hand = joined(world, "ana")
    assert ask(world, "PATCH", f"/members/{by_hand}", {"segments": {"Location": ["London"]}}).status == 200
    answer = ask(world, "PATCH", f"{LOCATION}/options/london", {"label": "London HQ"})
    assert (answer.status, answer.json["options"][0]["label"]) == (200, "London HQ")
    work_off()
    assert [shown(world, one) for one in (by_rule, by_star, by_hand)] == [{"location": ["london"]}] * 3
    late = joined(world, "late", Site="London HQ")
    assert shown(world, late) == {"location": ["london"]}
    assert ask(world, "GET", f"/members/{by_hand}").json["segments"] == {"Location": ["London HQ"]}


def test_a_merge_moves_members_rules_and_labels(world: World) -> None:
    """By rule and by hand; the old label still means the option that is left."""
    by_rule, by_hand = joined(world, "maya", Office="Toronto"), joined(world, "ana")
    ask(world, "PATCH", f"/members/{by_hand}", {"segments": {"Location": ["Toronto"]}})
    assert ask(world, "POST", f"{LOCATION}/options/toronto/merge-into/london").status == 200
    work_off()
    assert shown(world, by_rule) == shown(world, by_hand) == {"location": ["london"]}
    assert stored(world, by_hand).manual.segments == {"location": ("london",)}
    late = joined(world, "late", Office="Toronto")
    assert shown(world, late) == {"location": ["london"]}
    edited = ask(world, "PATCH", f"/members/{late}", {"segments": {"Location": ["Toronto"]}})
    assert (edited.status, shown(world, late)) == (200, {"location": ["london"]})
    again = ask(world, "POST", f"{LOCATION}/options/toronto/merge-into/london")
    assert again.status == 200
    assert context.load(world.hub.hub_id).catalogue_version == 2


@pytest.mark.parametrize("modes", [MODES[:1], pytest.param(MODES[1:], marks=pytest.mark.long)], ids=["one", "others"])
def test_a_merge_reaches_everybody_whatever_fails(modes: tuple[str, ...]) -> None:
    """A failure or death at any call of the work, and it is done again until all is as without."""
    for mode in modes:
        for number in count(1):
            world = World().build()
            by_hand = joined(world, "ana")
            ask(world, "PATCH", f"/members/{by_hand}", {"segments": {"Location": ["Toronto"]}})
            assert ask(world, "POST", f"{LOCATION}/options/toronto/merge-into/london").status == 200
            do_shard = partial(_do_shard, world, 2, shard_of(by_hand))
            injector = until_quiet(do_shard, at=number, mode=mode)
            assert shown(world, by_hand) == {"location": ["london"]}
            if len(injector.calls) < number:
                break
        assert number > 5


def test_an_archived_segment_is_shown_nowhere_and_comes_back_whole(world: World) -> None:
    """Members keep what they have by hand; its rules give nothing meanwhile."""
    by_rule, by_hand = joined(world, "maya", Office="London"), joined(world, "ana")
    ask(world, "PATCH", f"/members/{by_hand}", {"segments": {"Location": ["London"]}})
    assert ask(world, "DELETE", LOCATION).status == 204
    work_off()
    for member_id in (by_rule, by_hand):
        assert ask(world, "GET", f"/members/{member_id}").json["segments"] == {}
    assert "Location" not in [one["name"] for one in ask(world, "GET", "/segments").json["items"]]
    assert ask(world, "GET", LOCATION).json["archived"] is True
    assert ask(world, "PUT", LOCATION, {"archived": False}).status == 200
    work_off()
    for member_id in (by_rule, by_hand):
        assert ask(world, "GET", f"/members/{member_id}").json["segments"] == {"Location": ["London"]}


def test_an_archived_role_is_kept_by_who_has_it_by_hand(world: World) -> None:
    """And given by no rule any more."""
    by_hand, by_rule = joined(world, "ana"), joined(world, "maya", Grade="Senior")
    assert ask(world, "PUT", "/roles/mentee", {"label": "Learner", "description": "learns"}).json["label"] == "Learner"
    assert ask(world, "DELETE", "/roles/mentor").status == 204
    work_off()
    assert world.shown(by_hand)["roles"] == ["mentee"]
    assert "mentor" not in world.shown(by_rule)["roles"]
    refused = ask(world, "DELETE", "/roles/mentee")
    assert (refused.status, refused.json["code"]) == (409, "last_role")
    assert ask(world, "PUT", "/roles/mentor", {"archived": False}).status == 200
    work_off()
    assert "mentor" in world.shown(by_rule)["roles"]


def test_showing_a_segment_to_more_people_takes_an_approver(world: World) -> None:
    """A mapper alone may hide, not show."""
    answer = ask(world, "PUT", "/segments/languages", {"visibility": "public"}, role="mapper")
    assert (answer.status, answer.json["code"]) == (403, "forbidden")
    assert ask(world, "PUT", "/segments/languages", {"visibility": "public"}).status == 200
    assert context.load(world.hub.hub_id).catalogue.segments_by_id["languages"].visibility is Visibility.PUBLIC
    assert ask(world, "PUT", "/segments/languages", {"visibility": "private"}, role="mapper").status == 200


def test_a_hidden_segment_is_not_there_for_a_mapper(world: World) -> None:
    """Neither to be read nor to be changed nor merged."""
    assert ask(world, "PUT", LOCATION, {"visibility": "hidden"}).status == 200
    for method, path, body in (
        ("GET", LOCATION, None),
        ("PUT", LOCATION, {"description": "x"}),
        ("DELETE", LOCATION, None),
        ("PATCH", f"{LOCATION}/options/london", {"label": "x"}),
        ("POST", f"{LOCATION}/options/london/merge-into/toronto", None),
    ):
        assert ask(world, method, path, body, role="mapper").status == 404


def test_the_second_of_two_admins_is_told(world: World) -> None:
    """Nothing is overwritten that was not seen."""
    seen = ask(world, "GET", LOCATION)
    headers = {"if-match": seen.headers["etag"]}
    assert ask(world, "PUT", LOCATION, {"description": "first"}, headers=headers).status == 200
    refused = ask(world, "PUT", LOCATION, {"description": "second"}, headers=headers)
    assert refused.status == 412
    assert ask(world, "GET", LOCATION).json["description"] == "first"


def test_a_cosmetic_change_computes_nobody_anew(world: World) -> None:
    """A description or an order is no reason to read all members."""
    member_id = joined(world, "maya", Office="London")
    before = members.get_member(world.hub.hub_id, member_id)
    assert ask(world, "PUT", LOCATION, {"description": "where", "order": 7, "name": "Place"}).status == 200
    work_off()
    assert members.get_member(world.hub.hub_id, member_id) == before


def _sentences(world: World, role: str = "viewer") -> list[tuple[str, str, list[str]]]:
    items = ask(world, "GET", "/activity", role=role, query={"kind": "catalogue_changed"}).json["items"]
    return [(one["actor"], one["cause"], one["new"]) for one in reversed(items)]


def test_every_change_is_in_the_activity_with_who_made_it(world: World) -> None:
    """One entry for each version, in the transaction of the change; what was refused or changed nothing leaves none."""
    version = context.load(world.hub.hub_id).catalogue_version
    made = ask(world, "POST", "/roles", {"label": "Guide"}).json["role_id"]
    ask(world, "PUT", f"/roles/{made}", {"label": "Leader"})
    ask(world, "PUT", LOCATION, {"description": "Where they work."})
    ask(world, "POST", f"{LOCATION}/options", {"options": ["Oslo", "Rome", "oslo"]})
    ask(world, "POST", f"{LOCATION}/options/toronto/merge-into/london")
    ask(world, "POST", "/segments", {"name": "Team", "options": ["Red"]})
    for method, path, body in (
        ("POST", f"{LOCATION}/options/toronto/merge-into/london", None),
        ("PUT", LOCATION, {"description": "Where they work."}),
        ("POST", "/roles", {"label": "leader"}),
        ("POST", f"{LOCATION}/options", {"options": ["Rome"]}),
    ):
        ask(world, method, path, body)
    told = _sentences(world)
    assert [sentences for _, _, sentences in told] == [
        ["Made the role “Guide”."],
        ["Renamed the role “Guide” to “Leader”."],
        ["Changed the description of the segment “Location”."],
        ["Added 2 options to “Location”: “Oslo”, “Rome”."],
        ["Merged the option “Toronto” of “Location” into “London”."],
        ["Made the segment “Team”, seen by everybody.", "Added an option to “Team”: “Red”."],
    ]
    assert {actor for actor, _, _ in told} == {"subject-of-ada"}
    assert [cause for _, cause, _ in told] == [f"catalogue:{version + number}" for number in range(1, 7)]


def test_what_a_published_table_makes_is_in_the_activity_with_its_plan(world: World) -> None:
    """Whoever approved it stands behind the new option."""
    rule = {"field": "Office", "value": "Oslo", "hub_type": "Segment", "hub_field": "Location", "hub_attribute": "Oslo"}
    plan_id = ask(world, "POST", "/mapping/rules", {"rules": [rule]}).json["plan_id"]
    drain(world)
    plan = get_plan(world.hub.hub_id, plan_id)
    assert plan is not None
    approve(world, plan)
    assert _sentences(world) == [("admin-2", f"plan:{plan_id}", ["Added an option to “Location”: “Oslo”."])]


def test_activity_about_a_segment_is_read_by_those_who_may_see_it_then_and_now(world: World) -> None:
    """A name of the time when it was hidden is not read once it is shown; nor is anything once it is hidden again."""
    secret = ask(world, "POST", "/segments", {"name": "At risk", "visibility": "hidden"}).json["segment_id"]
    shown = {"name": "Welcome call", "visibility": "public"}
    for body in (shown, {"required": True}):
        assert ask(world, "PUT", f"/segments/{secret}", body).status == 200
    must = ["“Welcome call” must be filled in."]
    assert [sentences for _, _, sentences in _sentences(world)] == [must]
    everything = [sentences for _, _, sentences in _sentences(world, "admin")]
    assert (len(everything), "Renamed the segment “At risk” to “Welcome call”." in everything[1]) == (3, True)
    ask(world, "PUT", f"/segments/{secret}", {"visibility": "private"})
    assert _sentences(world) == []
    assert must in [sentences for _, _, sentences in _sentences(world, "mapper")]


def test_as_many_new_segments_as_one_table_may_make_are_published_in_one_write(world: World) -> None:
    """With the table and the entry of the activity they fill a transaction; one more is refused with what to do."""
    rule = {"field": "Office", "hub_type": "Segment", "hub_attribute": "Yes"}
    rules = [rule | {"value": f"Office {n}", "hub_field": f"Team {n}"} for n in range(MAX_CHANGES)]
    refused = ask(world, "POST", "/mapping/rules", {"rules": rules})
    assert [fault["code"] for fault in refused.json["faults"]] == ["too_many_new"]
    plan_id = ask(world, "POST", "/mapping/rules", {"rules": rules[1:]}).json["plan_id"]
    drain(world)
    plan = get_plan(world.hub.hub_id, plan_id)
    assert plan is not None
    assert approve(world, plan).state is PlanState.APPLIED
    ((_, _, sentences),) = _sentences(world)
    assert len(sentences) == 2 * (MAX_CHANGES - 1)
