"""What a change of a member or person means in the activity."""

from __future__ import annotations

from typing import Any

import pytest

from rollcall.activity.record import record_change

HUB = "0" * 26
MEMBER = "a" * 32
PERSON = "b" * 32
SHOWN: dict[str, Any] = {
    "status": "active",
    "status_reason": "",
    "email": "maya@example.com",
    "first_name": "Maya",
    "last_name": "Okafor",
    "roles": ["mentor"],
    "segments": {"location": ["london"]},
    "profile": {"Job title": "Lead"},
}


def _member(**changed: Any) -> dict[str, Any]:
    return {
        "pk": f"{HUB}#M#{MEMBER}",
        "sk": "-",
        "cause": "event:" + "e" * 32,
        "actor": "directory",
        "changed_at": "2026-10-05T08:00:00.000Z",
        "shown": SHOWN | changed,
    }


def _person(status: str = "active", **changed: Any) -> dict[str, Any]:
    cells: dict[str, dict[str, Any]] = {
        "f": {"email": "maya@example.com"},
        "a": {"Office": "London"},
        "g": {"Leads": "in"},
    }
    stored = {name: {key: [value, 0] for key, value in (cells[name] | changed.get(name, {})).items()} for name in cells}
    return {
        "pk": f"{HUB}#P#{PERSON}",
        "sk": "-",
        "status": status,
        "cause": "event:" + "e" * 32,
        "changed_at": "2026-10-05T08:00:00.000Z",
        "t": [["2026-10-05T08:00:00.000Z", "e" * 32]],
        **stored,
    }


def _said(old: dict[str, Any] | None, new: dict[str, Any] | None) -> list[tuple[str, str, Any, Any]]:
    return [(str(entry.kind), entry.field, entry.old, entry.new) for entry in record_change("1", old, new)]


def test_new_member_is_one_entry_with_what_is_shown() -> None:
    """A member who came is one entry, not one per field."""
    assert _said(None, _member()) == [("member_created", "member", None, SHOWN)]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"status": "inactive"}, ("status_changed", "status", "active", "inactive")),
        ({"status": "deleted"}, ("member_deleted", "status", "active", "deleted")),
        ({"status_reason": "suspended"}, ("status_changed", "status_reason", "", "suspended")),
        ({"roles": ["mentor", "mentee"]}, ("roles_changed", "roles", ["mentor"], ["mentor", "mentee"])),
        ({"segments": {}}, ("segments_changed", "segment:location", ["london"], None)),
        ({"segments": {"location": ["toronto"]}}, ("segments_changed", "segment:location", ["london"], ["toronto"])),
        ({"profile": {"Job title": "Head"}}, ("profile_changed", "profile:Job title", "Lead", "Head")),
        ({"first_name": "Mia"}, ("name_changed", "first_name", "Maya", "Mia")),
        ({"email": "mia@example.com"}, ("email_changed", "email", "maya@example.com", "mia@example.com")),
    ],
)
def test_changed_field_of_a_member_is_one_entry_with_old_and_new(
    changed: dict[str, Any], said: tuple[str, str, Any, Any]
) -> None:
    """Exactly the field that differs is told, from what to what."""
    assert _said(_member(), _member(**changed)) == [said]


def test_several_fields_at_once_are_an_entry_each() -> None:
    """A change of two segments and a name tells all three, each under an id of its own."""
    new = _member(segments={"location": ["toronto"], "team": ["blue"]}, last_name="Obi")
    entries = record_change("1", _member(), new)
    assert [entry.field for entry in entries] == ["segment:location", "segment:team", "last_name"]
    assert len({entry.activity_id for entry in entries}) == 3


def test_other_order_of_roles_and_empty_segment_are_no_change() -> None:
    """What is shown the same is not told."""
    old = _member(roles=["mentor", "mentee"], segments={})
    assert _said(old, _member(roles=["mentee", "mentor"], segments={"location": []})) == []


def test_entry_says_who_when_why_and_about_whom() -> None:
    """Hub, subject, cause, actor and time come from the item."""
    (entry,) = record_change("1", _member(), _member(first_name="Mia"))
    assert (entry.hub_id, entry.subject, entry.actor) == (HUB, MEMBER, "directory")
    assert (entry.cause, entry.at) == ("event:" + "e" * 32, "2026-10-05T08:00:00.000Z")


def test_same_change_read_twice_has_the_same_ids() -> None:
    """A stream that repeats itself writes the same entries; another change has others."""
    old, new = _member(), _member(first_name="Mia")
    assert record_change("1", old, new) == record_change("1", old, new)
    assert record_change("1", old, new)[0].activity_id != record_change("2", old, new)[0].activity_id


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"f": {"email": "m@example.com"}}, ("person_email_changed", "email", "maya@example.com", "m@example.com")),
        ({"f": {"first_name": "Maya"}}, ("person_name_changed", "first_name", None, "Maya")),
        ({"f": {"locale": "fr"}}, ("person_field_changed", "locale", None, "fr")),
        ({"a": {"Office": None}}, ("person_attribute_changed", "attribute:Office", "London", None)),
        ({"a": {"Desk": ["A", "B"]}}, ("person_attribute_changed", "attribute:Desk", None, ["A", "B"])),
        ({"g": {"Leads": None}}, ("person_group_changed", "group:Leads", "in", None)),
        ({"status": "inactive"}, ("person_status_changed", "status", "active", "inactive")),
        ({"status": "deleted"}, ("person_deleted", "status", "active", "deleted")),
    ],
)
def test_changed_field_of_a_person_is_one_entry(changed: dict[str, Any], said: tuple[str, str, Any, Any]) -> None:
    """What the directory changed is told field by field."""
    assert _said(_person(), _person(**changed)) == [said]


def test_same_value_with_a_newer_stamp_is_no_change() -> None:
    """A person who is told the same again has no new entry."""
    new = _person()
    new["t"].append(["2027-01-01T00:00:00.000Z", "e" * 32])
    new["a"]["Office"][1] = 1
    assert _said(_person(), new) == []


def test_new_person_is_one_entry_without_attributes() -> None:
    """A person the hub did not know is one entry."""
    assert _said(None, _person()) == [
        ("person_created", "person", None, {"status": "active", "email": "maya@example.com"})
    ]


def test_erased_person_leaves_no_values() -> None:
    """An erasure is told without repeating what was erased."""
    new = {
        "pk": f"{HUB}#P#{PERSON}",
        "sk": "-",
        "status": "erased",
        "erased": True,
        "cause": "admin",
        "changed_at": "2026-10-05T08:00:00.000Z",
    }
    assert _said(_person(), new) == [("person_erased", "person", None, None)]
    assert _said(new, new) == []


def test_cause_tells_who_changed_a_person() -> None:
    """A person's item has no actor; the cause says it."""
    accepted = _person(a={"Office": "Toronto"}) | {"cause": "accept:" + "c" * 32}
    assert [entry.actor for entry in record_change("1", _person(), accepted)] == ["member"]
    assert [entry.actor for entry in record_change("1", None, _person())] == ["directory"]


def test_addresses_and_removed_items_are_not_told() -> None:
    """Who holds an address is no news, and what is gone leaves nothing."""
    address = {"pk": f"{HUB}#A#{'c' * 32}", "sk": "-", "rev": 1, "holders": {}}
    assert _said(None, address) == []
    assert _said(_member(), None) == []
