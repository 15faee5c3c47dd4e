from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest

from rollcall.hubs import store as hubs
from rollcall.people import event_log
from rollcall.runtime import clients, dynamo
from rollcall.runtime.errors import (
    MalformedError,
    NotFoundError,
    PreconditionError,
    TransientError,
    UnauthenticError,
)
from rollcall.sources import health
from rollcall.sources.receive import receive
from tests.integration.test_api_hubs import as_admin, made_hub
from tests.support.units import counted
from tests.support.vendors import sign_standard

if TYPE_CHECKING:
    from rollcall.hubs.model import Source
    from tests.support.admin import Answer

PERSON: dict[str, Any] = {"type": "person.added", "data": {"external_id": "E-1", "email": "maya.okafor@example.com"}}
NOW = datetime.now(UTC)


def other_secret(letter: str = "n") -> str:
    return "whsec_" + base64.b64encode(letter.encode() * 32).decode()


class Connected:
    """A source as its admin and its sender see it."""

    def __init__(self, provider: str = "standard", **more: object) -> None:
        self.hub_id = made_hub()
        made = self.call("POST", "", {"provider": provider, "name": "Payroll", **more}).json
        self.source_id, self.secret = made["source_id"], made["secret"]

    def call(self, method: str, path: str, body: object = None, **more: object) -> Answer:
        """Call the API about this source as the hub's admin."""
        source = f"/{self.source_id}" if hasattr(self, "source_id") else ""
        return as_admin(self.hub_id, method, f"/sources{source}{path}", body, **more)

    @property
    def stored(self) -> Source:
        """The source as it lies in the table."""
        found = hubs.get_source(self.hub_id, self.source_id)
        assert found is not None
        return found

    def send(self, document: Any = PERSON, secret: str = "", name: str = "msg_1", at: datetime = NOW) -> dict[str, int]:
        """Send a signed body to the webhook and return its answer."""
        body = json.dumps(document)
        headers = sign_standard(body.encode(), at, name, secret or self.secret)
        return receive(self.hub_id, self.source_id, body, headers, at, is_base64=False)[1]


def test_changed_source_is_read_back_and_the_rest_stays(aws: None) -> None:
    """Name, meaning of deletions, settings and transform change; what is not named stays; the ETag moves."""
    source = Connected()
    before = source.call("GET", "")
    answer = source.call("PUT", "", {"deleted_means": "deactivate", "settings": {"deny": "shoe size"}})
    assert (answer.status, answer.json["name"]) == (200, "Payroll")
    read = source.call("GET", "")
    assert read.json["deleted_means"] == "deactivate"
    assert read.json["settings"] == {"deny": "shoe size"}
    assert read.headers["etag"] != before.headers["etag"]
    source.call("PUT", "", {"name": "People", "settings": {}})
    assert (source.stored.name, source.stored.settings, source.stored.deleted_means) == ("People", {}, "deactivate")


def test_policy_is_replaced_as_a_whole(aws: None) -> None:
    """What a source makes of leave and who is eligible is read back; what is left out is as by default."""
    source = Connected(policy={"leave": "deactivate"})
    policy = {"eligible": {"Office": ["London"]}, "leaving": "deactivate"}
    shown = source.call("PUT", "", {"policy": policy}).json["policy"]
    assert (shown["leave"], shown["eligible"], shown["leaving"]) == ("nothing", {"Office": ["London"]}, "deactivate")
    assert source.stored.policy.to_item() == shown


def test_change_of_a_source_based_on_an_old_version_is_refused(aws: None) -> None:
    """If-Match protects what somebody else did in between, whatever the change is."""
    source = Connected()
    stale = {"if-match": source.call("GET", "").headers["etag"]}
    assert source.call("PUT", "", {"name": "One"}, headers=stale).status == 200
    for method, path, body in (("PUT", "", {"name": "Two"}), ("POST", "/rotate-secret", {}), ("DELETE", "", None)):
        assert source.call(method, path, body, headers=stale).status == 412
    assert source.stored.name == "One"


@pytest.mark.parametrize(
    ("provider", "body", "place"),
    [
        ("standard", {"name": ""}, "body.name"),
        ("standard", {"settings": {"directory_id": "d"}}, "body.settings.directory_id"),
        ("standard", {"transform": "people["}, "body.transform, character 8"),
        ("standard", {"policy": {"leave": "maybe"}}, "body.policy.leave"),
        ("standard", {"policy": {"eligible": {"Office": []}}}, "body.policy.eligible"),
        ("standard", {"provider": "workos"}, "body.provider"),
        ("standard", {"secret": "whsec_x"}, "body.secret"),
        ("standard", {"credentials": {"api_key": "k"}}, "body.credentials"),
        ("workos", {"transform": "@"}, "body.transform"),
        ("bamboohr", {"credentials": {"api_key": "k"}}, "body.credentials.company_domain"),
        ("bamboohr", {"credentials": {"company_domain": "c", "api_key": "k", "x": "y"}}, "body.credentials.x"),
        ("bamboohr", {"credentials": {"company_domain": "", "api_key": "k"}}, "body.credentials.company_domain"),
    ],
)
def test_bad_change_of_a_source_is_refused_at_its_place(aws: None, provider: str, body: Any, place: str) -> None:
    """Every fault names its place, and nothing is changed."""
    source = Connected(provider)
    answer = source.call("PUT", "", body)
    assert (answer.status, [fault["place"] for fault in answer.json["faults"]]) == (400, [place])
    assert source.stored.version == 1


def test_source_of_another_hub_and_none_are_not_found(aws: None) -> None:
    """An id of another hub, or that is none, is 404 for every operation."""
    one, other = Connected(), Connected()
    for source_id in (other.source_id, "01ARZ3NDEKTSV4RRFFQ69G5FAV", "x"):
        one.source_id = source_id
        for method, path, body in (
            ("GET", "", None),
            ("PUT", "", {"name": "x"}),
            ("DELETE", "", None),
            ("POST", "/rotate-secret", {}),
            ("POST", "/try", {"sample": {}}),
            ("DELETE", "/secrets/x", None),
        ):
            assert one.call(method, path, body).status == 404
    assert other.stored.version == 1


def test_credentials_are_kept_and_never_shown(aws: None) -> None:
    """They are there for whoever fetches; an answer names them only; the webhook secret stays; {} forgets them."""
    source = Connected("bamboohr")
    answer = source.call("PUT", "", {"credentials": {"company_domain": "harbour", "api_key": "key-of-the-vendor"}})
    assert answer.json["credentials"] == ["api_key", "company_domain"]
    assert answer.json["credentials_at"]
    assert hubs.source_credentials(source.stored) == {"company_domain": "harbour", "api_key": "key-of-the-vendor"}
    assert "key-of-the-vendor" not in answer.text + source.call("GET", "").text
    assert [secret.text for secret in hubs.live_secrets(source.stored, NOW)] == [source.secret]
    source.call("POST", "/rotate-secret", {"keep_old_hours": 1})
    assert hubs.source_credentials(source.stored)["company_domain"] == "harbour"
    assert source.call("PUT", "", {"credentials": {}}).json["credentials"] == []
    assert hubs.source_credentials(source.stored) == {}


def test_secrets_lie_under_the_stacks_own_key(aws: None) -> None:
    """Whoever may not use the stack's key reads no secret."""
    source = Connected()
    described = clients.secretsmanager().describe_secret(SecretId=f"test/sources/{source.hub_id}/{source.source_id}")
    assert described["KmsKeyId"] == "alias/test"


# --- rotation -------------------------------------------------------------------------------------------------------
def test_rotation_makes_a_secret_that_is_shown_once_and_keeps_the_old_one(aws: None) -> None:
    """At once, without waiting for any cache, both verify; the sources' answers show neither."""
    source = Connected()
    source.send(name="msg_0")  # the worker has kept the secrets
    rotated = source.call("POST", "/rotate-secret", {})
    new = rotated.json["secret"]
    assert (rotated.status, new != source.secret) == (200, True)
    assert source.send(secret=new, name="msg_1") == {"accepted": 1, "ignored": 0}
    assert source.send(secret=source.secret, name="msg_2") == {"accepted": 1, "ignored": 0}
    shown = source.call("GET", "")
    first, second = shown.json["secrets"]
    assert (first["expires_at"], bool(second["expires_at"])) == (None, True)
    assert new not in shown.text
    assert source.secret not in shown.text


def test_old_secret_says_when_it_was_last_used(aws: None) -> None:
    """An admin sees that the sender has changed over: the old one's last use stays, the new one's moves."""
    source = Connected()
    source.send(name="msg_0", at=NOW - timedelta(seconds=20))
    new = source.call("POST", "/rotate-secret", {}).json["secret"]
    assert source.call("GET", "").json["secrets"][0]["last_used_at"] is None
    source.send(secret=new, name="msg_1", at=NOW + timedelta(seconds=1))
    newest, old = (secret["last_used_at"] for secret in source.call("GET", "").json["secrets"])
    assert old < newest


def test_old_secret_ends_by_itself(aws: None) -> None:
    """After its hours the old secret verifies nothing, without anybody doing anything."""
    source = Connected()
    new = source.call("POST", "/rotate-secret", {"keep_old_hours": 2}).json["secret"]
    later = datetime.now(UTC) + timedelta(hours=2)
    assert source.send(secret=source.secret, at=later - timedelta(minutes=1))
    with pytest.raises(UnauthenticError):
        source.send(secret=source.secret, name="msg_2", at=later)
    assert source.send(secret=new, name="msg_3", at=later)


def test_retired_secret_is_refused_at_once(aws: None) -> None:
    """Retiring does not wait for a cache; the newest cannot be retired."""
    source = Connected()
    new = source.call("POST", "/rotate-secret", {}).json["secret"]
    source.send(secret=source.secret)
    newest, old = source.call("GET", "").json["secrets"]
    refused = source.call("DELETE", f"/secrets/{newest['secret_id']}")
    assert (refused.status, refused.json["code"]) == (409, "newest_secret")
    left = source.call("DELETE", f"/secrets/{old['secret_id']}").json["secrets"]
    assert [secret["secret_id"] for secret in left] == [newest["secret_id"]]
    with pytest.raises(UnauthenticError):
        source.send(secret=source.secret, name="msg_2")
    assert source.send(secret=new, name="msg_3")
    assert source.call("DELETE", f"/secrets/{old['secret_id']}").status == 404


def test_rotation_can_end_the_old_secret_with_it(aws: None) -> None:
    """A secret that was seen by others is refused by everybody who reads the source from the answer on."""
    source = Connected()
    given = other_secret()
    assert source.call("POST", "/rotate-secret", {"secret": given, "keep_old_hours": 0}).json["secret"] == given
    with pytest.raises(UnauthenticError):
        source.send(secret=source.secret)
    assert source.send(secret=given)


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"secret": "short"}, "body.secret"),
        ({"keep_old_hours": -1}, "body.keep_old_hours"),
        ({"keep_old_hours": 1_000}, "body.keep_old_hours"),
    ],
)
def test_bad_rotation_is_refused(aws: None, body: Any, place: str) -> None:
    """A useless secret or time is told, and the old secret goes on."""
    source = Connected()
    answer = source.call("POST", "/rotate-secret", body)
    assert (answer.status, [fault["place"] for fault in answer.json["faults"]]) == (400, [place])
    assert "short" not in answer.text
    assert source.send()


def test_rotation_to_a_secret_that_is_live_and_one_too_many_are_refused(aws: None) -> None:
    """The same secret twice is a slip; more than four at a time cannot be told apart by anybody."""
    source = Connected()
    same = source.call("POST", "/rotate-secret", {"secret": source.secret})
    assert (same.status, same.json["faults"][0]["code"]) == (400, "same_secret")
    statuses = [source.call("POST", "/rotate-secret", {}).status for _ in range(4)]
    assert statuses == [200, 200, 200, 409]
    assert source.send()


def test_rotation_whose_answer_got_lost_costs_nothing(aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed between secret and source, the old secret goes on; the next rotation goes through, both are live."""
    source = Connected()
    with monkeypatch.context() as patched:
        patched.setattr(dynamo, "write", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            hubs.update_source(source.stored, seen=1, keyring=hubs.get_keyring(source.stored))
    hubs.forget_secrets()
    assert source.send(name="msg_1")
    new = source.call("POST", "/rotate-secret", {}).json["secret"]
    hubs.forget_secrets()
    assert source.send(name="msg_2")
    assert source.send(secret=new, name="msg_3")


def test_of_two_rotations_at_once_none_is_lost(aws: None) -> None:
    """The slower one is refused and begins again from what the faster one left: all three secrets are live."""
    source = Connected()
    seen = source.stored
    slow_ring = hubs.get_keyring(seen)
    fast = source.call("POST", "/rotate-secret", {}).json["secret"]
    with pytest.raises(PreconditionError):
        hubs.update_source(seen, seen=seen.version, keyring=slow_ring)
    slow = source.call("POST", "/rotate-secret", {}).json["secret"]
    for number, secret in enumerate((source.secret, fast, slow)):
        assert source.send(secret=secret, name=f"msg_{number}")


def test_flood_of_forgeries_reads_no_secret_again(aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Secrets are read once for each version of the keyring, however many deliveries are forged."""
    source = Connected()
    source.send()
    monkeypatch.setattr(clients, "secretsmanager", lambda: pytest.fail("a secret was read"))
    for number in range(50):
        with pytest.raises(UnauthenticError):
            source.send(secret=other_secret("f"), name=f"msg_{number}")


# --- what is kept of a source for a moment --------------------------------------------------------------------------
def _at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def test_source_is_read_once_for_deliveries_of_a_moment(aws: None) -> None:
    """Ten deliveries within five seconds read the source once, the eleventh anew; another hub's is not it."""
    source = Connected()
    with counted() as units:
        for number in range(10):
            source.send(name=f"msg_{number}", at=_at(number / 2))
    assert units.read == {"Hubs": 1}
    with counted() as units:
        source.send(name="msg_10", at=_at(5))
    assert units.read == {"Hubs": 1}
    assert hubs.recent_source(made_hub(), source.source_id, _at(5)) is None
    assert hubs.recent_source(source.hub_id, source.source_id, _at(4)) is None  # a clock that was set back


def test_nothing_is_refused_for_what_the_source_was_a_moment_ago(aws: None) -> None:
    """A new secret and a new expression count at once, though the worker has kept the source."""
    source = Connected()
    source.send(name="msg_0")
    new = source.call("POST", "/rotate-secret", {}).json["secret"]
    assert source.send(secret=new, name="msg_1") == {"accepted": 1, "ignored": 0}
    person = {"who": "E-7"}
    with pytest.raises(MalformedError):
        source.send(person, secret=new, name="msg_2")
    expression = "{type: 'person.added', data: {external_id: who}}"
    held = source.call("GET", "")
    changed = {"name": "Payroll", "transform": expression}
    assert source.call("PUT", "", changed, headers={"if-match": held.headers["etag"]}).status == 200
    assert source.send(person, secret=new, name="msg_3") == {"accepted": 1, "ignored": 0}


def test_nothing_is_ignored_for_what_the_source_was_a_moment_ago(aws: None) -> None:
    """An expression that made something of no use of an event is mended: the next delivery is taken."""
    useful = "{type: 'person.added', data: {external_id: who}}"
    source = Connected(transform=useful.replace("added", "seen"))
    assert source.send({"who": "E-7"}, name="msg_0") == {"accepted": 0, "ignored": 1}
    etag = source.call("GET", "").headers["etag"]
    changed = {"name": "Payroll", "transform": useful}
    assert source.call("PUT", "", changed, headers={"if-match": etag}).status == 200
    assert source.send({"who": "E-7"}, name="msg_1") == {"accepted": 1, "ignored": 0}


def test_secret_that_is_to_end_is_looked_up_each_time(aws: None) -> None:
    """Of two live ones the older is retired: it is refused at once, though the worker has kept both."""
    source = Connected()
    new = source.call("POST", "/rotate-secret", {}).json["secret"]
    assert source.send(secret=new, name="msg_0")
    assert source.send(secret=source.secret, name="msg_1")
    old = source.call("GET", "").json["secrets"][1]["secret_id"]
    assert source.call("DELETE", f"/secrets/{old}").status == 200
    with pytest.raises(UnauthenticError):
        source.send(secret=source.secret, name="msg_2")


def test_source_that_is_gone_and_a_secret_that_was_ended_are_refused_after_five_seconds(aws: None) -> None:
    """Until then a delivery is taken as if it had come before."""
    source = Connected()
    source.send(name="msg_0")
    source.call("POST", "/rotate-secret", {"secret": other_secret(), "keep_old_hours": 0})
    assert source.send(name="msg_1", at=_at(4.9))
    with pytest.raises(UnauthenticError):
        source.send(name="msg_2", at=_at(5))
    source.secret = other_secret()
    assert source.send(name="msg_3", at=_at(6))
    assert source.call("DELETE", "").status == 204
    assert source.send(name="msg_4", at=_at(9.9))
    with pytest.raises(NotFoundError):
        source.send(name="msg_5", at=_at(10))


def test_forgeries_cost_what_they_cost_before(aws: None) -> None:
    """Each reads the source once, kept or not; nothing is written for them within a minute."""
    source = Connected()
    source.send(name="msg_0")
    with pytest.raises(UnauthenticError):
        source.send(secret=other_secret("f"), name="msg_1")
    with counted() as units:
        for number in range(20):
            with pytest.raises(UnauthenticError):
                source.send(secret=other_secret("f"), name=f"msg_{number}", at=_at(number))
    assert (units.read, dict(units.written)) == ({"Hubs": 20}, {})


def test_no_more_sources_are_kept_than_fit(aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many hubs one worker serves."""
    monkeypatch.setattr(hubs, "MOST_SOURCES", 2)
    for _ in range(3):
        Connected().send()
        assert 1 <= len(hubs._sources) <= 2


# --- health ---------------------------------------------------------------------------------------------------------
def test_health_counts_what_came_today(aws: None) -> None:
    """Taken and useless events by day, new ones only; the last success; nothing failed."""
    source = Connected()
    for _ in range(2):
        source.send([PERSON, {**PERSON, "type": "invoice.paid"}], name="msg_list")
    source.send(name="msg_2")
    shown = source.call("GET", "").json["health"]
    assert len(shown["days"]) == 14
    assert shown["days"][-1] == {"day": NOW.date().isoformat(), "accepted": 2, "ignored": 1, "refused": 0}
    assert shown["last_event_at"] == shown["last_success_at"]
    assert (shown["last_failure_at"], shown["last_failure"], shown["silent"]) == (None, None, False)
    assert not shown["needs_credentials"]


def test_new_source_has_an_empty_health(aws: None) -> None:
    """A source that was only just connected shows fourteen empty days."""
    shown = Connected().call("GET", "").json["health"]
    assert {(day["accepted"], day["ignored"], day["refused"]) for day in shown["days"]} == {(0, 0, 0)}
    assert (shown["last_event_at"], shown["last_success_at"], shown["silent"]) == (None, None, False)


def test_forgeries_are_shown_and_written_once_a_minute(aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first is written at once, those of the next minute together with the one after it, and none is a read."""
    source = Connected()
    writes = Mock(wraps=dynamo.write)
    monkeypatch.setattr(dynamo, "write", writes)
    for second in [*range(50), 61]:
        with pytest.raises(UnauthenticError):
            source.send(secret=other_secret("f"), at=NOW + timedelta(seconds=second))
    assert writes.call_count == 2
    shown = source.call("GET", "").json["health"]
    assert sum(day["refused"] for day in shown["days"]) == 51
    assert (shown["last_failure_code"], shown["last_success_at"]) == ("unauthentic", None)
    assert shown["last_failure"].endswith("paste the secret there again and check its clock.")


def test_genuine_delivery_of_the_wrong_shape_is_told_with_its_place(aws: None) -> None:
    """The admin reads what was wrong and where, and no value of the body."""
    source = Connected()
    with pytest.raises(MalformedError):
        source.send({"type": "person.added", "data": {"external_id": "E-1", "email": ["maya.okafor@example.com"]}})
    shown = source.call("GET", "").json["health"]
    assert "$.data.email" in shown["last_failure"]
    assert "maya" not in source.call("GET", "").text


def test_failure_that_others_met_is_shown(aws: None) -> None:
    """Whoever works for a source says what went wrong; credentials that came later end the need for them."""
    source = Connected("bamboohr")
    health.note_failure(source.hub_id, source.source_id, NOW, "needs_credentials")
    shown = source.call("GET", "").json["health"]
    assert (shown["needs_credentials"], shown["last_failure_code"]) == (True, "needs_credentials")
    given = {"credentials": {"company_domain": "harbour", "api_key": "0a1b2c3d4e5f" * 3}}
    assert not source.call("PUT", "", given).json["health"]["needs_credentials"]


def test_silence_is_told_by_the_sources_own_rhythm(aws: None) -> None:
    """Daily for ten days, then nothing for three: silent; an event ends it."""
    source = Connected()
    for ago in range(4, 14):
        counts = {"accepted": 1, "ignored": 0}
        at = NOW - timedelta(days=ago)
        health.note_taken(source.hub_id, source.source_id, at, counts, secret_id="x")
    assert source.call("GET", "").json["health"]["silent"]
    source.send()
    assert not source.call("GET", "").json["health"]["silent"]


def test_health_that_cannot_be_written_fails_no_delivery(aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counting is for people to look at: a delivery is taken without it."""
    source = Connected()

    def trouble(*_: object, **__: object) -> None:
        raise TransientError

    monkeypatch.setattr(health, "dynamo", SimpleNamespace(write=trouble, update_action=dynamo.update_action))
    assert source.send() == {"accepted": 1, "ignored": 0}
    assert len(event_log.list_events(source.hub_id, limit=10)[0]) == 1


# --- transform ------------------------------------------------------------------------------------------------------
OWN = {"staff": [{"no": 7, "mail": "maya.okafor@example.com"}, {"no": 8, "gone": True}]}
TRANSFORM = (
    "staff[*].{type: gone && 'person.deactivated' || 'person.added', data: {external_id: to_string(no), email: mail}}"
)


def test_stored_transform_is_applied_to_what_comes(aws: None) -> None:
    """The client's own JSON becomes events of the log, each under its own name."""
    source = Connected(transform=TRANSFORM)
    assert source.send(OWN) == {"accepted": 2, "ignored": 0}
    kinds = {str(event.event.kind) for event in event_log.list_events(source.hub_id, limit=10)[0] if event.event}
    assert kinds == {"added", "deactivated"}


def test_sample_shows_what_it_would_give_and_stores_nothing(aws: None) -> None:
    """Events as they would be, without what is never stored; no event, no person, no count."""
    source = Connected(settings={"deny": "shoe size"})
    person = {**PERSON, "data": {**PERSON["data"], "attributes": {"Office": "London", "Shoe size": "44"}}}
    tried = source.call("POST", "/try", {"sample": [person, {"type": "invoice.paid"}]}).json
    assert [(event["kind"], event["attributes"]) for event in tried["events"]] == [("added", {"Office": "London"})]
    assert ([one["reason"] for one in tried["ignored"]], tried["faults"]) == (["unused_type"], [])
    assert event_log.list_events(source.hub_id, limit=10)[0] == []
    assert source.call("GET", "").json["health"]["last_event_at"] is None


def test_transform_can_be_tried_before_it_is_stored(aws: None) -> None:
    """With a transform of its own a sample tries that one, and the source's stays."""
    source = Connected()
    tried = source.call("POST", "/try", {"sample": OWN, "transform": TRANSFORM}).json
    assert [(event["kind"], event["external_id"]) for event in tried["events"]] == [
        ("added", "7"),
        ("deactivated", "8"),
    ]
    assert source.stored.transform == ""
    wrong = source.call("POST", "/try", {"sample": OWN, "transform": "staff[*].{type: gone}"}).json
    assert wrong["events"] == []
    assert [fault["place"] for fault in wrong["faults"]] == ["transform[0].type", "transform[1].type"]


def test_sample_of_a_vendor_can_be_tried_too(aws: None) -> None:
    """A body of the vendor's shows what Rollcall would make of it; what it does not send is told."""
    source = Connected("merge")
    assert source.call("POST", "/try", {"sample": {"hook": {"event": "LinkedAccount.deleted"}}}).json["ignored"]
    assert source.call("POST", "/try", {"sample": 7}).json["faults"][0]["place"] == "$.hook.event"
