"""The errors that cross capabilities: each owns a stable code, a status and one sentence.

No message may hold personal data: name the place and the rule, not the value.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with an input.

    Attributes
    ----------
    place
        Where: a JSON path (``data.email``), a cell (``C14``), a header or ``row 12``.
    code
        Stable word for programs, snake_case.
    detail
        One sentence that tells a person what to do.
    """

    place: str
    code: str
    detail: str


class RollcallError(Exception):
    """Base of every expected error. Subclasses set ``code``, ``status`` and ``title``."""

    code = "internal_error"
    status = 500
    title = "Something went wrong on our side"

    def __init__(self, detail: str = "", *, code: str | None = None) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        if code is not None:
            self.code = code

    def to_problem(self) -> dict[str, Any]:
        """Return the error as RFC 9457 problem details."""
        return {
            "type": "about:blank",
            "title": self.title,
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
            "faults": [],
        }


class UnauthenticError(RollcallError):
    """The caller could not be verified. Answered 401 and nothing more."""

    code = "unauthentic"
    status = 401
    title = "Not authenticated"

    def to_problem(self) -> dict[str, Any]:
        """Return the error without saying what was wrong."""
        return {"type": "about:blank", "title": self.title, "status": self.status, "code": self.code}


class ForbiddenError(RollcallError):
    """The caller is known and may not do this."""

    code = "forbidden"
    status = 403
    title = "Not allowed"


class NotFoundError(RollcallError):
    """There is no such thing in this hub."""

    code = "not_found"
    status = 404
    title = "Not found"


class MalformedError(RollcallError):
    """The input has faults; all of them are listed."""

    code = "malformed"
    status = 400
    title = "The input has faults"

    def __init__(self, faults: list[Fault], detail: str = "") -> None:
        super().__init__(detail or (faults[0].detail if len(faults) == 1 else f"{len(faults)} faults were found."))
        self.faults = faults

    def to_problem(self) -> dict[str, Any]:
        """Return the error with every fault."""
        return super().to_problem() | {"faults": [asdict(fault) for fault in self.faults]}


class TooLargeError(RollcallError):
    """The body is larger than we take."""

    code = "too_large"
    status = 413
    title = "Too large"


class RefusedError(RollcallError):
    """The request is well formed, and the state of things does not allow it."""

    code = "refused"
    status = 409
    title = "Refused"


class ConflictError(RefusedError):
    """Somebody else was faster: what this was based on has changed."""

    code = "conflict"
    title = "Changed in the meantime"


class TooLargeToStoreError(RefusedError):
    """A member, person or segment would be larger than what can be kept of one; nothing was written."""

    code = "too_large_to_store"
    title = "More than can be kept"


class PreconditionError(RollcallError):
    """The ``If-Match`` of the caller is not the current version."""

    code = "precondition_failed"
    status = 412
    title = "Changed in the meantime"


class TransientError(RollcallError):
    """A passing trouble of ours or of AWS: try the same again later."""

    code = "try_again"
    status = 503
    title = "Temporarily unavailable"


class UnstorableError(RollcallError):
    """The database refuses this whatever we do: trying again is no use. Nothing was written."""

    code = "cannot_be_stored"
    title = "This cannot be stored"
