"""E-mail addresses: as mail is sent to them, and one spelling for everybody who means the same mailbox. Pure.

The syntax is judged by ``email-validator`` (RFC 5321, 6531), without asking the network. Sending and identity are two
things:

- Mail goes to the address as it was written: the local part as it stands, the domain as IDNA 2008 gives it
  (``written_email``).
- For identity (``normalise_email``) two spellings of one domain are one, since the library gives the same letters for
  ``BÜCHER.example`` and ``xn--bcher-kva.example``; the local part loses its case, since RFC 5321 lets a server tell
  ``Ana@`` from ``ana@``, none in use does, and inviting somebody twice is the worse mistake. Lower case, not case
  folding: folding turns ``ß`` into ``ss`` and so makes one of two mailboxes. What stands before and after a plus sign
  is left alone.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from email_validator import EmailNotValidError, validate_email

# Most addresses: such a local part is right and comes back as it is. With at most 63 characters in it, and 180 behind
# it, no limit of length is met (RFC 5321, 4.5.3.1).
_WORD = "[A-Za-z0-9_]"
PLAIN_LOCAL = f"{_WORD}{{1,24}}+(?:[.+-]{_WORD}{{1,24}}+)?+(?:[.+-]{_WORD}{{1,12}}+)?+"
PLAIN = re.compile(f"{PLAIN_LOCAL}@(.{{1,180}})")


@lru_cache(maxsize=8_192)
def is_plain_domain(domain: str) -> bool:
    """Tell whether mail goes to a domain as it is written, so that an address ``PLAIN`` at it needs no other look."""
    try:
        return _validated(f"a@{domain}") == f"a@{domain}"
    except EmailNotValidError:
        return False


def written_email(text: str) -> str:
    """Return the address as mail is sent to it.

    Raises
    ------
    ValueError
        If it is not exactly one address. The message says what is wrong without repeating the address.
    """
    plain = PLAIN.fullmatch(text)
    if plain and is_plain_domain(plain[1]):
        return text
    try:
        return _validated(text.strip())
    except EmailNotValidError as exc:
        raise ValueError(str(exc)) from None


def _validated(text: str) -> str:
    return validate_email(text, check_deliverability=False).normalized


def identity_of(written: str) -> str:
    """Return the form that identity is judged by, of an address as ``written_email`` gives it."""
    local, _, domain = written.rpartition("@")
    return f"{unicodedata.normalize('NFC', local.lower())}@{domain}"


def normalise_email(text: str) -> str:
    """Return the address in the form that identity is judged by; mail is not sent to it.

    Raises
    ------
    ValueError
        As ``written_email``.
    """
    return identity_of(written_email(text))


def usable_email(text: str) -> str | None:
    """Return the normalised address, or nothing if the text is not one."""
    try:
        return normalise_email(text)
    except ValueError:
        return None
