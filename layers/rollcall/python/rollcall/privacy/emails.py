"""E-mail addresses: one spelling for everybody who means the same mailbox. Pure.

The syntax is judged by ``email-validator`` (RFC 5321, 6531), without asking the network. For identity the whole
address is compared without regard to case: RFC 5321 lets a server tell ``Ana@`` from ``ana@``, none in use does, and
inviting somebody twice is the worse mistake. What stands before and after a plus sign is left alone.
"""

from __future__ import annotations

import unicodedata

from email_validator import EmailNotValidError, validate_email


def normalise_email(text: str) -> str:
    """Return the address in the form that identity is judged by.

    Raises
    ------
    ValueError
        If it is not exactly one address. The message says what is wrong without repeating the address.
    """
    try:
        found = validate_email(text.strip(), check_deliverability=False)
    except EmailNotValidError as exc:
        raise ValueError(str(exc)) from None
    return unicodedata.normalize("NFC", found.normalized).casefold()


def usable_email(text: str) -> str | None:
    """Return the normalised address, or nothing if the text is not one."""
    try:
        return normalise_email(text)
    except ValueError:
        return None
