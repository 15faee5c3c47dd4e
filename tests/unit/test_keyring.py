from __future__ import annotations

import json

from rollcall.hubs.keyring import Keyring, Secret

FIRST = Secret("01", "one", "2026-11-01T00:00:00.000Z")
SECOND = Secret("02", "two", "2026-11-02T00:00:00.000Z")


def test_rotated_keyring_verifies_with_both_until_the_old_one_is_over() -> None:
    """Both secrets are live, the new one first, until the time that was set; then only the new one is."""
    ring = Keyring((FIRST,)).rotated(SECOND, old_until="2026-11-03T00:00:00.000Z")
    assert [secret.text for secret in ring.live("2026-11-02T23:59:59.999Z")] == ["two", "one"]
    assert [secret.text for secret in ring.live("2026-11-03T00:00:00.000Z")] == ["two"]


def test_second_rotation_keeps_all_that_are_live_and_lengthens_none() -> None:
    """Whichever of them the sender uses goes on working; an earlier end stays, and what is over goes."""
    over = Secret("00", "zero", "2026-10-01T00:00:00.000Z", "2026-10-02T00:00:00.000Z")
    ring = Keyring((FIRST, over)).rotated(SECOND, old_until="2026-11-03T00:00:00.000Z")
    third = ring.rotated(Secret("03", "three", "2026-11-02T12:00:00.000Z"), old_until="2026-11-09T00:00:00.000Z")
    assert [(secret.text, secret.expires_at) for secret in third.secrets] == [
        ("three", None),
        ("two", "2026-11-09T00:00:00.000Z"),
        ("one", "2026-11-03T00:00:00.000Z"),
    ]


def test_rotation_that_keeps_nothing_leaves_the_new_secret_alone() -> None:
    """A secret that was seen by others can be ended at once."""
    ring = Keyring((FIRST,)).rotated(SECOND, old_until=str(SECOND.created_at))
    assert [secret.text for secret in ring.secrets] == ["two"]


def test_keyring_is_read_as_it_was_written_and_in_its_first_form() -> None:
    """Nothing is lost in storage; a plain list of secrets, the first form, is read too."""
    ring = Keyring((SECOND, FIRST), {"api_key": "k"})
    assert Keyring.from_text(ring.to_text()) == ring
    old = Keyring.from_text(json.dumps({"secrets": ["b", "a"]}))
    assert [secret.text for secret in old.live("2026-11-02T00:00:00.000Z")] == ["b", "a"]
    assert len({secret.secret_id for secret in old.secrets}) == 2


def test_shown_keyring_tells_no_secret() -> None:
    """What a log or a trace shows of it holds neither secrets nor credentials."""
    shown = repr(Keyring((Secret("01", "whsec_text"),), {"api_key": "key-of-the-vendor"}))
    assert "whsec_text" not in shown
    assert "key-of-the-vendor" not in shown
