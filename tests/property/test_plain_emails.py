"""Addresses that are taken by a short pattern: email-validator admits them too, and leaves them as they are."""

from __future__ import annotations

from email_validator import EmailNotValidError, validate_email
from hypothesis import given, settings
from hypothesis import strategies as st

from rollcall.privacy.emails import written_email
from tests.support.examples import examples

LOCAL = st.text("aZ9_.+-'é\u0307 ", min_size=1, max_size=70)
DOMAIN = st.one_of(
    st.sampled_from(["example.com", "Example.com", "example.test", "a.local", "localhost", "xn--bcher-kva.example"]),
    st.text("ab9.-_é", max_size=12).map(lambda text: f"{text}.com"),
    st.text("ab9.-", max_size=200),
)


@settings(max_examples=examples(1000), deadline=None)
@given(st.one_of(st.tuples(LOCAL, DOMAIN).map("@".join), st.text(max_size=20), st.emails()))
def test_an_address_is_what_the_library_says_of_it(text: str) -> None:
    """With the pattern or without it, the same address comes out, or none."""
    try:
        said = validate_email(text.strip(), check_deliverability=False).normalized
    except EmailNotValidError:
        said = None
    try:
        written = written_email(text)
    except ValueError:
        written = None
    assert written == said
