"""Signed requests that were changed, through the function that receives webhooks, on the real stores in memory.

Nothing changed is accepted, nothing sent from outside is an error of ours, and no part of a body is in any log.
"""

from __future__ import annotations

import importlib.util
import io
import json
import logging
import random
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aws_lambda_powertools import Logger

from rollcall.hubs import store as hubs
from rollcall.hubs.model import Source
from rollcall.people import event_log
from rollcall.runtime.observability import log
from tests.support.aws import stack
from tests.support.mutations import (
    ALGORITHMS,
    Algorithm,
    Sent,
    as_sent,
    canaries,
    is_untouched,
    mutation,
    spoilt_body,
)

ROOT = Path(__file__).parents[2]
HUB = "01J8Z3QK5V7X9WB2C4D6E8FGHJ"
SOURCES = {name: f"01J8Z3QK5V7X9WB2C4D6E8FG{number:02d}" for number, name in enumerate(ALGORITHMS)}

Handler = Callable[[Any, None], dict[str, Any]]


class Receiver:
    """The function as one source reaches it, and what it wrote to its log."""

    def __init__(self, handler: Handler, source_id: str, stream: io.StringIO) -> None:
        self._handler = handler
        self._source_id = source_id
        self._stream = stream

    def answer(self, sent: Sent) -> tuple[int, str]:
        """Return status and body of the answer."""
        answer = self._handler(
            {
                "version": "2.0",
                "requestContext": {"http": {"method": "POST"}},
                "pathParameters": {"hub_id": HUB, "source_id": self._source_id},
                "headers": sent.headers,
                "body": sent.body,
                "isBase64Encoded": sent.is_base64,
            },
            None,
        )
        json.dumps(answer).encode()  # as Lambda does with it
        return answer["statusCode"], answer.get("body", "")

    def logged(self) -> str:
        """Return what was logged since this was last asked."""
        text = self._stream.getvalue()
        self._stream.seek(0)
        self._stream.truncate()
        return text


@pytest.fixture(scope="module")
def handler() -> Iterator[Handler]:
    """Return the handler of the function, with a source for each algorithm connected."""
    with stack():
        for algorithm, source_id in zip(ALGORITHMS.values(), SOURCES.values(), strict=True):
            hubs.create_source(Source(HUB, source_id, algorithm.provider, "HR", "a" * 32), algorithm.secret)
        spec = importlib.util.spec_from_file_location("receive_webhook", ROOT / "functions/receive_webhook/app.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        # Read once, not for each of tens of thousands of requests: of the tables, the log of events alone matters here.
        sources = {source.source_id: source for source in hubs.list_sources(HUB)}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(hubs, "get_source", lambda _, source_id: sources[source_id])
            yield module.handler


@pytest.fixture
def stream(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> Iterator[io.StringIO]:
    """Return what every logger of the process writes to, as Lambda collects it."""
    found = io.StringIO()
    monkeypatch.setattr(log, "_logger", Logger(service=request.node.name, stream=found))
    writing = logging.StreamHandler(found)
    caplog.set_level(logging.INFO)
    logging.getLogger().addHandler(writing)
    yield found
    logging.getLogger().removeHandler(writing)


@pytest.fixture
def receiver(name: str, handler: Handler, stream: io.StringIO) -> Receiver:
    """Return the function as the sender of this algorithm reaches it."""
    return Receiver(handler, SOURCES[name], stream)


@pytest.fixture(params=ALGORITHMS)
def name(request: pytest.FixtureRequest) -> str:
    """Return the name of each way to sign."""
    return str(request.param)


@pytest.fixture
def algorithm(name: str) -> Algorithm:
    """Return each way to sign."""
    return ALGORITHMS[name]


def genuine(algorithm: Algorithm) -> Sent:
    """Return a request as its system sends it now."""
    return as_sent(algorithm.body, algorithm.sign(algorithm.body, datetime.now(UTC)))


def recorded() -> int:
    """Return how many events lie in the log."""
    count, position = 0, ""
    while True:
        events, following = event_log.list_events(HUB, limit=500, cursor=position)
        count += len(events)
        if following is None:
            return count
        position = following


def leaked(algorithm: Algorithm, text: str) -> list[str]:
    """Return what a text holds of the body or of the secret; keyed by nothing, so that a failure shows it."""
    return [part for part in (*canaries(algorithm.body), algorithm.secret) if part in text]


@pytest.mark.parametrize(
    "count", [pytest.param(100, id="few"), pytest.param(10_000, id="many", marks=pytest.mark.long)]
)
def test_changed_request_is_refused_and_leaves_no_trace_of_its_body(
    algorithm: Algorithm, receiver: Receiver, count: int, figure: Callable[[str], None]
) -> None:
    """Every change to a signed request is 401, or 400 if its base64 cannot be read: always in the same words."""
    taken, _ = receiver.answer(genuine(algorithm))
    assert taken // 100 == 2
    log_of_taken = receiver.logged()
    assert "webhook_received" in log_of_taken  # else the search in the log could not fail
    before = recorded()
    answers: Counter[tuple[int, str]] = Counter()
    kinds: Counter[str] = Counter()
    skipped = 0
    for number in range(count):
        sent, drawn = mutation(algorithm, f"{algorithm.label} {number}")
        answer = receiver.answer(sent)
        assert answer[0] in {400, 401}, f"mutation {number}"
        assert answer[0] == 401 or sent.is_base64, f"mutation {number}"
        answers[answer] += 1
        kinds[sent.what] += 1
        skipped += drawn
    written = log_of_taken + receiver.logged() + "".join(body for _, body in answers)
    assert leaked(algorithm, written) == []
    assert len(answers) == len({status for status, _ in answers})
    assert recorded() == before
    statuses = ", ".join(f"{total} x {status}" for (status, _), total in sorted(answers.items()))
    parts = ", ".join(f"{total} {what}" for what, total in sorted(kinds.items()))
    figure(
        f"{algorithm.label}: {count} changed requests ({parts}), 0 accepted,"
        f" 0 x 5xx: {statuses}; {skipped} draws were no change"
    )


@pytest.mark.parametrize("count", [pytest.param(40, id="few"), pytest.param(1_000, id="many", marks=pytest.mark.long)])
def test_signed_junk_is_never_our_error_and_not_logged(
    algorithm: Algorithm, receiver: Receiver, count: int, figure: Callable[[str], None]
) -> None:
    """Whatever somebody with the secret sends is taken or refused with its faults; its body is in no log."""
    statuses: Counter[int] = Counter()
    for number in range(count):
        rng = random.Random(f"junk {algorithm.label} {number}")
        body = spoilt_body(algorithm.body, rng).decode(errors="replace").encode()
        status, _ = receiver.answer(as_sent(body, algorithm.sign_as(body, datetime.now(UTC), f"msg_{number}")))
        assert status // 100 == 2 or status == 400, f"junk {number}"
        statuses[status] += 1
    assert leaked(algorithm, receiver.logged()) == []
    assert statuses.keys() & {200, 202, 204}
    assert 400 in statuses
    figure(f"{algorithm.label}: {count} signed bodies with something wrong: {dict(sorted(statuses.items()))}")


def test_untouched_request_counts_as_no_change(algorithm: Algorithm) -> None:
    """What is left out of the changes is genuine: the request itself; one other byte or letter makes a change."""
    signed = algorithm.sign(algorithm.body, datetime.now(UTC))
    assert is_untouched(algorithm, signed, as_sent(algorithm.body, signed, in_base64=True))
    for name, value in signed.items():
        assert not is_untouched(algorithm, signed, as_sent(algorithm.body, signed | {name: f"x{value[1:]}"}))
    assert is_untouched(algorithm, signed, as_sent(algorithm.body + b" ", signed)) is not algorithm.signs_body
