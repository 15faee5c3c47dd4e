"""Versions of settings as ETags, and the ``If-Match`` that guards a change (RFC 9110 §13.1.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from rollcall.runtime.errors import ConflictError, PreconditionError
from rollcall.runtime.tries import tries

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Changed = TypeVar("Changed")


class StaleError(PreconditionError):
    """The ``If-Match`` that was sent is not the present version."""


def etag(version: int) -> str:
    """Return the ETag of a version."""
    return f'"{version}"'


def check(headers: Mapping[str, str], version: int) -> None:
    """Refuse a change that was based on another version than the present one; without ``If-Match`` nothing is checked.

    Raises
    ------
    StaleError
        If none of the given ETags is the present one.
    """
    given = headers.get("if-match", "").strip()
    if given and given != "*" and etag(version) not in [part.strip().removeprefix("W/") for part in given.split(",")]:
        detail = "Somebody changed this since you read it. Read it again."
        raise StaleError(detail)


def retry(change: Callable[[], Changed]) -> Changed:
    """Make a change that reads, computes and writes; again, a few times, if somebody was faster.

    Raises
    ------
    StaleError
        If the caller's version is not the present one.
    ConflictError
        If others were faster every time.
    """
    for _ in tries():
        try:
            return change()
        except StaleError:
            raise
        except (ConflictError, PreconditionError):
            continue
    detail = "Others are changing this right now. Try again."
    raise ConflictError(detail)
