"""Secrets that are any text: what a usable one looks like, and how one is made."""

from __future__ import annotations

import base64
import secrets

from rollcall.sources.model import MAX_ID

SHORTEST = 16
RANDOM_BYTES = 32
AS_SHOWN = "Give the secret exactly as the HR system shows it, without spaces around it, or leave it out."


def is_text_secret(text: str) -> bool:
    """Tell whether a text can be a secret: 16 to 256 printable ASCII characters, no space at either end."""
    return SHORTEST <= len(text) <= MAX_ID and text.isascii() and text.isprintable() and text == text.strip()


def new_text_secret() -> str:
    """Return 32 random bytes as text that any form field and header takes."""
    return secrets.token_urlsafe(RANDOM_BYTES)


def new_base64_secret() -> str:
    """Return 32 random bytes in base64."""
    return base64.b64encode(secrets.token_bytes(RANDOM_BYTES)).decode()
