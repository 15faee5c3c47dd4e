"""What was denied to the functions, as their logs say, and how a test takes one permission away for a while."""

from __future__ import annotations

import copy
import json
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Clients = Callable[[str], Any]

# How the log names the AWS operation that needed a permission: alone, or as a part of a transaction.
OPERATIONS = {"dynamodb:PutItem": ("PutItem", "TransactWriteItems")}
# A call that was denied just before the permission came back is written to the log a moment later.
LOG_DELAY_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Denial:
    """One AWS call that a function was not allowed to make. ``at``: milliseconds; ``operation`` as the log names it."""

    function: str
    at: int
    code: str
    operation: str


@dataclass(frozen=True, slots=True)
class Purpose:
    """The time (milliseconds) in which a test had taken these operations from a function."""

    function: str
    operations: tuple[str, ...]
    start: int
    end: int

    def covers(self, denial: Denial) -> bool:
        """Say whether the denial is this test's own doing: its function, its operation, its time."""
        ours = denial.function == self.function and denial.operation in self.operations
        return ours and self.start <= denial.at <= self.end


def denials(stack: dict[str, Any], clients: Clients, *, since: int = 0) -> list[Denial]:
    """Return what was denied to any function, in the order of its log, from ``since`` (milliseconds) on."""
    pages = clients("logs").get_paginator("filter_log_events")
    found = []
    for function in stack["functions"]:
        group = f"/rollcall/{stack['stack_name']}/{function}"
        for page in pages.paginate(logGroupName=group, filterPattern="AccessDenied", startTime=since):
            found += [_denial(function, event["timestamp"], event["message"]) for event in page["events"]]
    return found


def _denial(function: str, at: int, line: str) -> Denial:
    try:
        said = json.loads(line)
    except ValueError:
        said = {}  # not from our logger: something died of it
    return Denial(function, at, str(said.get("code", "")), str(said.get("operation", "")))


@contextmanager
def without_permission(
    stack: dict[str, Any], clients: Clients, state: Path, *, function: str, action: str, table: str
) -> Iterator[None]:
    """Take one action on one table from a function's role; give it back at the end, whatever happened.

    What is denied meanwhile is noted below ``state``, so that ``unwanted`` knows it was meant.
    """
    iam, role = clients("iam"), role_of(stack, clients, function)
    (policy,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
    before = iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
    arn = clients("dynamodb").describe_table(TableName=stack["tables"][table])["Table"]["TableArn"]
    start = _now()
    try:
        iam.put_role_policy(
            RoleName=role, PolicyName=policy, PolicyDocument=json.dumps(_document_without(before, action, arn))
        )
        print(f"taken from {function}: {action} on {table}")
        yield
    finally:
        iam.put_role_policy(RoleName=role, PolicyName=policy, PolicyDocument=json.dumps(before))
        time.sleep(LOG_DELAY_SECONDS)
        purpose = Purpose(function, OPERATIONS[action], start, _now())
        with _notes(state).open("a") as notes:
            notes.write(json.dumps(asdict(purpose)) + "\n")
    assert iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"] == before


def role_of(stack: dict[str, Any], clients: Clients, function: str) -> str:
    """Return the name of a function's role, as CloudFormation made it: ``<logical id of the function>Role``."""
    pages = clients("cloudformation").get_paginator("list_stack_resources").paginate(StackName=stack["stack_name"])
    resources = [resource for page in pages for resource in page["StackResourceSummaries"]]
    made_as = {resource["PhysicalResourceId"]: resource["LogicalResourceId"] for resource in resources}
    role = f"{made_as[stack['functions'][function]]}Role"
    names = {resource["LogicalResourceId"]: str(resource["PhysicalResourceId"]) for resource in resources}
    return names[role]


def unwanted(found: list[Denial], state: Path) -> list[Denial]:
    """Return the denials that no test asked for."""
    notes = _notes(state)
    lines = [json.loads(line) for line in notes.read_text().splitlines()] if notes.is_file() else []
    purposes = [Purpose(**(line | {"operations": tuple(line["operations"])})) for line in lines]
    return [denial for denial in found if not any(purpose.covers(denial) for purpose in purposes)]


def _document_without(document: dict[str, Any], action: str, arn: str) -> dict[str, Any]:
    changed = copy.deepcopy(document)
    holders = [one for one in changed["Statement"] if one["Resource"] == arn and action in one["Action"]]
    assert len(holders) == 1, f"{action} on this table stands in {len(holders)} statements, not in one"
    holders[0]["Action"].remove(action)
    if not holders[0]["Action"]:  # a statement without an action is refused
        changed["Statement"].remove(holders[0])
    return changed


def _notes(state: Path) -> Path:
    return state / "denied-on-purpose.jsonl"


def _now() -> int:
    return int(time.time() * 1000)
