"""Nothing that was changed after signing is accepted (reliability.md T1)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollcall.runtime.errors import UnauthenticError
from rollcall.sources import standard, workos
from rollcall.sources.model import Delivery
from tests.support.examples import examples
from tests.support.vendors import STANDARD_SECRET, WORKOS_SECRET, sign_standard, sign_workos

AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
BODY = '{"type": "person.added", "data": {"external_id": "E-1", "first_name": "久美子"}}'.encode()
SIGNED = {"standard": sign_standard(BODY, AT), "workos": sign_workos(BODY, AT)}
MODULES = {"standard": (standard.verify, STANDARD_SECRET), "workos": (workos.verify, WORKOS_SECRET)}


def accepts(name: str, body: bytes, headers: dict[str, str]) -> bool:
    """Tell whether a delivery passes; any other exception than the expected one fails the test."""
    verify, secret = MODULES[name]
    try:
        verify(Delivery(body, headers, AT), [secret])
    except UnauthenticError:
        return False
    return True


@st.composite
def changed_text(draw: st.DrawFn, text: str) -> str:
    """Replace, insert, drop or cut somewhere."""
    at = draw(st.integers(0, len(text) - 1))
    letter = draw(st.characters(codec="utf-8") | st.sampled_from("0123456789abcdefABCDEF+/=,. "))
    return draw(
        st.sampled_from(
            [text[:at] + letter + text[at + 1 :], text[:at] + letter + text[at:], text[:at] + text[at + 1 :], text[:at]]
        )
    )


@pytest.mark.parametrize("name", MODULES)
def test_untouched_delivery_is_accepted(name: str) -> None:
    """What the vendor's package signs passes: else the tests below could not fail."""
    assert accepts(name, BODY, SIGNED[name])


@settings(max_examples=examples(500), deadline=None)
@given(data=st.data())
@pytest.mark.parametrize("name", MODULES)
def test_changed_header_is_unauthentic(name: str, data: st.DataObject) -> None:
    """What is accepted still holds every signed token as it was; all that may come in addition is junk beside them."""
    headers = dict(SIGNED[name])
    place = data.draw(st.sampled_from(sorted(headers)))
    before = headers[place]
    headers[place] = data.draw(changed_text(before))
    if accepts(name, BODY, headers):
        separator = {"workos-signature": ",", "webhook-signature": " "}.get(place, "\n")
        left = {part.strip(" ") for part in headers[place].split(separator)}
        assert {part.strip(" ") for part in before.split(separator)} <= left


@settings(max_examples=examples(500), deadline=None)
@given(data=st.data())
@pytest.mark.parametrize("name", MODULES)
def test_changed_body_of_any_length_is_unauthentic(name: str, data: st.DataObject) -> None:
    """Bytes replaced, inserted, dropped or appended are noticed."""
    at = data.draw(st.integers(0, len(BODY)))
    until = data.draw(st.integers(at, len(BODY)))
    body = BODY[:at] + data.draw(st.binary(max_size=8)) + BODY[until:]
    assert accepts(name, body, SIGNED[name]) is (body == BODY)


@settings(max_examples=examples(500), deadline=None)
@given(headers=st.dictionaries(st.sampled_from([*SIGNED["standard"], *SIGNED["workos"]]), st.text()), body=st.binary())
@pytest.mark.parametrize("name", MODULES)
def test_invented_delivery_is_unauthentic(name: str, headers: dict[str, str], body: bytes) -> None:
    """Whatever somebody without the secret makes up is refused in the one way."""
    assert not accepts(name, body, headers)
