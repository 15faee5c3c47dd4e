"""SIGKILL of the Lambda workers while messages are in flight: nothing lost, nothing doubled."""

from __future__ import annotations

import os
import signal
import subprocess
import time
import uuid
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from demo.hub_client import AnswerError, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from demo.hub_client import HubApi, StandardSource

PEOPLE = 40
ROUNDS = 4


def _workers(stack: dict[str, Any], function: str) -> list[int]:
    """Return the pids of the emulator's worker processes that live, if the function has one among them."""
    parent = str(stack["ministack_pid"])
    listed = subprocess.run(
        ["/bin/ps", "-ww", "-o", "pid=", "-o", "stat=", "-o", "args=", "--ppid", parent],
        capture_output=True,
        text=True,
        check=False,
    )
    rows = [line.split(maxsplit=2) for line in listed.stdout.splitlines()]
    alive = [(int(pid), command) for pid, state, command in rows if "ministack-lambda" in command and "Z" not in state]
    return [pid for pid, _ in alive] if any(stack["functions"][function] in command for _, command in alive) else []


def _deliver(source: StandardSource, events: list[dict[str, Any]], name: str) -> None:
    """Send until the answer is 202, as every sender of webhooks does: the worker that answers may be dead too."""

    def sent() -> bool:
        try:
            return source.send(events, name=name).status_code == 202
        except httpx.HTTPError:
            return False

    wait_for("taking the delivery", sent, seconds=240)


def _is_settled(api: HubApi) -> bool:
    """Tell whether no event is new; an API whose workers were just killed is asked again."""
    try:
        return not any(event["state"] == "new" for event in api.all("/events"))
    except (AnswerError, httpx.HTTPError):
        return False


@pytest.mark.timeout(900)
def test_killed_workers_lose_and_double_nothing(
    api: HubApi, own_system: StandardSource, stack: dict[str, Any], aws_client: Callable[[str], Any]
) -> None:
    """Four rounds of 40 updates, and in each all workers are killed while messages are in flight."""
    run = f"kill{uuid.uuid4().hex[:8]}"
    sqs, kills = aws_client("sqs"), 0
    queue = stack["queues"]["directory-events"]
    for number in range(ROUNDS):
        events = [
            {
                "type": "person.updated",
                "timestamp": f"2026-10-05T08:{number:02d}:00.000Z",
                "data": {
                    "external_id": f"{run}-{person}",
                    "email": f"{run}-{person}@example.com",
                    "attributes": {f"Round {number}": str(person), "Last": str(number)},
                },
            }
            for person in range(PEOPLE)
        ]
        _deliver(own_system, events, f"{run}-{number}")
        pids = wait_for("a worker of sync_member", lambda: _workers(stack, "sync_member"))
        time.sleep(0.1)
        counts = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        kills += len(pids)
        flying = int(counts["ApproximateNumberOfMessagesNotVisible"])
        waiting = counts["ApproximateNumberOfMessages"]
        print(f"round {number}: killed {pids}, {flying} messages in flight, {waiting} waiting")
    assert kills > 0
    wait_for(
        "settling every event",
        lambda: _is_settled(api),
        seconds=540,
    )
    people = [person for person in api.all("/people") if person["external_id"].startswith(f"{run}-")]
    assert len(people) == PEOPLE
    for person in people:
        number = person["external_id"].rpartition("-")[2]
        expected = {f"Round {n}": number for n in range(ROUNDS)} | {"Last": str(ROUNDS - 1)}
        assert person["attributes"] == expected
    mine = [event for event in api.all("/events") if event["source_id"] == people[0]["source_id"]]
    assert len(mine) == PEOPLE * ROUNDS
    assert {event["state"] for event in mine} <= {"applied", "no_change"}
