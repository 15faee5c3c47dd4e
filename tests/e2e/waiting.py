"""Waiting until the running stack has done what it was told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from demo.hub_client import wait_for

if TYPE_CHECKING:
    from collections.abc import Mapping


def drained(sqs: Any, stack: Mapping[str, Any], *, seconds: float = 600) -> None:
    """Wait until no directory event waits or is in flight."""
    queue = stack["queues"]["directory-events"]

    def look() -> bool:
        found = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
        return {found["ApproximateNumberOfMessages"], found["ApproximateNumberOfMessagesNotVisible"]} == {"0"}

    wait_for("applying all events", look, seconds=seconds)
