"""On the running stack: somebody who is erased is named nowhere a day later, and nothing brings them back."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from demo.hub_client import HubApi, StandardSource, invitation_link, read_mail, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
Client = Any


def _event(kind: str, external_id: str, second: int, **said: Any) -> dict[str, Any]:
    at = f"2026-10-05T08:00:{second:02d}.000Z"
    return {"type": f"person.{kind}", "timestamp": at, "data": {"external_id": external_id, **said}}


def _person(mark: str) -> dict[str, Any]:
    return {"email": f"{mark}@example.com", "first_name": f"Anna{mark}", "last_name": f"Berg{mark}"}


class _Searcher:
    """Searches everything that the stack keeps for words; what mailboxes got is beyond reach and not searched."""

    def __init__(self, stack: dict[str, Any], client: Callable[[str], Client]) -> None:
        self.stack = stack
        self.client = client

    def items(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for name, table in self.stack["tables"].items():
            for page in self.client("dynamodb").get_paginator("scan").paginate(TableName=table, ConsistentRead=True):
                yield from ((name, item) for item in page["Items"])

    def _texts(self) -> Iterator[tuple[str, str]]:
        for name, item in self.items():
            yield f"table {name}", json.dumps(item, ensure_ascii=False)
        s3 = self.client("s3")
        for bucket in (one["Name"] for one in s3.list_buckets()["Buckets"] if "artifacts" not in one["Name"]):
            for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
                for one in page.get("Versions", []):
                    body = s3.get_object(Bucket=bucket, Key=one["Key"], VersionId=one["VersionId"])["Body"].read()
                    yield f"file {one['Key']}", one["Key"] + body.decode("utf-8", "replace")
        sqs = self.client("sqs")
        for name, url in {**self.stack["queues"], **self.stack["dead_letters"]}.items():
            # Each is hidden for a moment, so that the next call gets others, until there are none.
            asked = {"QueueUrl": url, "MaxNumberOfMessages": 10, "VisibilityTimeout": 5, "WaitTimeSeconds": 0}
            while found := sqs.receive_message(**asked).get("Messages"):
                yield from ((f"queue {name}", json.dumps(message)) for message in found)

    def logged(self, word: str) -> int:
        logs = self.client("logs")
        groups = [one["logGroupName"] for one in logs.describe_log_groups()["logGroups"]]
        return sum(
            word.lower() in event["message"].lower()
            for group in groups
            for page in logs.get_paginator("filter_log_events").paginate(logGroupName=group)
            for event in page["events"]
        )

    def mentions(self, *marks: str) -> set[str]:
        return {f"{place}: {mark}" for place, text in self._texts() for mark in marks if mark in text.lower()}


def _move_clock(api: HubApi, searcher: _Searcher, *erasure_ids: str) -> None:
    """Let a day go by for erasures: their next pass is set into the past in the table, then the sweep comes."""
    functions, tables = searcher.stack["functions"], searcher.stack["tables"]
    for _ in range(3):
        for erasure_id in erasure_ids:
            receipt = api.get(f"/erasures/{erasure_id}")
            if receipt["state"] == "done":
                continue
            searcher.client("dynamodb").update_item(
                TableName=tables["Plans"],
                Key={"pk": {"S": f"{api.hub_id}#D#{erasure_id}"}, "sk": {"S": "-"}},
                UpdateExpression="SET next_pass_at = :past, due_sk = :past",
                ExpressionAttributeValues={":past": {"S": "2026-01-01T00:00:00.000Z"}},
            )
        before = {one: _passes(api, one) for one in erasure_ids}
        searcher.client("lambda").invoke(FunctionName=functions["sweep"])
        wait_for("the next pass", partial(_have_moved, api, before), seconds=40)


def _passes(api: HubApi, erasure_id: str) -> tuple[str, str | None]:
    receipt = api.get(f"/erasures/{erasure_id}")
    return receipt["state"], receipt["next_pass_at"]


def _have_moved(api: HubApi, before: dict[str, tuple[str, str | None]]) -> bool:
    now = {erasure_id: _passes(api, erasure_id) for erasure_id in before}
    return all(
        state == "done" or (state == "watching" and (state, after) != before[erasure_id])
        for erasure_id, (state, after) in now.items()
    )


def _are_watched(api: HubApi, erasure_ids: list[str]) -> bool:
    return all(api.get(f"/erasures/{one}")["state"] != "running" for one in erasure_ids)


def _live(api: HubApi, source: StandardSource, stack: dict[str, Any], mark: str, other: str) -> tuple[str, bytes]:
    """Let somebody live through everything that leaves a trace, beside a bystander whose manager they are.

    Returns the member's id and the members file of that time.
    """
    events = [
        _event("added", f"ID-{mark}", 1, **{**_person(mark), "email": f"former-{mark}@example.com"}),
        _event("updated", f"ID-{mark}", 2, **_person(mark), attributes={"Office": "London"}),
        _event("added", f"ID-{other}", 1, **_person(other), attributes={"Manager": f"{mark}@example.com"}),
    ]
    source.send(events, name=f"first-{mark}")
    wait_for("two people", lambda: len(list(api.all("/people"))) >= 2)
    rows = [f"{one}@example.com,Anna{one},Berg{one}" for one in (mark, other)]
    text = "\r\n".join(["email,first_name,last_name", *rows, ""])
    _exported(api, "invites")
    api.settled(api.planned(api.upload("invites", "people.csv", text.encode()))["plan_id"])
    for one in (mark, other):
        _accept(api, stack, f"{one}@example.com")
    people = {member["email"]: member["member_id"] for member in api.all("/members")}
    old = _exported(api, "members")
    text = old.decode("utf-8-sig").replace(f"Anna{mark}", f"Anna{mark}-Lou")
    api.planned(api.upload("members", "members.csv", text.encode()))
    return str(people[f"{mark}@example.com"]), old


def _exported(api: HubApi, kind: str) -> bytes:
    export = api.post("/exports", {"kind": kind})
    export_id = export["export_id"]
    wait_for("the export", lambda: api.get(f"/exports/{export_id}")["state"] == "done")
    return api.download(f"/exports/{export_id}/file")


def _accept(api: HubApi, stack: dict[str, Any], address: str) -> None:
    def look() -> Any:
        index = api.http.get(f"{stack['recorder_url']}/messages").json()["messages"]
        return next((mail for mail in index if mail["to"] == [address]), None)

    mail = wait_for("the invitation", look)
    api.http.post(invitation_link(read_mail(Path(stack["mail_dir"]) / mail["file"])) + "/accept")


def test_erased_people_are_named_nowhere_a_day_later_and_nothing_brings_them_back(
    api: HubApi, own_system: StandardSource, stack: dict[str, Any], aws_client: Callable[[str], Any]
) -> None:
    """A member, one who never was, one unknown; then a restored backup, late events, a replay and the old file."""
    run = uuid.uuid4().hex[:10]
    member, stranger, bystander = f"zqm{run}", f"zqs{run}", f"zqb{run}"
    searcher = _Searcher(stack, aws_client)
    member_id, old = _live(api, own_system, stack, member, bystander)
    own_system.send(_event("added", f"ID-{stranger}", 1, **_person(stranger)), name=f"stranger-{run}")
    people = wait_for("the stranger", lambda: _found(api, f"{stranger}@example.com"))
    assert {place.split(":")[0] for place in searcher.mentions(member)} >= {
        "table Events",
        "table People",
        "table Members",
        "table Invitations",
    }
    backup = [(name, item) for name, item in searcher.items() if item["pk"]["S"].startswith(api.hub_id)]

    first = api.post(f"/members/{member_id}/erase")
    assert api.call("GET", f"/members/{member_id}").status_code == 404
    second = api.post(f"/people/{people['person_id']}/erase")
    third = api.post("/erasures", {"email": f"zqu{run}@example.com"})
    erasures = [one["erasure_id"] for one in (first, second, third)]
    wait_for("the first pass", lambda: _are_watched(api, erasures))
    _move_clock(api, searcher, *erasures)
    assert {api.get(f"/erasures/{one}")["state"] for one in erasures} == {"done"}
    marks = (member, stranger, f"zqu{run}")
    assert searcher.mentions(*marks) == set()
    assert [searcher.logged(mark) for mark in marks] == [0, 0, 0]
    assert searcher.logged(api.hub_id) > 0
    assert any("table People" in place for place in searcher.mentions(bystander))
    receipt = api.get(f"/erasures/{erasures[0]}")
    assert receipt["purged"]["members"] == 1
    assert "attachment" in {one["what"] for one in receipt["beyond_reach"]}

    _restore_backup(searcher, backup)
    assert searcher.mentions(member)
    _replay_ledger(api, stack)
    _move_clock(api, searcher, *erasures)
    assert wait_for("nobody named", lambda: searcher.mentions(*marks) == set())
    for mark in (member, stranger):
        _come_again(api, own_system, mark)
    plan = api.planned(api.upload("members", "old.csv", old))
    api.approve(plan)
    assert not [one for one in api.all("/members") if member in one["email"]]
    assert not [place for place in searcher.mentions(member, stranger) if place.startswith("table")]


def _found(api: HubApi, address: str) -> Any:
    items = api.get(f"/people?q={address}")["items"]
    return items[0] if items else None


def _restore_backup(searcher: _Searcher, backup: list[tuple[str, dict[str, Any]]]) -> None:
    """Put every item of the hub back as it was before the erasure."""
    for name, item in backup:
        searcher.client("dynamodb").put_item(TableName=searcher.stack["tables"][name], Item=item)


def _replay_ledger(api: HubApi, stack: dict[str, Any]) -> None:
    path = Path(stack["mail_dir"]).parent / "stack.json"
    command = [sys.executable, str(ROOT / "tools" / "replay_erasures.py"), "--stack", str(path), "--hub", api.hub_id]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert "replayed" in done.stdout


def _come_again(api: HubApi, source: StandardSource, mark: str) -> None:
    """Send a late event, another body under a known id, the old file, and replay what came first."""
    late = {**_event("added", f"ID-{mark}", 1, **_person(mark)), "timestamp": datetime.now(UTC).isoformat()}
    assert source.send(late, name=f"late-{mark}").is_success
    assert source.send(_event("updated", f"ID-{mark}", 9, **_person(mark)), name=f"late-{mark}").is_success
    for event in api.all("/events"):
        api.call("POST", f"/events/{event['event_id']}/replay")
    wait_for("all events", lambda: not [one for one in api.all("/events") if one["state"] == "new"])
    plan = api.planned(api.upload("invites", "old.csv", f"email\r\n{mark}@example.com\r\n".encode()))
    assert api.settled(plan["plan_id"])["counts"] == {"erased": 1}
    assert _found(api, f"{mark}@example.com") is None
    assert not [one for one in api.all("/members") if mark in one["email"]]
    assert not [one for one in api.all("/people") if mark in one["external_id"]]
