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

import unicodedata

from email_validator import EmailNotValidError, validate_email


def written_email(text: str) -> str:
    """Return the address as mail is sent to it.

    Raises
    ------
    ValueError
        If it is not exactly one address. The message says what is wrong without repeating the address.
    """
    try:
        return validate_email(text.strip(), check_deliverability=False).normalized
    except EmailNotValidError as exc:
        raise ValueError(str(exc)) from None


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
