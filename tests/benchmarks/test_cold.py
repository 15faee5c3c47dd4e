"""Cold starts and warm calls of the functions as built, under Lambda's own runtime client, beside their floors.

The floor of a cold start is a handler that makes the boto3 clients which the function's first call uses, and parses the
event as JSON; it makes no call. The floor of a warm call is a handler that makes the same AWS calls and does nothing
else. All start from byte code, with the same botocore.
"""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import pytest

from tests.benchmarks import emulator
from tests.benchmarks.measure import Compared, judge, take_turns, tell

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.long
STACK = Path(__file__).parents[2] / "tools" / "stack.py"
EMPTY = "def handler(event, context):\n    return {}\n"
FLOOR = """\
import json, boto3
clients = [boto3.client(name) for name in {services!r}]
def handler(event, context):
    return {{"size": len(json.loads(json.dumps(event)))}}
"""
BARE_CALLS = """\
import boto3
from botocore import xform_name
clients = {}
def handler(event, context):
    for service, operation, asked in event["calls"]:
        client = clients.get(service) or clients.setdefault(service, boto3.client(service))
        getattr(client, xform_name(operation))(**asked)
    return {}
"""
OTHERS = (
    *("AcceptInvitation", "AdminApi", "ApplyPlan", "ErasePerson", "ExportCsv", "PlanUpload"),
    *("RecordActivity", "RecordDelivery", "SendEmail", "Sweep", "SyncMember"),
)
CALLS = 30


@dataclass(frozen=True)
class Lambda:
    """AWS, and where the plain handlers and the client's packages lie."""

    aws: emulator.Aws
    folder: Path
    client: Path

    def environment(self, function: str) -> dict[str, str]:
        """Return the settings of a function."""
        credentials = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
        where = {"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-1", "AWS_ENDPOINT_URL": self.aws.url}
        return {
            **credentials,
            **where,
            **self.aws.settings,
            "AWS_CA_BUNDLE": self.aws.bundle,
            "POWERTOOLS_SERVICE_NAME": function,
        }

    def ours(self, function: str) -> list[Path]:
        """Return what a function of the build sees."""
        return [emulator.BUILD / function, emulator.DEPENDENCIES, emulator.OURS, self.client]

    def plain(self, name: str, code: str) -> list[Path]:
        """Return what a handler of a few lines sees: the same botocore, and boto3."""
        return [emulator.handler_of(self.folder / name, code), emulator.DEPENDENCIES, self.client]

    def start(self, places: list[Path], function: str) -> tuple[float, float]:
        """Start and call a function once, and return wall and CPU seconds."""
        event = self.aws.event(function)
        with emulator.started(places, self.environment(function), event) as running:
            return running.first


@pytest.fixture(scope="module")
def lambdas(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lambda]:
    """Build what is not built yet, and start AWS."""
    subprocess.run([sys.executable, str(STACK), "build"], check=True)
    folder = tmp_path_factory.mktemp("lambda")
    with emulator.aws(folder) as aws:
        yield Lambda(aws, folder, emulator.client_packages())


def _compare(lambdas: Lambda, function: str, bound: float) -> None:
    lambdas.start(lambdas.ours(function), function)
    lambdas.aws.event(function)
    services, calls = lambdas.aws.services, len(lambdas.aws.calls)
    floor = lambdas.plain(f"floor-{'-'.join(services)}", FLOOR.format(services=services))
    empty = lambdas.plain("empty", EMPTY)
    nothing, least, ours = take_turns(
        *(partial(lambdas.start, places, function) for places in (empty, floor, lambdas.ours(function)))
    )
    tell(
        f"{function}, first call: {calls} calls to {', '.join(services)}; an empty handler takes "
        f"{median(nothing.cpu) * 1000:.0f} ms of CPU, {median(nothing.wall) * 1000:.0f} in all"
    )
    judge(Compared(f"cold start of {function}", ours, least), bound=bound)


def test_receive_webhook_starts_about_as_quickly_as_its_clients_alone(lambdas: Lambda) -> None:
    """A start and a first delivery: checked, written, on its way; beside making three clients."""
    _compare(lambdas, "ReceiveWebhook", 1.25)


@pytest.mark.parametrize("function", OTHERS)
def test_a_function_starts_in_twice_the_time_of_its_clients_alone(lambdas: Lambda, function: str) -> None:
    """A start and a first call, beside making the clients that this call uses."""
    _compare(lambdas, function, 2)


def test_a_warm_receive_webhook_takes_little_more_than_its_aws_calls(lambdas: Lambda) -> None:
    """Checking, reading and answering a delivery, beside making the same calls with the same parameters."""
    aws, name = lambdas.aws, "ReceiveWebhook"
    bare = lambdas.plain("bare", BARE_CALLS)
    environment = lambdas.environment(name)
    with emulator.started(lambdas.ours(name), environment, aws.event(name)) as ours:
        aws.event(name)
        ours.call(aws.event(name))
        first = aws.event("BareCalls")
        # The source is known from the call before.
        assert Counter(call for _, call, _ in first["calls"]) == dict.fromkeys(
            ("PutItem", "SendMessageBatch", "UpdateItem"), 1
        )
        with emulator.started(bare, environment, first) as floor:

            def calls(running: emulator.Function, function: str) -> tuple[float, float]:
                times = [running.call(aws.event(function)) for _ in range(CALLS)]
                return sum(wall for wall, _ in times) / CALLS, sum(cpu for _, cpu in times) / CALLS

            found = take_turns(partial(calls, ours, name), partial(calls, floor, "BareCalls"))
    judge(Compared("a warm call of ReceiveWebhook", *found), bound=1.3)
