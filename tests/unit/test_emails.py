"""E-mail addresses: what mail is sent to, and what counts as the same mailbox."""

from __future__ import annotations

import pytest

from rollcall.privacy.emails import identity_of, normalise_email, usable_email, written_email


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("maya@straße.example", "maya@strasse.example"),
        ("weiß@example.com", "weiss@example.com"),
        ("ﬁona@example.com", "fiona@example.com"),
        ("maya@βόλος.example", "maya@βόλοσ.example"),
        ("ırmak@example.com", "irmak@example.com"),
        ("İrmak@example.com", "irmak@example.com"),
        ("maya+hub@example.com", "maya@example.com"),
    ],
)
def test_different_mailboxes_stay_different(one: str, other: str) -> None:
    """No letter is turned into another one, neither before nor after the @."""
    assert normalise_email(one) != normalise_email(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Maya.Okafor@EXAMPLE.com", "maya.okafor@example.com"),
        ("ŁUKASZ@example.com", "łukasz@example.com"),
        ("WEIẞ@example.com", "weiß@example.com"),
        ("maya@BÜCHER.example", "maya@xn--bcher-kva.example"),
        ("maya@XN--STRAE-OQA.example", "maya@straße.example"),
        ("maya@ｅｘａｍｐｌｅ.com", "maya@example.com"),
        ("jose\u0301@example.com", "JOS\u00c9@example.com"),
        (" maya@example.com\u00a0", "maya@example.com"),
    ],
)
def test_spellings_of_one_mailbox_are_one(one: str, other: str) -> None:
    """Case, Unicode form, spaces around and the two forms of a domain do not make another mailbox."""
    assert normalise_email(one) == normalise_email(other)


@pytest.mark.parametrize(
    "text", ["İrmak@example.com", "ΣΑΣ@example.com", "Maya@BÜCHER.example", "J\u030cIM@example.com"]
)
def test_identity_of_an_identity_is_itself(text: str) -> None:
    """Normalising twice is the same as once."""
    once = normalise_email(text)
    assert normalise_email(once) == once == identity_of(written_email(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (" Maya.Weiß+Hub@Example.COM ", "Maya.Weiß+Hub@example.com"),
        ("maya@straße.example", "maya@straße.example"),
        ("maya@xn--strae-oqa.example", "maya@straße.example"),
    ],
)
def test_mail_goes_to_the_address_as_written(text: str, expected: str) -> None:
    """The local part keeps its letters and case; the domain is the one that was meant."""
    assert written_email(text) == expected


def test_text_that_is_no_address_is_told_without_repeating_it() -> None:
    """The message can be logged: the text does not stand in it."""
    assert usable_email("maya.okafor") is None
    with pytest.raises(ValueError, match="@-sign") as caught:
        written_email("maya.okafor")
    assert "maya" not in str(caught.value)
