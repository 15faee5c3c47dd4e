"""Routes of the privacy permission: deleted members, restore, erase, receipts, all that is held about a person."""

from __future__ import annotations

from typing import Any

import pytest

from rollcall.people import store
from rollcall.people.events import Kind
from rollcall.privacy.purge import run_erasure
from rollcall.runtime import clients
from rollcall.runtime.settings import env
from tests.support.admin import Answer, call, claims_of
from tests.support.world import SOURCE, World

SAID: dict[str, Any] = {
    "fields": {"email": "maya.okafor@example.com", "first_name": "Maya", "last_name": "Okafor"},
    "attributes": {"Office": "London", "Grade": "Senior"},
    "complete": True,
}


@pytest.fixture
def world(aws: None) -> World:
    return World().build()


@pytest.fixture
def maya(world: World) -> str:
    """Return the id of a member whom the directory puts in London, with a role by hand besides."""
    world.tell(world.event("one", 0, Kind.ADDED, **SAID))
    return world.enrol(roles=("mentee",))


def ask(world: World, method: str, path: str, body: object = None, *, role: str = "privacy", **more: Any) -> Answer:
    return call(method, f"/hubs/{world.hub.hub_id}{path}", claims_of(f"{world.hub.hub_id}:{role}"), body, **more)


def test_deleted_member_is_listed_with_times_and_restored_whole(world: World, maya: str) -> None:
    """Roles, segments, manual grants, address: all back; what the directory said meanwhile counts."""
    before = ask(world, "GET", f"/members/{maya}").json
    world.tell(
        world.event("gone", 5, Kind.DELETED),
        world.event("late", 9, attributes={"Grade": "Senior", "Team": "North"}),
    )
    assert ask(world, "GET", f"/members/{maya}").status == 404
    assert ask(world, "GET", "/members").json["items"] == []
    (listed,) = ask(world, "GET", "/members", query={"status": "deleted"}).json["items"]
    assert listed["member_id"] == maya
    assert listed["status"] == "deleted"
    assert listed["deleted_at"][:10] < listed["purge_at"][:10]
    restored = ask(world, "POST", f"/members/{maya}/restore")
    assert restored.status == 200
    assert restored.json == before
    assert ask(world, "GET", f"/members/{maya}").json == before
    assert ask(world, "GET", "/members", query={"status": "deleted"}).json["items"] == []
    person = store.get_person(world.hub.hub_id, world.person_id())
    assert person is not None
    assert person.person.values()["Team"] == "North"
    assert store.get_address(world.hub.hub_id, world.address_id("maya.okafor@example.com")).barred is None
    again = ask(world, "POST", f"/members/{maya}/restore")
    assert (again.status, again.json["code"]) == (409, "not_deleted")


def test_deletion_after_a_restore_deletes_again_and_an_older_one_does_not(world: World, maya: str) -> None:
    """The restore takes back what was known; a newer deletion is a new one."""
    from datetime import timedelta

    from rollcall.runtime.times import now
    from tests.support.world import T0

    world.tell(world.event("gone", 5, Kind.DELETED))
    ask(world, "POST", f"/members/{maya}/restore")
    world.tell(world.event("older", 4, Kind.DELETED))
    assert world.shown(maya)["status"] == "active"
    later = int((now() - T0 + timedelta(minutes=5)).total_seconds())
    world.tell(world.event("newer", later, Kind.DELETED))
    assert world.shown(maya)["status"] == "deleted"


def test_erased_member_has_a_receipt_and_cannot_be_restored(world: World, maya: str) -> None:
    """202 with the receipt's address; asked for once more it is the same erasure."""
    answer = ask(world, "POST", f"/members/{maya}/erase")
    assert answer.status == 202
    location = answer.headers["location"]
    run_erasure(world.hub.hub_id, answer.json["erasure_id"])
    receipt = ask(world, "GET", location.removeprefix(f"/hubs/{world.hub.hub_id}")).json
    assert (receipt["state"], receipt["cause"], receipt["requested_by"]) == ("watching", "request", "subject-of-ada")
    assert receipt["purged"] == {"events": 1, "members": 1, "people": 1}
    assert {one["what"] for one in receipt["beyond_reach"]} == {"backups", "streams", "sent_mails"}
    assert ask(world, "POST", f"/members/{maya}/erase").json["erasure_id"] == receipt["erasure_id"]
    assert ask(world, "POST", f"/members/{maya}/restore").status == 404
    assert ask(world, "GET", f"/people/{world.person_id()}").status == 404
    assert [one["erasure_id"] for one in ask(world, "GET", "/erasures").json["items"]] == [receipt["erasure_id"]]
    assert ask(world, "GET", "/members", query={"status": "deleted"}).json["items"] == []


def test_person_is_erased_with_the_member_they_are(world: World, maya: str) -> None:
    """One human: whichever end is named."""
    assert ask(world, "POST", f"/people/{world.person_id()}/erase").status == 202
    assert ask(world, "GET", f"/members/{maya}").status == 404


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "who"),
        ({"email": "x@example.com", "external_id": "E-1", "source_id": SOURCE}, "who"),
        ({"external_id": "E-1"}, "who"),
        ({"email": "nobody"}, "bad_email"),
        ({"source_id": "01JA0000000000000000000TWQ", "external_id": "E-1"}, "unknown_source"),
    ],
)
def test_erasure_of_nobody_in_particular_is_refused(world: World, body: dict[str, str], code: str) -> None:
    """Either a source with an external id, or an address."""
    answer = ask(world, "POST", "/erasures", body)
    assert answer.status == 400
    assert [fault["code"] for fault in answer.json["faults"]] == [code]


def test_erasure_keeps_no_plain_identifier_of_somebody_unknown(world: World) -> None:
    """The ledger and the job hold keyed hashes only."""
    for body in ({"email": "Nobody.Here@example.com"}, {"source_id": SOURCE, "external_id": "E-404"}):
        assert ask(world, "POST", "/erasures", body).status == 202
    assert "nobody" not in ask(world, "GET", "/erasures").text.lower()
    listed = clients.s3().list_objects_v2(Bucket=env("LEDGER_BUCKET"))["Contents"]
    assert len(listed) == 2
    for entry in listed:
        stored = clients.s3().get_object(Bucket=env("LEDGER_BUCKET"), Key=entry["Key"])["Body"].read().lower()
        assert b"nobody" not in stored
        assert b"e-404" not in stored


def test_data_of_a_person_holds_everything_with_stamps(world: World, maya: str) -> None:
    """Person with stamps, member, events; of an erased one there is nothing."""
    person_id = world.person_id()
    data = ask(world, "GET", f"/people/{person_id}/data").json
    assert data["persons"][person_id]["fields"]["email"]["value"] == "maya.okafor@example.com"
    assert data["members"][maya]["manual"]["roles"] == ["mentee"]
    assert [event["event"]["external_id"] for event in data["events"]] == ["E-1"]
    ask(world, "POST", f"/people/{person_id}/erase")
    assert ask(world, "GET", f"/people/{person_id}/data").status == 404


@pytest.mark.parametrize("role", ["viewer", "inviter", "mapper", "approver"])
def test_privacy_is_for_those_who_have_the_permission(world: World, maya: str, role: str) -> None:
    """No other role restores, erases, reads receipts, or sees who was deleted."""
    paths = [
        ("POST", f"/members/{maya}/restore"),
        ("POST", f"/members/{maya}/erase"),
        ("POST", f"/people/{world.person_id()}/erase"),
        ("GET", f"/people/{world.person_id()}/data"),
        ("POST", "/erasures"),
        ("GET", "/erasures"),
        ("GET", f"/erasures/{'0' * 32}"),
    ]
    for method, path in paths:
        body = {"email": "x@example.com"} if path == "/erasures" and method == "POST" else None
        assert ask(world, method, path, body, role=role).status == 403, path
    assert ask(world, "GET", "/members", role=role, query={"status": "deleted"}).status == 403
    assert world.shown(maya)["status"] == "active"
