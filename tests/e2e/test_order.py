"""On the running stack: any order and any repetition of a history ends in one identical member."""

from __future__ import annotations

import random
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from demo.hub_client import invitation_link, read_mail, wait_for

from tests.e2e.waiting import drained

if TYPE_CHECKING:
    from collections.abc import Callable

    from demo.hub_client import HubApi, StandardSource

PERMUTATIONS = 200
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


def _event(kind: str, said: dict[str, Any], number: int, run: str, person: int) -> dict[str, Any]:
    data = {"external_id": f"{run}-{person:03d}", **said}
    if "first_name" in said:
        data["email"] = f"{run}-{person:03d}@example.com"
    return {"type": kind, "timestamp": f"2026-10-05T08:{number:02d}:00.000Z", "data": data}


@pytest.mark.timeout(900)
def test_200_permutations_with_every_event_doubled_end_in_one_member(
    api: HubApi, own_system: StandardSource, stack: dict[str, Any], aws_client: Callable[[str], Any]
) -> None:
    """200 people live the same eight events, each in an order of their own, each event twice: they end alike.

    Half of the repetitions are retries of the same delivery, half come again under another id in another order.
    """
    run = f"order{uuid.uuid4().hex[:8]}"
    api.put("", {"removal_guard": {"people": 2 * PERMUTATIONS}})
    _become_members(api, own_system, stack, run)
    shuffler = random.Random(20261122)

    def tell(person: int) -> int:
        events = [_event(kind, said, number, run, person) for number, (kind, said) in enumerate(HISTORY, start=1)]
        shuffler.shuffle(events)
        answers = [own_system.send(events, name=f"{run}-{person}")]
        if person % 2:
            answers.append(own_system.send(events, name=f"{run}-{person}"))
        else:
            answers.append(own_system.send(events[::-1], name=f"{run}-{person}-again"))
        return sum(answer.json()["accepted"] for answer in answers)

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(tell, range(PERMUTATIONS))) == PERMUTATIONS * len(HISTORY) * 2
    drained(aws_client("sqs"), stack)
    assert not [event for event in api.all("/events") if event["state"] == "new"]
    members = [member for member in api.all("/members") if member["email"].startswith(f"{run}-")]
    assert len(members) == PERMUTATIONS
    whole = [api.get(f"/members/{member['member_id']}") for member in members]
    seen = {
        repr(sorted((key, repr(value)) for key, value in member.items() if key not in {"member_id", "email"}))
        for member in whole
    }
    assert len(seen) == 1, f"{len(seen)} different members"
    assert (whole[0]["last_name"], whole[0]["status"]) == ("Okafor-Hale", "inactive")
    people = [person for person in api.all("/people") if person["external_id"].startswith(f"{run}-")]
    assert {repr(sorted(person["attributes"].items())) for person in people} == {
        repr([("Grade", "Lead"), ("Languages", ["English", "Yoruba"]), ("Office", "Tokyo")])
    }
    print(f"{PERMUTATIONS} permutations of {len(HISTORY)} events, each twice: 1 member")


def _become_members(api: HubApi, source: StandardSource, stack: dict[str, Any], run: str) -> None:
    """Make 200 known people members, as a hub does: upload, mail, accept."""
    rows = [f"{run}-{person:03d}@example.com,Maya,Okafor" for person in range(PERMUTATIONS)]
    text = "\r\n".join(["email,first_name,last_name", *rows, ""])
    first = [
        _event("person.added", {"first_name": "Maya", "last_name": "Okafor"}, 0, run, n) for n in range(PERMUTATIONS)
    ]
    assert source.send(first).status_code == 202
    wait_for(
        "200 persons",
        lambda: sum(person["external_id"].startswith(run) for person in api.all("/people")) == PERMUTATIONS,
        seconds=120,
    )
    plan = api.planned(api.upload("invites", "maya.csv", text.encode()))
    assert api.settled(plan["plan_id"])["counts"] == {"invited": PERMUTATIONS}

    def mails() -> list[dict[str, Any]]:
        index = api.http.get(f"{stack['recorder_url']}/messages").json()["messages"]
        found = [mail for mail in index if mail["to"][0].startswith(run)]
        return found if len(found) == PERMUTATIONS else []

    for mail in wait_for("200 mails", mails, seconds=180):
        api.http.post(invitation_link(read_mail(Path(stack["mail_dir"]) / mail["file"])) + "/accept")
