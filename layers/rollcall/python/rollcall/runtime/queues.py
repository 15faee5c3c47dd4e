"""SQS: pointers out, batches in. A message holds ids only, never personal data."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from rollcall.runtime import clients
from rollcall.runtime.errors import TransientError
from rollcall.runtime.observability import describe, log
from rollcall.runtime.settings import env

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

Pointer = dict[str, Any]


MAX_DELAY = 900


def send(queue: str, pointer: Mapping[str, Any], delay: int = 0) -> None:
    """Send one pointer; ``queue`` is the name of the variable that holds the queue's URL.

    The message's group is the hub, so that one hub's flood does not delay another (fair queues).

    Parameters
    ----------
    delay
        Seconds until it can be received, at most 900.

    Raises
    ------
    TransientError
        If SQS did not take it.
    """
    try:
        clients.sqs().send_message(
            QueueUrl=env(queue),
            MessageBody=json.dumps(pointer, separators=(",", ":")),
            MessageGroupId=str(pointer["hub_id"]),
            DelaySeconds=delay,
        )
    except (ClientError, BotoCoreError) as exc:
        raise TransientError from exc


def send_many(queue: str, pointers: Iterable[Mapping[str, Any]]) -> None:
    """Send pointers, ten at a time. The answer 200 may still name messages that were not taken.

    Raises
    ------
    TransientError
        If any was not taken; others may have been sent, which is harmless since every message may come twice.
    """
    waiting = list(pointers)
    for start in range(0, len(waiting), 10):
        entries: Any = [
            {
                "Id": str(n),
                "MessageBody": json.dumps(pointer, separators=(",", ":")),
                "MessageGroupId": str(pointer["hub_id"]),
            }
            for n, pointer in enumerate(waiting[start : start + 10])
        ]
        try:
            answer = clients.sqs().send_message_batch(QueueUrl=env(queue), Entries=entries)
        except (ClientError, BotoCoreError) as exc:
            raise TransientError from exc
        if answer.get("Failed"):
            raise TransientError


@dataclass(frozen=True, slots=True)
class Received:
    """A message that was taken from a queue, and comes back to it unless it is deleted."""

    pointer: Pointer
    receipt: str


def receive(queue: str, limit: int) -> list[Received]:
    """Take messages from a queue that no function reads: its dead letters. None now is no proof that there are none.

    What is not a pointer is left there.

    Raises
    ------
    TransientError
        If SQS did not answer.
    """
    try:
        answer = clients.sqs().receive_message(QueueUrl=env(queue), MaxNumberOfMessages=limit)
    except (ClientError, BotoCoreError) as exc:
        raise TransientError from exc
    found: list[Received] = []
    for message in answer.get("Messages", []):
        with suppress(ValueError):
            found.append(Received(json.loads(message["Body"]), message["ReceiptHandle"]))
    return found


def delete(queue: str, message: Received) -> None:
    """Take a message out of its queue for good.

    Raises
    ------
    TransientError
        If it is not certain that it is gone: then it comes again.
    """
    try:
        clients.sqs().delete_message(QueueUrl=env(queue), ReceiptHandle=message.receipt)
    except (ClientError, BotoCoreError) as exc:
        raise TransientError from exc


def process(event: Mapping[str, Any], handle: Callable[[Any], object]) -> dict[str, Any]:
    """Hand the decoded body of every SQS record to ``handle`` and report those that failed, and only those.

    Of several hubs in a batch, the one with the fewest records comes first.

    A failure is logged by kind and place, without its message, which could hold personal data. The failed records
    return after the visibility time-out and end in the dead-letter queue, which has an alarm.
    """
    failures: list[dict[str, str]] = []
    for record in fewest_first(event["Records"]):
        try:
            handle(json.loads(record["body"]))
        except Exception as exc:  # noqa: BLE001 - one record's failure must not fail the others
            failures.append({"itemIdentifier": record["messageId"]})
            log.error("record_failed", **describe(exc), attempt=attempt_of(record))
    return {"batchItemFailures": failures}


def attempt_of(record: Mapping[str, Any]) -> int:
    """Return how often a record was handed over by now; 1 the first time."""
    return int(record.get("attributes", {}).get("ApproximateReceiveCount", "1"))


def fewest_first(records: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return a batch in the order to handle it: the hub with the fewest records first, so that no flood delays it.

    The queues are standard ones: the order in which they hand over means nothing.
    """
    hubs = [record.get("attributes", {}).get("MessageGroupId", "") for record in records]
    counts = Counter(hubs)
    return [records[n] for n in sorted(range(len(records)), key=lambda n: counts[hubs[n]])]
