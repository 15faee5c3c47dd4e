"""Fail or die at the Nth AWS call, in seven ways (reliability §4.2).

Every call of every client that ``rollcall.runtime.clients`` makes is counted; at call N the fault strikes once.
"""

from __future__ import annotations

import itertools
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError, ConnectTimeoutError, ReadTimeoutError

from rollcall.runtime import clients

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ENDPOINT = "https://aws.example.com"
MODES = (
    "lost_request",
    "lost_response",
    "throttle",
    "http500_not_applied",
    "http500_applied",
    "kill_before",
    "kill_after",
)


class Killed(BaseException):
    """The process died here: no ``except Exception`` may rescue anything."""


class Injector:
    """Counts AWS calls, and strikes once."""

    def __init__(self, at: int = 0, mode: str = "") -> None:
        self.at = at
        self.mode = mode
        self.calls: list[str] = []
        self.struck: BaseException | None = None
        self._lock = threading.Lock()

    def before(self, model: Any, params: Any, **_: Any) -> None:
        """Count the call; strike before it is sent."""
        with self._lock:  # some calls come from threads
            self.calls.append(model.name)
            number = len(self.calls)
        params.setdefault("context", {})["rollcall_call"] = number
        if number != self.at:
            return
        if self.mode == "kill_before":
            raise Killed
        if self.mode == "lost_request":
            raise ConnectTimeoutError(endpoint_url=ENDPOINT)
        if self.mode == "throttle":
            raise _error(THROTTLED, model.name)
        if self.mode == "http500_not_applied":
            raise _error(BROKEN, model.name)

    def after(self, model: Any, context: Any, **_: Any) -> None:
        """Strike after the call was carried out."""
        if context.get("rollcall_call", len(self.calls)) != self.at:
            return
        if self.mode == "kill_after":
            raise Killed
        if self.mode == "lost_response":
            raise ReadTimeoutError(endpoint_url=ENDPOINT)
        if self.mode == "http500_applied":
            raise _error(BROKEN, model.name)


THROTTLED = ("ThrottlingException", 400)
BROKEN = ("InternalServerError", 500)


def _error(kind: tuple[str, int], name: str) -> ClientError:
    code, status = kind
    response: Any = {"Error": {"Code": code, "Message": ""}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, name)


@contextmanager
def injected(at: int = 0, mode: str = "", *, with_ses: bool = False) -> Iterator[Injector]:
    """Run with a fault at the given call; call 0 is never reached, so nothing strikes and calls are only counted.

    ``with_ses`` counts the calls of SES too.
    """
    injector = Injector(at, mode)
    made: list[Any] = [clients.dynamodb(), clients.sqs(), clients.s3(), clients.secretsmanager()]
    if with_ses:
        made.append(clients.sesv2())
    for client in made:
        client.meta.events.register("before-call", injector.before, unique_id="rollcall-before")
        client.meta.events.register("after-call", injector.after, unique_id="rollcall-after")
    try:
        yield injector
    finally:
        for client in made:
            client.meta.events.unregister("before-call", unique_id="rollcall-before")
            client.meta.events.unregister("after-call", unique_id="rollcall-after")


def until_quiet(work: Callable[[], object], *, at: int, mode: str, tries: int = 6) -> Injector:
    """Do the work with one fault, then again without, as a queue redelivers it, until it goes through."""
    with injected(at, mode) as injector:
        try:
            work()
        except (Exception, Killed) as exc:  # noqa: BLE001 - the queue does not ask why, and delivers again
            injector.struck = exc
        else:
            return injector
    for attempt in itertools.count(1):
        try:
            work()
        except Exception:
            if attempt == tries:
                raise
        else:
            return injector
    raise AssertionError
