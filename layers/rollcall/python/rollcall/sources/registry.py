"""Which module understands which system. A new system is one file and one line here."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

from rollcall.runtime.errors import Fault, MalformedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from rollcall.hubs.model import Source
    from rollcall.people.events import DirectoryEvent
    from rollcall.sources.asking import Answer, Manners, Question
    from rollcall.sources.model import Delivery, Parsed

PROVIDERS = ("standard", "workos", "merge", "bamboohr", "okta", "finch")
CHALLENGERS = ("okta",)
TRANSFORMERS = ("standard",)
ASKED = ("bamboohr", "finch")


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


class Asked(Protocol):
    """What the module of a system offers that sends ids only, and is then asked who they are."""

    MANNERS: Manners

    def are_credentials(self, credentials: Mapping[str, str]) -> bool:
        """Tell whether these can be what Rollcall logs in with, all of ``CREDENTIALS`` and nothing else."""

    def questions(self, event: DirectoryEvent, source: Source, credentials: Mapping[str, str]) -> list[Question]:
        """Return what to ask about the person of an event."""

    def read_answers(
        self, answers: Sequence[Answer], event: DirectoryEvent, source: Source, asked_at: datetime
    ) -> DirectoryEvent:
        """Return the event with the whole record in it; an ``AskingError`` if an answer is not usable."""


def asked(name: str) -> Asked | None:
    """Return the module of a system that can be asked about people, or nothing for the others."""
    return cast("Asked", provider(name)) if name in ASKED else None


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
