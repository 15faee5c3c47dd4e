from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from rollcall.mail import store as outbox
from rollcall.mail.model import Mail, due_shards
from rollcall.runtime.errors import UnauthenticError
from rollcall.sources import health, watch
from rollcall.sweeping.run import sweep
from tests.integration.test_api_hubs import as_admin, made_hub

NOW = datetime.now(UTC)
ASKS = {"email": "hana.tech@example.com", "role": "viewer", "notices": ["source_trouble"]}
ADMIN = {"email": "ada.admin@example.com", "role": "admin", "notices": []}


def connected(*admins: object) -> tuple[str, str]:
    """Return hub and source, with these admins listed."""
    hub_id = made_hub()
    as_admin(hub_id, "PUT", "/admins", {"items": list(admins)})
    return hub_id, as_admin(hub_id, "POST", "/sources", {"provider": "bamboohr", "name": "HR"}).json["source_id"]


def mails() -> list[Mail]:
    """Return the mails that wait."""
    keys = [key for shard in due_shards() for key in outbox.list_due(shard, NOW + timedelta(days=400))]
    found = [outbox.get(hub_id, mail_id) for hub_id, mail_id in keys]
    return [mail for mail in found if mail is not None]


def taken(hub_id: str, source_id: str, at: datetime) -> None:
    """Let a delivery have been taken."""
    health.note_taken(hub_id, source_id, at, {"accepted": 1}, secret_id="s")


def test_trouble_is_told_to_who_asked_once_a_day(aws: None) -> None:
    """Hour after hour of the same trouble is one mail on one day, and one on the next, if it goes on."""
    hub_id, source_id = connected(ASKS, ADMIN)
    morning = NOW.replace(hour=1)
    for hour in (*range(3), 24):
        at = morning + timedelta(hours=hour)
        health.note_failure(hub_id, source_id, at, "needs_credentials")
        watch.look(hub_id, source_id, at)
    assert [mail.to for mail in mails()] == ["hana.tech@example.com"] * 2
    assert mails()[0].params["text"] == health.CAUSES["needs_credentials"]


def test_trouble_is_told_to_all_who_may_mend_it_if_nobody_asked(aws: None) -> None:
    """Without anybody who asked, the admins of the hub are told; viewers are not."""
    hub_id, source_id = connected(ADMIN, {**ASKS, "notices": []})
    health.note_failure(hub_id, source_id, NOW, "needs_credentials")
    assert watch.look(hub_id, source_id, NOW) == 1
    assert [mail.to for mail in mails()] == ["ada.admin@example.com"]


@pytest.mark.parametrize(("minutes", "told"), [(-5, 1), (5, 0)])
def test_forged_delivery_is_trouble_only_if_no_right_one_came_since(aws: None, minutes: int, told: int) -> None:
    """Anybody can send a wrong signature: while right ones come, nobody is bothered."""
    hub_id, source_id = connected(ADMIN)
    health.note_refused(hub_id, source_id, NOW, UnauthenticError())
    taken(hub_id, source_id, NOW + timedelta(minutes=minutes))
    assert watch.look(hub_id, source_id, NOW + timedelta(minutes=10)) == told


def test_silence_is_told_once(aws: None) -> None:
    """However long it lasts, one silence is one mail."""
    hub_id, source_id = connected(ADMIN)
    for ago in range(4, 14):
        taken(hub_id, source_id, NOW - timedelta(days=ago))
    assert [watch.look(hub_id, source_id, NOW + timedelta(days=day)) for day in (0, 1, 2)] == [1, 0, 0]
    (mail,) = mails()
    assert "longer than usual" in mail.params["text"]


def test_sweep_looks_every_hour_and_no_more_once_the_source_is_gone(aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A source that is well is put off by an hour; one that was disconnected is never due again."""
    hub_id, source_id = connected(ADMIN)

    def due(at: datetime) -> list[tuple[str, str]]:
        return [found for shard in range(watch.SHARDS) for found in watch.due_sources(shard, at, 10)]

    assert due(NOW) == []
    later = NOW + timedelta(hours=2)
    assert due(later) == [(hub_id, source_id)]
    monkeypatch.setattr("rollcall.sweeping.run.now", lambda: later)
    sweep()
    assert due(later) == []
    as_admin(hub_id, "DELETE", f"/sources/{source_id}")
    watch.look(hub_id, source_id, later)
    assert due(later + timedelta(days=9)) == []
