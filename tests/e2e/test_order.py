"""On the running stack: any order and any repetition of a history ends in one identical member."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from rollcall.hubs import store as hubs
from tests.e2e.waiting import drained
from tests.support.aws import running
from tests.support.world import World

if TYPE_CHECKING:
    from collections.abc import Callable

    from demo.hub_client import HubApi, StandardSource

HISTORY: list[tuple[str, dict[str, Any]]] = [
    (
        "person.added",
        {"first_name": "Maya", "last_name": "Okafor", "attributes": {"Office": "London"}, "complete": True},
    ),
    ("person.updated", {"attributes": {"Team": "North", "Desk": "4"}}),
    ("person.updated", {"attributes": {"Office": "Toronto", "Languages": ["English", "Yoruba"]}, "complete": True}),
    ("person.deactivated", {}),
    ("person.updated", {"attributes": {"Office": "Warsaw"}}),
    ("person.updated", {"last_name": "Okafor-Hale", "attributes": {"Grade": "Senior"}}),
    ("person.updated", {"attributes": {"Team": None, "Grade": "Lead"}}),
    ("person.reactivated", {"attributes": {"Office": "Tokyo"}}),
]


def _event(kind: str, said: dict[str, Any], number: int, person: int) -> dict[str, Any]:
    data = {"external_id": f"person-{person:04d}", **said}
    if "first_name" in said:
        data["email"] = f"person-{person:04d}@example.com"
    return {"type": kind, "timestamp": f"2026-10-05T08:{number:02d}:00.000Z", "data": data}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("permutations", [50, pytest.param(200, marks=pytest.mark.long)])
def test_permutations_with_every_event_doubled_end_in_one_member(
    *,
    permutations: int,
    api: HubApi,
    own_system: StandardSource,
    stack: dict[str, Any],
    aws_client: Callable[[str], Any],
    figure: Callable[[str], None],
) -> None:
    """So many people live the same eight events, each in an order of their own, each event twice: they end alike.

    Half of the repetitions are retries of the same delivery, half come again under another id in another order.
    """
    api.put("", {"removal_guard": {"people": 2 * permutations}})
    *_, hub_id, _, source_id, _ = own_system.url.split("/")
    with running(stack):
        World(hubs.get_hub(hub_id), source_id=source_id).populate(permutations)
    shuffler = random.Random(20261122)

    def tell(person: int) -> int:
        events = [_event(kind, said, number, person) for number, (kind, said) in enumerate(HISTORY, start=1)]
        shuffler.shuffle(events)
        answers = [own_system.send(events, name=f"{person}")]
        if person % 2:
            answers.append(own_system.send(events, name=f"{person}"))
        else:
            answers.append(own_system.send(events[::-1], name=f"{person}-again"))
        return sum(answer.json()["accepted"] for answer in answers)

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(tell, range(permutations))) == permutations * len(HISTORY) * 2
    drained(aws_client("sqs"), stack)
    assert not [event for event in api.all("/events") if event["state"] == "new"]
    members = list(api.all("/members"))
    assert len(members) == permutations
    whole = [api.get(f"/members/{member['member_id']}") for member in members]
    seen = {
        repr(sorted((key, repr(value)) for key, value in member.items() if key not in {"member_id", "email"}))
        for member in whole
    }
    assert len(seen) == 1, f"{len(seen)} different members"
    assert (whole[0]["last_name"], whole[0]["status"]) == ("Okafor-Hale", "inactive")
    assert {repr(sorted(person["attributes"].items())) for person in api.all("/people")} == {
        repr([("Grade", "Lead"), ("Languages", ["English", "Yoruba"]), ("Office", "Tokyo")])
    }
    figure(f"{permutations} permutations of {len(HISTORY)} events, each twice: {len(seen)} member")
