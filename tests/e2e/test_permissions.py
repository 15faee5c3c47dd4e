"""Without one of its permissions a function fails where people see it; given back, the work comes through."""

from __future__ import annotations

import json
import time
import uuid
from typing import TYPE_CHECKING, Any

from demo.hub_client import wait_for

from tests.e2e.conftest import STATE
from tests.e2e.denials import Denial, denials, unwanted, without_permission

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from demo.hub_client import HubApi, StandardSource


def _person(external_id: str) -> dict[str, Any]:
    return {"type": "person.added", "data": {"external_id": external_id, "email": f"{external_id}@example.com"}}


def _denied_since(
    stack: dict[str, Any], aws_client: Callable[[str], Any], function: str, since: int
) -> list[Denial] | None:
    found = [denial for denial in denials(stack, aws_client, since=since) if denial.function == function]
    return found or None


def _show(found: list[Denial]) -> None:
    for function, code, operation in sorted({(one.function, one.code, one.operation) for one in found}):
        print(f"denied to {function}: {operation} ({code})")


def test_webhook_that_may_not_write_events_asks_the_sender_to_try_again(
    stack: dict[str, Any], api: HubApi, own_system: StandardSource, aws_client: Callable[[str], Any]
) -> None:
    """503 with Retry-After and no event; the log names the denied call; the same delivery is taken afterwards."""
    external_id, name = f"denied-{uuid.uuid4().hex[:8]}", f"msg_{uuid.uuid4().hex}"
    since = int(time.time() * 1000)
    with without_permission(
        stack, aws_client, STATE, function="receive_webhook", action="dynamodb:PutItem", table="Events"
    ):
        refused = own_system.send(_person(external_id), name=name)
        found = wait_for("a line in the log", lambda: _denied_since(stack, aws_client, "receive_webhook", since))
    _show(found)
    assert (refused.status_code, refused.headers.get("retry-after")) == (503, "30")
    assert external_id not in refused.text
    assert {(one.code, one.operation) for one in found} == {("AccessDeniedException", "PutItem")}
    assert list(api.all("/events")) == []
    assert own_system.send(_person(external_id), name=name).status_code == 202
    (event,) = wait_for("applying the event", lambda: _settled(api))
    assert event["state"] == "applied"


def test_event_that_may_not_be_applied_stays_new_until_it_may(
    stack: dict[str, Any], api: HubApi, own_system: StandardSource, aws_client: Callable[[str], Any]
) -> None:
    """The event is taken and stays new, nobody is half written, the log names the denied call; then it is applied."""
    external_id = f"denied-{uuid.uuid4().hex[:8]}"
    since = int(time.time() * 1000)
    with without_permission(
        stack, aws_client, STATE, function="sync_member", action="dynamodb:PutItem", table="People"
    ):
        assert own_system.send(_person(external_id)).status_code == 202
        found = wait_for("a line in the log", lambda: _denied_since(stack, aws_client, "sync_member", since))
        (waiting,) = api.all("/events")
        people = list(api.all("/people"))
    _show(found)
    assert {one.code for one in found} == {"AccessDeniedException"}
    assert waiting["state"] == "new"
    assert people == []
    pointer = {"hub_id": api.hub_id, "source_id": waiting["source_id"], "event_id": waiting["event_id"]}
    aws_client("sqs").send_message(
        QueueUrl=stack["queues"]["directory-events"], MessageBody=json.dumps(pointer), MessageGroupId=api.hub_id
    )
    (event,) = wait_for("applying the event", lambda: _settled(api))
    assert event["state"] == "applied"
    assert [person["external_id"] for person in api.all("/people")] == [external_id]
    assert api.get(f"/events?external_id={external_id}")["items"] == [event]


def test_invitation_whose_time_is_over_is_expired_by_the_sweep_with_its_own_role(
    stack: dict[str, Any], api: HubApi, aws_client: Callable[[str], Any]
) -> None:
    """The sweep may write what it finds due; the time is over because the test moves it into the past."""
    email = f"late-{uuid.uuid4().hex[:8]}@example.com"
    plan = api.planned(api.upload("invites", "late.csv", f"email\r\n{email}\r\n".encode()))
    assert api.settled(plan["plan_id"])["counts"] == {"invited": 1}
    (open_one,) = api.all("/invitations")
    aws_client("dynamodb").update_item(
        TableName=stack["tables"]["Invitations"],
        Key={"pk": {"S": f"{api.hub_id}#I#{open_one['invitation_id']}"}, "sk": {"S": "-"}},
        ConditionExpression="attribute_exists(pk)",
        UpdateExpression="SET due_sk = :past, expires_at = :past",
        ExpressionAttributeValues={":past": {"S": "2020-01-01T00:00:00.000Z"}},
    )
    answer = aws_client("lambda").invoke(FunctionName=stack["functions"]["sweep"], Payload=b"{}")
    assert "FunctionError" not in answer
    (expired,) = api.all("/invitations")
    assert open_one["status"] != "expired"
    assert expired["status"] == "expired"


def test_dead_letter_is_taken_up_by_the_sweep_with_its_own_role(
    stack: dict[str, Any], api: HubApi, own_system: StandardSource, aws_client: Callable[[str], Any]
) -> None:
    """The sweep may take what failed five times, and look after its event."""
    assert own_system.send(_person(f"dead-{uuid.uuid4().hex[:8]}")).status_code == 202
    (event,) = wait_for("applying the event", lambda: _settled(api))
    assert event["state"] == "applied"
    sqs = aws_client("sqs")
    asked = sqs.get_queue_attributes(QueueUrl=stack["queues"]["directory-events"], AttributeNames=["RedrivePolicy"])
    name = json.loads(asked["Attributes"]["RedrivePolicy"])["deadLetterTargetArn"].rpartition(":")[2]
    letters = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    pointer = {"hub_id": api.hub_id, "source_id": event["source_id"], "event_id": event["event_id"]}
    sqs.send_message(QueueUrl=letters, MessageBody=json.dumps(pointer), MessageGroupId=api.hub_id)
    counts = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    answer = aws_client("lambda").invoke(FunctionName=stack["functions"]["sweep"], Payload=b"{}")
    assert "FunctionError" not in answer
    wait_for("an empty queue", lambda: _counts(sqs, letters, counts) == ["0", "0"])


def _counts(sqs: Any, url: str, names: list[str]) -> list[str]:
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return [found[name] for name in names]


def test_denial_that_no_test_asked_for_is_not_excused(tmp_path: Path) -> None:
    """Another function, another call, a moment too early or too late: each is still found."""
    meant = Denial("sync_member", 1_500, "AccessDeniedException", "PutItem")
    note = {"function": "sync_member", "operations": ["PutItem"], "start": 1_000, "end": 2_000}
    (tmp_path / "denied-on-purpose.jsonl").write_text(json.dumps(note) + "\n")
    others = [
        Denial("sweep", 1_500, "AccessDeniedException", "PutItem"),
        Denial("sync_member", 1_500, "AccessDeniedException", "GetItem"),
        Denial("sync_member", 1_500, "", ""),
        Denial("sync_member", 999, "AccessDeniedException", "PutItem"),
        Denial("sync_member", 2_001, "AccessDeniedException", "PutItem"),
    ]
    assert unwanted([meant, *others], tmp_path) == others


def _settled(api: HubApi) -> list[dict[str, Any]] | None:
    events = list(api.all("/events"))
    return events if events and all(event["state"] != "new" for event in events) else None
