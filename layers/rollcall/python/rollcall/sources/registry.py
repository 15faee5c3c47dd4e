"""Which module understands which system. A new system is one file and one line here."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

from rollcall.runtime.errors import Fault, MalformedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rollcall.hubs.model import Source
    from rollcall.sources.model import Delivery, Parsed

PROVIDERS = ("standard", "workos", "merge", "bamboohr", "okta", "finch")
CHALLENGERS = ("okta",)
TRANSFORMERS = ("standard",)


class Provider(Protocol):
    """What a source module offers.

    Attributes
    ----------
    ANSWER
        Status that the system wants for a delivery that was taken.
    SETTINGS, CREDENTIALS
        Names of the settings that a source of it may have, and of what Rollcall logs in to its API with.
    """

    ANSWER: int
    SETTINGS: tuple[str, ...]
    CREDENTIALS: tuple[str, ...]
    SECRET_RULE: str

    def verify(self, delivery: Delivery, secrets: Sequence[str]) -> None:
        """Raise ``UnauthenticError`` unless one of the secrets signed the delivery."""

    def is_secret(self, text: str) -> bool:
        """Tell whether a text can be a secret of this system; if not, ``SECRET_RULE`` says why."""

    def new_secret(self) -> str:
        """Return a new secret, for systems that take ours; for others it holds the place until theirs is known."""

    def parse(self, delivery: Delivery, source: Source) -> Parsed:
        """Return the directory events of a delivery."""


class Challenger(Protocol):
    """What the module of a system offers that asks first whether an address is ours."""

    def answer_challenge(self, delivery: Delivery, secrets: Sequence[str]) -> dict[str, str]:
        """Return the answer; ``NotFoundError`` if nothing was asked, ``UnauthenticError`` if a secret is wrong."""


def challenger(name: str) -> Challenger | None:
    """Return the module of a system that asks first, or nothing for the others."""
    return cast("Challenger", provider(name)) if name in CHALLENGERS else None


def provider(name: str) -> Provider:
    """Return the module of a system, imported only when it is needed.

    Raises
    ------
    MalformedError
        If we do not know the system.
    """
    if name not in PROVIDERS:
        known = ", ".join(PROVIDERS)
        raise MalformedError([Fault("provider", "unknown_provider", f"Choose one of: {known}.")])
    return cast("Provider", import_module(f"rollcall.sources.{name}"))
