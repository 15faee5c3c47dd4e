"""One hub's flood: others' events come first, as SQS fair queues and our batches have it, and the guard holds."""

from __future__ import annotations

from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING

import pytest
from tools import flooding

from rollcall.runtime.queues import fewest_first, process

if TYPE_CHECKING:
    from collections.abc import Callable


def _record(hub: str, number: int) -> dict[str, object]:
    return {"messageId": f"{hub}{number}", "body": f'"{hub}{number}"', "attributes": {"MessageGroupId": hub}}


def test_the_hub_with_the_fewest_messages_of_a_batch_is_handled_first() -> None:
    """Whatever the queue's order; each hub's own stays as it came, and nothing is left out."""
    batch = [*(_record("a", n) for n in range(4)), _record("b", 0), _record("a", 4), _record("c", 0), _record("c", 1)]
    handled: list[str] = []
    assert process({"Records": batch}, handled.append) == {"batchItemFailures": []}
    assert handled == ["b0", "c0", "c1", "a0", "a1", "a2", "a3", "a4"]


def test_messages_without_a_group_stay_in_their_order() -> None:
    """Such as the notifications of S3."""
    batch = [{"messageId": str(number), "body": str(number)} for number in range(3)]
    assert fewest_first(batch) == batch


def test_with_one_hub_flooding_another_hubs_event_is_applied_within_twice_its_quiet_time(
    figure: Callable[[str], None],
) -> None:
    """A simulation with the workers of the template; without groups the same event waits for the whole backlog."""
    load = replace(flooding.from_template(), seconds=60)
    quiet, flooded = median(flooding.waits(replace(load, flood=0))), median(flooding.waits(load))
    figure(f"fair queues: {flooded / quiet:.2f} times the quiet time while another hub floods (simulated)")
    assert flooded <= 2 * quiet
    assert median(flooding.waits(replace(load, is_fair=False))) > 20 * quiet


@pytest.mark.parametrize(("members", "through"), [(20_000, 1_000), (150, 10)])
def test_a_flood_of_removals_goes_through_up_to_the_limit_of_the_guard(members: int, through: int) -> None:
    """The larger of ten people and five percent; the others wait."""
    assert flooding.leave(3_000, members) == (through, 3_000 - through)
