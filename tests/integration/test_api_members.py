from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from rollcall.people import store
from rollcall.people.events import Kind
from rollcall.runtime import dynamo
from tests.support.admin import Answer, call, claims_of
from tests.support.world import SOURCE, World

if TYPE_CHECKING:
    from collections.abc import Iterator

SAID: dict[str, Any] = {
    "fields": {"email": "maya.okafor@example.com", "first_name": "Maya", "last_name": "Okafor"},
    "attributes": {"Office": "London", "Grade": "Senior", "Languages": ("English", "French"), "Job title": "Lead"},
    "complete": True,
}


@pytest.fixture
def world(aws: None) -> World:
    return World().build()


@pytest.fixture
def maya(world: World) -> str:
    """Return the id of a member whom the directory puts in London as a mentor."""
    world.tell(world.event("one", 0, Kind.ADDED, **SAID))
    return world.enrol()


def ask(world: World, method: str, path: str, body: object = None, *, role: str = "admin", **more: Any) -> Answer:
    return call(method, f"/hubs/{world.hub.hub_id}{path}", claims_of(f"{world.hub.hub_id}:{role}"), body, **more)


def pages(world: World, path: str, **query: str) -> Iterator[list[Any]]:
    cursor: str | None = ""
    while cursor is not None:
        answer = ask(world, "GET", path, query={**query, **({"cursor": cursor} if cursor else {})}).json
        yield answer["items"]
        cursor = answer["next_cursor"]


def add_people(world: World, *names: str) -> None:
    for number, name in enumerate(names, start=2):
        fields = {"email": f"p{number}@example.com", "first_name": f"P{number}", "last_name": name}
        said = {"fields": fields, "attributes": {"Grade": "Junior", "Office": "Toronto"}, "complete": True}
        world.tell(world.event(f"add{number}", number, Kind.ADDED, person=f"E-{number}", **said))


def test_admin_sees_all_of_a_member(world: World, maya: str) -> None:
    """Labels in place of ids, and where each value comes from."""
    shown = ask(world, "GET", f"/members/{maya}").json
    assert shown == {
        "member_id": maya,
        "email": "maya.okafor@example.com",
        "email_status": "",
        "first_name": "Maya",
        "last_name": "Okafor",
        "status": "active",
        "status_reason": "",
        "roles": ["Mentor"],
        "segments": {"Location": ["London"], "Languages": ["English", "French"]},
        "profile": {"Job title": "Lead"},
        "provenance": {
            "roles.Mentor": [SOURCE],
            "segments.Location.London": [SOURCE],
            "segments.Languages.English": [SOURCE],
            "segments.Languages.French": [SOURCE],
            "profile.Job title": [SOURCE],
        },
        "deleted_at": None,
        "purge_at": None,
    }


@pytest.mark.parametrize("how", ["bounced", "complained"])
def test_member_whom_mail_does_not_reach_stays_active_and_is_shown_so(world: World, maya: str, how: str) -> None:
    """Alone and in lists, as a member and as a person; a colleague whom mail reaches is not."""
    add_people(world, "Zhou")
    address = store.get_address(world.hub.hub_id, world.address_id("maya.okafor@example.com"))
    dynamo.write([store.put_address(world.hub.hub_id, replace(address, suppressed=how))])
    shown = ask(world, "GET", f"/members/{maya}").json
    assert (shown["status"], shown["email_status"]) == ("active", how)
    assert [one["email_status"] for one in ask(world, "GET", "/members").json["items"]] == [how]
    assert ask(world, "GET", f"/people/{world.person_id()}").json["email_status"] == how
    people = ask(world, "GET", "/people").json["items"]
    assert {one["last_name"]: one["email_status"] for one in people} == {"Okafor": how, "Zhou": ""}


@pytest.mark.parametrize(
    ("role", "segments", "profile"),
    [
        ("viewer", {"Location"}, set()),
        ("inviter", {"Location"}, set()),
        ("mapper", {"Location", "Languages"}, {"Job title"}),
        ("approver", {"Location", "Languages"}, {"Job title"}),
    ],
)
def test_member_is_shown_only_as_far_as_the_caller_may_see(
    world: World, maya: str, role: str, segments: set[str], profile: set[str]
) -> None:
    """Private segments and profile fields are for mapper, approver and above, in lists too."""
    for shown in (
        ask(world, "GET", f"/members/{maya}", role=role).json,
        ask(world, "GET", "/members", role=role).json["items"][0],
    ):
        assert set(shown["segments"]) == segments
        assert set(shown["profile"]) == profile
        assert ("Languages" in str(shown["provenance"])) is ("Languages" in segments)


def test_private_segment_is_no_filter_for_those_who_may_not_see_it(world: World, maya: str) -> None:
    """A filter must not tell what the answer hides."""
    query = {"segment.Languages": "French"}
    assert ask(world, "GET", "/members", role="viewer", query=query).status == 400
    assert len(ask(world, "GET", "/members", role="mapper", query=query).json["items"]) == 1


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({"status": "active"}, 1),
        ({"status": "inactive"}, 0),
        ({"role": "mentor"}, 1),
        ({"role": "Mentee"}, 0),
        ({"segment.Location": "London"}, 1),
        ({"segment.location": "toronto"}, 0),
        ({"q": "MAYA.Okafor@example.com"}, 1),
        ({"q": "oka"}, 1),
        ({"q": "okb"}, 0),
        ({"q": "somebody@example.com"}, 0),
    ],
)
def test_filtered_list_holds_those_who_match(world: World, maya: str, query: dict[str, str], count: int) -> None:
    """Filters go by status, role, segment, exact e-mail and start of the last name, spelling aside."""
    assert len(ask(world, "GET", "/members", query=query).json["items"]) == count


def test_deleted_member_is_gone_at_once(world: World, maya: str) -> None:
    """After the deletion no address of the API shows the member or the person."""
    world.tell(world.event("two", 10, Kind.DELETED))
    assert ask(world, "GET", f"/members/{maya}").status == 404
    assert ask(world, "GET", f"/members/{maya}/activity").status == 404
    assert ask(world, "PATCH", f"/members/{maya}", {"roles": ["Mentee"]}).status == 404
    assert ask(world, "GET", f"/people/{world.person_id()}").status == 404
    for path in ("/members", "/people"):
        assert ask(world, "GET", path).json["items"] == []
        assert ask(world, "GET", path, query={"q": "maya.okafor@example.com"}).json["items"] == []


def test_role_given_by_hand_survives_the_next_event(world: World, maya: str) -> None:
    """What an admin sets stays; what the directory says follows the directory."""
    answer = ask(world, "PATCH", f"/members/{maya}", {"roles": ["Mentor", "Mentee"]})
    assert (answer.status, answer.json["roles"]) == (200, ["Mentee", "Mentor"])
    assert answer.json["provenance"]["roles.Mentee"] == ["manual"]
    world.tell(world.event("two", 10, attributes={"Office": "Toronto"}))
    shown = ask(world, "GET", f"/members/{maya}").json
    assert set(shown["roles"]) == {"Mentor", "Mentee"}
    assert shown["segments"]["Location"] == ["Toronto"]


def test_what_the_directory_says_cannot_be_taken_away_by_hand(world: World, maya: str) -> None:
    """The role of the mapping table stays, and the answer says where to change it."""
    answer = ask(world, "PATCH", f"/members/{maya}", {"roles": ["Mentee"]})
    assert (answer.status, answer.json["code"]) == (409, "owned_by_directory")
    assert ask(world, "GET", f"/members/{maya}").json["roles"] == ["Mentor"]


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"roles": []}, "body.roles"),
        ({"roles": ["Astronaut"]}, "body.roles.0"),
        ({"segments": {"Moon": ["Crater"]}}, "body.segments"),
        ({"segments": {"Location": ["Paris"]}}, "body.segments.Location.0"),
        ({"segments": {"Location": ["London", "Toronto"]}}, "body.segments.Location"),
        ({"email": "x@example.com"}, "body.email"),
        ({"profile": {"Job title": "\ud800"}}, "body.profile.Job title"),
    ],
)
def test_edit_that_cannot_be_is_refused_with_its_place(
    world: World, maya: str, body: dict[str, object], place: str
) -> None:
    """Unknown roles, options and fields change nothing."""
    before = ask(world, "GET", f"/members/{maya}").json
    answer = ask(world, "PATCH", f"/members/{maya}", body)
    assert answer.status == 400
    assert place in [fault["place"] for fault in answer.json["faults"]]
    assert ask(world, "GET", f"/members/{maya}").json == before


def test_profile_and_segment_set_by_hand_are_shown(world: World, maya: str) -> None:
    """A hand-set profile field and single-valued segment win over the directory."""
    body = {"profile": {"Job title": "Captain"}, "segments": {"Location": ["Toronto"]}}
    shown = ask(world, "PATCH", f"/members/{maya}", body).json
    assert (shown["profile"], shown["segments"]["Location"]) == ({"Job title": "Captain"}, ["Toronto"])


def test_same_edit_twice_writes_once(world: World, maya: str) -> None:
    """An edit that changes nothing leaves the stored member alone."""
    for _ in range(2):
        assert ask(world, "PATCH", f"/members/{maya}", {"roles": ["Mentor", "Mentee"]}).status == 200
    assert world.shown(maya)["roles"] == ["mentee", "mentor"]


def test_pages_hold_every_person_once_in_order(world: World) -> None:
    """Following the cursors gives everybody once, by name; cursors show no names."""
    names = ["Zhang", "abbott", "Ébert", "Müller", "Okafor", "李", "Ångström"]
    add_people(world, *names)
    found = [person for page in pages(world, "/people", limit="2") for person in page]
    assert [person["last_name"] for person in found] == [
        "abbott", "Ångström", "Ébert", "Müller", "Okafor", "Zhang", "李",
    ]  # fmt: skip
    cursor = ask(world, "GET", "/people", query={"limit": "2"}).json["next_cursor"]
    assert "ngstr" not in cursor


@pytest.mark.parametrize("limit", ["0", "501", "x", "-1"])
def test_limit_out_of_bounds_is_refused(world: World, limit: str) -> None:
    """A page holds 1 to 500 entries."""
    answer = ask(world, "GET", "/people", query={"limit": limit})
    assert (answer.status, answer.json["faults"][0]["place"]) == (400, "query.limit")


def test_person_has_a_state_and_attributes_for_those_who_may_see(world: World, maya: str) -> None:
    """A person is a potential member, a member, or deactivated."""
    add_people(world, "Zhang")
    states = {p["external_id"]: p["state"] for p in ask(world, "GET", "/people").json["items"]}
    assert states == {"E-1": "member", "E-2": "potential"}
    world.tell(world.event("gone", 50, Kind.DEACTIVATED, person="E-2"))
    only = ask(world, "GET", "/people", query={"state": "deactivated"}).json["items"]
    assert [person["external_id"] for person in only] == ["E-2"]
    person = ask(world, "GET", f"/people/{world.person_id()}").json
    assert person["attributes"]["Languages"] == ["English", "French"]
    assert person["member_id"] == maya
    assert ask(world, "GET", f"/people/{world.person_id()}", role="viewer").json["attributes"] == {}


@pytest.mark.parametrize("q", ["E-1", "maya.okafor@example.com", "Okaf"])
def test_person_is_found_by_id_address_or_name(world: World, maya: str, q: str) -> None:
    """`q` is a whole external id, a whole address, or the start of the last name."""
    assert [p["external_id"] for p in ask(world, "GET", "/people", query={"q": q}).json["items"]] == ["E-1"]


def test_event_says_what_it_did_and_can_be_applied_again(world: World, maya: str) -> None:
    """The log shows each event; a replayed one is new again until it is applied."""
    (listed,) = ask(world, "GET", "/events").json["items"]
    assert (listed["state"], listed["kind"], listed["source_id"]) == ("applied", "added", SOURCE)
    path = f"/events/{listed['event_id']}"
    assert ask(world, "GET", path).json["fields"]["first_name"] == "Maya"
    assert ask(world, "GET", path, role="viewer").json["attributes"] == {}
    answer = ask(world, "POST", f"{path}/replay")
    assert (answer.status, answer.json["state"]) == (202, "new")
    assert answer.headers["location"].endswith(path)


def test_more_than_a_member_can_hold_is_refused_and_changes_nothing(world: World, maya: str) -> None:
    """Edits that add up to too much are refused with a sentence, and the member stays as it was."""
    assert ask(world, "PATCH", f"/members/{maya}", {"profile": {"Note": "short"}}).status == 200
    before = ask(world, "GET", f"/members/{maya}").json
    answer = ask(world, "PATCH", f"/members/{maya}", {"profile": {f"f{n}": "x" * 2000 for n in range(100)}})
    assert (answer.status, answer.json["code"]) == (409, "too_large_to_store")
    assert "Shorten or remove" in answer.json["detail"]
    assert ask(world, "GET", f"/members/{maya}").json == before
