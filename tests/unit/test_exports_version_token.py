"""The version column of the members file."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollcall.members.model import Status
from rollcall.members.projection import View
from rollcall.members.version_token import Value, column_values, make_token, moved
from rollcall.privacy.hashing import derive

KEY = derive("stack secret", "salt")
MEMBER = "a" * 32
VALUES: dict[str, Value] = {
    "status": ("active",),
    "roles": ("mentee", "mentor"),
    "segment:location": (),
    "profile:Job title": ("Lead",),
    "first_name": ("Łukasz",),
}
TOKEN = make_token(KEY, MEMBER, VALUES)


@pytest.mark.parametrize("column", list(VALUES))
def test_value_as_at_export_has_not_moved(column: str) -> None:
    """A column that is as it was is recognised, empty ones too."""
    assert moved(TOKEN, KEY, MEMBER, column, VALUES[column]) is False


@pytest.mark.parametrize("column", list(VALUES))
def test_other_value_has_moved(column: str) -> None:
    """A column that changed since the export is recognised."""
    assert moved(TOKEN, KEY, MEMBER, column, ("other",)) is True


def test_order_of_values_does_not_matter() -> None:
    """Roles in another order are the same roles."""
    assert moved(TOKEN, KEY, MEMBER, "roles", ("mentor", "mentee")) is False


def test_column_that_was_not_in_the_file_is_unknown() -> None:
    """Of a column that the admin could not see, the token says nothing."""
    assert moved(TOKEN, KEY, MEMBER, "segment:secret", ()) is None


@pytest.mark.parametrize("token", ["", "v1.", "v2." + TOKEN[3:], TOKEN[3:], "v1.é", "v1.A", TOKEN + "AA", "=1+1"])
def test_text_that_is_no_token_says_nothing(token: str) -> None:
    """A damaged or missing token is unknown, never an error and never unmoved."""
    assert moved(token, KEY, MEMBER, "status", ("active",)) is None


def test_token_of_another_row_has_moved() -> None:
    """A token copied into another member's row does not pass as that member's."""
    assert moved(TOKEN, KEY, "b" * 32, "status", ("active",)) is True


def test_token_of_another_hub_does_not_pass() -> None:
    """Another hub's key does not recognise anything."""
    assert moved(TOKEN, derive("stack secret", "other"), MEMBER, "status", ("active",)) is not False


def test_token_does_not_show_values() -> None:
    """Equal values of two members look different, so the file tells nothing beyond its cells."""
    assert make_token(KEY, "b" * 32, VALUES) != TOKEN


def test_column_values_are_ids_of_what_is_shown() -> None:
    """Columns of the file without a value are empty; what is not in the file is left out."""
    shown = View(
        MEMBER,
        Status.INACTIVE,
        "directory",
        "maya@example.com",
        "Maya",
        "",
        roles=("mentor", "admin"),
        segments={"location": ("london",), "hidden": ("x",)},
        profile={"Job title": "Lead"},
    )
    assert column_values(shown, ["location", "languages"], ["Job title", "Desk"]) == {
        "status": ("inactive",),
        "roles": ("admin", "mentor"),
        "first_name": ("Maya",),
        "last_name": (),
        "segment:location": ("london",),
        "segment:languages": (),
        "profile:Job title": ("Lead",),
        "profile:Desk": (),
    }


TEXTS = st.lists(st.text(max_size=8), max_size=4).map(tuple)


@given(values=st.dictionaries(st.text(max_size=12), TEXTS, max_size=60))
def test_every_column_of_any_file_is_found_again_unmoved(values: dict[str, Value]) -> None:
    """Whatever the columns and values, also where two columns share their 2 bytes, unmoved stays unmoved."""
    token = make_token(KEY, MEMBER, values)
    assert all(moved(token, KEY, MEMBER, column, value) is False for column, value in values.items())


def test_columns_that_share_their_two_bytes_are_told_apart() -> None:
    """With 2,000 columns some share 2 bytes for certain; each still knows its own value from another."""
    values: dict[str, Value] = {f"profile:{n}": (str(n),) for n in range(2000)}
    token = make_token(KEY, MEMBER, values)
    assert not any(moved(token, KEY, MEMBER, column, value) for column, value in values.items())
    assert all(moved(token, KEY, MEMBER, column, ("other",)) for column in values)
