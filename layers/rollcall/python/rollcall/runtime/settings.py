"""Settings of a function: its environment variables, asked for by name, checked together at cold start."""

from __future__ import annotations

import os


class MisconfiguredError(Exception):
    """The function was deployed without settings that it needs."""

    def __init__(self, missing: list[str]) -> None:
        super().__init__(f"these environment variables are missing or empty: {', '.join(missing)}")
        self.missing = missing


def require(*names: str) -> None:
    """Check that every named variable is set. A handler calls it once, at cold start.

    Raises
    ------
    MisconfiguredError
        Naming all that are missing.
    """
    missing = [name for name in names if not os.environ.get(name)]
    if missing:
        raise MisconfiguredError(missing)


def env(name: str) -> str:
    """Return a required setting.

    Raises
    ------
    MisconfiguredError
        If it is missing or empty.
    """
    value = os.environ.get(name, "")
    if not value:
        raise MisconfiguredError([name])
    return value


def optional(name: str, default: str = "") -> str:
    """Return a setting that may be left out."""
    return os.environ.get(name) or default
