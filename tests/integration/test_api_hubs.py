from __future__ import annotations

import base64

import pytest

from rollcall.hubs import store as hubs
from rollcall.runtime.times import now
from tests.support.admin import Answer, call, claims_of

PLATFORM = claims_of("platform:admin")


def made_hub(name: str = "Harbour", **more: str) -> str:
    answer = call("POST", "/hubs", PLATFORM, {"name": name, **more})
    assert answer.status == 201, answer.text
    return str(answer.json["hub_id"])


def as_admin(hub_id: str, method: str, path: str, body: object = None, **more: object) -> Answer:
    return call(method, f"/hubs/{hub_id}{path}", claims_of(f"{hub_id}:admin"), body, **more)  # type: ignore[arg-type]


def test_new_hub_has_settings_a_role_and_its_first_admin(aws: None) -> None:
    """A hub is usable at once: settings, one role, and its first admin in the list."""
    hub_id = made_hub("Harbour", admin_email="Ada.Admin@Example.com")
    assert as_admin(hub_id, "GET", "").json["name"] == "Harbour"
    assert [role["label"] for role in as_admin(hub_id, "GET", "/roles").json["items"]] == ["Member"]
    assert [(a["email"], a["role"]) for a in as_admin(hub_id, "GET", "/admins").json["items"]] == [
        ("Ada.Admin@example.com", "admin")
    ]
    assert hubs.get_hub(hub_id).default_role


def test_two_hubs_have_different_salts(aws: None) -> None:
    """No two hubs share a key."""
    assert hubs.get_hub(made_hub()).salt != hubs.get_hub(made_hub()).salt


def test_answers_never_show_the_salt(aws: None) -> None:
    """The salt of a hub leaves the store in no answer."""
    hub_id = made_hub()
    assert hubs.get_hub(hub_id).salt not in as_admin(hub_id, "GET", "").text


@pytest.mark.parametrize("group", ["01ARZ3NDEKTSV4RRFFQ69G5FAV:admin", "platform:viewer", ""])
def test_without_the_platform_group_no_hub_is_made(aws: None, group: str) -> None:
    """Only platform admins make hubs."""
    assert call("POST", "/hubs", claims_of(group), {"name": "Harbour"}).status == 403


def test_changed_settings_are_read_back_and_others_stay(aws: None) -> None:
    """A setting that is not named keeps its value."""
    hub_id = made_hub()
    answer = as_admin(hub_id, "PUT", "", {"invite_review": True, "landing_url": "https://example.com/in"})
    assert answer.status == 200
    read = as_admin(hub_id, "GET", "").json
    assert (read["invite_review"], read["landing_url"], read["name"]) == (True, "https://example.com/in", "Harbour")


def test_change_based_on_an_old_version_is_refused(aws: None) -> None:
    """If-Match protects the change that somebody else made in between."""
    hub_id = made_hub()
    etag = as_admin(hub_id, "GET", "").headers["etag"]
    assert as_admin(hub_id, "PUT", "", {"name": "One"}, headers={"if-match": etag}).status == 200
    late = as_admin(hub_id, "PUT", "", {"name": "Two"}, headers={"if-match": etag})
    assert (late.status, late.json["code"]) == (412, "precondition_failed")
    assert as_admin(hub_id, "GET", "").json["name"] == "One"


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"name": ""}, "body.name"),
        ({"name": "Line\nbreak"}, "body.name"),
        ({"landing_url": "javascript:alert(1)"}, "body.landing_url"),
        ({"reply_to": "nobody"}, "body.reply_to"),
        ({"invite_reminder_days": [7, 3]}, "body.invite_reminder_days"),
        ({"invite_reminder_days": [3, 20]}, "body.invite_reminder_days"),
        ({"source_precedence": ["01ARZ3NDEKTSV4RRFFQ69G5FAV"]}, "body.source_precedence.0"),
        ({"salt": "0"}, "body.salt"),
        ({"invite_expiry_days": 0}, "body.invite_expiry_days"),
    ],
)
def test_bad_setting_is_refused_with_its_place(aws: None, body: dict[str, object], place: str) -> None:
    """Every fault names its place, and nothing is changed."""
    hub_id = made_hub()
    answer = as_admin(hub_id, "PUT", "", body)
    assert answer.status == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert place in [fault["place"] for fault in answer.json["faults"]]
    assert hubs.get_hub(hub_id).version == 1


def test_all_faults_of_a_body_are_listed(aws: None) -> None:
    """One answer names everything that is wrong."""
    answer = as_admin(made_hub(), "PUT", "", {"invite_expiry_days": 0, "locale": "English", "extra": 1})
    assert {fault["place"] for fault in answer.json["faults"]} == {
        "body.invite_expiry_days",
        "body.locale",
        "body.extra",
    }


@pytest.mark.parametrize("raw", [b"\xff\xfe{}", b"{", b"[]", b'[{"name": "x"}]', b'{"name": NaN}', b"[" * 100_000])
def test_body_that_is_no_json_object_is_malformed(aws: None, raw: bytes) -> None:
    """Whatever is sent in place of a JSON object is answered with 400."""
    assert as_admin(made_hub(), "PUT", "", raw=raw).status == 400


def test_lone_surrogate_in_a_body_is_malformed(aws: None) -> None:
    """Text that cannot be stored as UTF-8 is refused before anything is written."""
    assert as_admin(made_hub(), "PUT", "", raw=b'{"name": "\\ud800"}').status == 400


def test_standard_source_gets_a_secret_that_is_shown_once(aws: None) -> None:
    """The secret has the form of Standard Webhooks, verifies later, and is in no other answer."""
    hub_id = made_hub()
    made = as_admin(hub_id, "POST", "/sources", {"provider": "standard", "name": "Payroll"})
    assert made.status == 201
    secret = made.json["secret"]
    assert len(base64.b64decode(secret.removeprefix("whsec_"))) == 32
    source = hubs.get_source(hub_id, made.json["source_id"])
    assert source is not None
    assert [live.text for live in hubs.live_secrets(source, now())] == [secret]
    path = f"/sources/{source.source_id}"
    assert made.json["webhook_url"] == f"https://hub.example.com/hubs/{hub_id}{path}/events"
    assert secret not in as_admin(hub_id, "GET", path).text + as_admin(hub_id, "GET", "/sources").text


def test_given_secret_is_taken_and_a_useless_one_refused(aws: None) -> None:
    """A client may bring a secret, if it is one."""
    hub_id = made_hub()
    given = "whsec_" + base64.b64encode(b"x" * 32).decode()
    body = {"provider": "standard", "name": "Payroll", "secret": given}
    assert as_admin(hub_id, "POST", "/sources", body).json["secret"] == given
    refused = as_admin(hub_id, "POST", "/sources", {**body, "secret": "short"})
    assert (refused.status, refused.json["faults"][0]["place"]) == (400, "body.secret")
    assert "short" not in refused.text


def test_setting_that_the_provider_does_not_know_is_refused(aws: None) -> None:
    """A slip in the name of a setting connects nothing; one that is known is kept and shown."""
    hub_id = made_hub()
    body = {"provider": "workos", "name": "Directory", "settings": {"directory": "directory_01"}}
    refused = as_admin(hub_id, "POST", "/sources", body)
    assert (refused.status, [fault["place"] for fault in refused.json["faults"]]) == (400, ["body.settings.directory"])
    assert as_admin(hub_id, "GET", "/sources").json["items"] == []
    kept = {"directory_id": "directory_01", "deny": "shoe size"}
    made = as_admin(hub_id, "POST", "/sources", {**body, "settings": kept}).json
    source = hubs.get_source(hub_id, made["source_id"])
    assert source is not None
    assert source.settings == made["settings"] == kept


def test_unknown_provider_is_refused(aws: None) -> None:
    """Only systems that we understand can be connected."""
    answer = as_admin(made_hub(), "POST", "/sources", {"provider": "carrier-pigeon", "name": "Coop"})
    assert answer.json["faults"][0]["code"] == "unknown_provider"


def test_deleted_source_is_gone(aws: None) -> None:
    """A disconnected source is in no list; deleting it again says that it is not there."""
    hub_id = made_hub()
    source_id = as_admin(hub_id, "POST", "/sources", {"provider": "workos", "name": "Directory"}).json["source_id"]
    assert as_admin(hub_id, "DELETE", f"/sources/{source_id}").status == 204
    assert as_admin(hub_id, "GET", "/sources").json["items"] == []
    assert as_admin(hub_id, "DELETE", f"/sources/{source_id}").status == 404


def test_list_of_admins_is_replaced_and_doubles_are_refused(aws: None) -> None:
    """The list is as it was put; an admin cannot be in it twice."""
    hub_id = made_hub()
    ben = {"email": "ben@example.com", "role": "approver", "notices": ["held_removals"]}
    assert as_admin(hub_id, "PUT", "/admins", {"items": [ben]}).json["items"] == [ben]
    assert as_admin(hub_id, "GET", "/admins").json["items"] == [ben]
    twice = as_admin(hub_id, "PUT", "/admins", {"items": [ben, {**ben, "email": "BEN@example.com"}]})
    assert twice.json["faults"][0]["place"] == "body.items.1.email"
