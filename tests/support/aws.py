"""The stack's tables, queues, bucket and secret on moto, with the settings that point at them."""

from __future__ import annotations

import copy
import os
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import yaml
from moto import mock_aws
from moto.backends import get_backend
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.core.serialize import BaseJSONSerializer

from rollcall.hubs import store as hubs
from rollcall.mapping import store as mapping
from rollcall.runtime import clients
from rollcall.segments import store as segments
from rollcall.sources import health

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TEMPLATE = Path(__file__).parents[2] / "template.yaml"
QUEUES = ("DIRECTORY_EVENTS", "EXPORTS", "PLAN_PARTS", "EMAILS", "UPLOADS", "ERASURES")
LEDGER = "test-ledger"
REGION = "eu-west-1"


_write_structure = BaseJSONSerializer._serialize_type_structure


def _write_value(self: BaseJSONSerializer, serialized: Any, value: Any, shape: Any, key: str) -> None:
    """Write a value of DynamoDB as moto keeps it, ready to be sent, without asking for eleven names in each.

    That asking is more than half of the time of everything that runs on moto.
    """
    if shape.name == "AttributeValue" and isinstance(value, dict):
        serialized[key] = value
    else:
        _write_structure(self, serialized, value, shape, key)


BaseJSONSerializer._serialize_type_structure = _write_value  # type: ignore[method-assign]


class _Loader(yaml.SafeLoader):
    """Reads a template; what an intrinsic function would give does not matter here."""


_Loader.add_multi_constructor("!", lambda *_: None)


@cache
def _tables() -> dict[str, dict[str, Any]]:
    """Return what the template says of every table, by logical id."""
    resources = yaml.load(TEMPLATE.read_text(), _Loader)["Resources"]  # noqa: S506 - a SafeLoader
    return {
        name: resource["Properties"]
        for name, resource in resources.items()
        if resource["Type"] == "AWS::DynamoDB::Table"
    }


def _create_table(name: str, properties: dict[str, Any]) -> None:
    request: Any = {"TableName": name, "BillingMode": properties["BillingMode"]}
    for part in ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes"):
        if part in properties:
            request[part] = properties[part]
    clients.dynamodb().create_table(**request)


def _forget_suppressed() -> None:
    """Let SES say that an address is not on its suppression list; moto does not know the call."""

    def answer(**_: Any) -> Any:
        return SimpleNamespace(status_code=200), {"ResponseMetadata": {"HTTPStatusCode": 200}}

    clients.sesv2().meta.events.register("before-call.sesv2.DeleteSuppressedDestination", answer)


def forget() -> None:
    """Empty every cache that a warm function would keep."""
    clients.reset()
    make_cold()


def make_cold() -> None:
    """Forget what a warm function keeps of hubs, so that the next call reads it again; the clients stay."""
    hubs.forget_secrets()
    health.forget_refusals()
    mapping._kept.clear()
    segments._kept.clear()


def empty() -> None:
    """Empty every table, as a stack made anew would be, in a hundredth of the time. A world needs a hub of its own."""
    make_cold()
    for table in _moto_tables().values():
        table.items.clear()


def snapshot() -> dict[str, Any]:
    """Return what lies in every table now, for ``back_to``."""
    return {name: copy.deepcopy(table.items) for name, table in _moto_tables().items()}


def back_to(kept: dict[str, Any]) -> None:
    """Make every table what it was; files in the bucket stay."""
    make_cold()
    for name, table in _moto_tables().items():
        table.items = copy.deepcopy(kept[name])


def _moto_tables() -> dict[str, Any]:
    tables: dict[str, Any] = get_backend("dynamodb")[DEFAULT_ACCOUNT_ID][REGION].tables
    return tables


@contextmanager
def running(found: Mapping[str, Any]) -> Iterator[None]:
    """Run with the stores of the running stack, as its root user; ``found`` is its ``stack.json``."""
    before = dict(os.environ)
    os.environ |= {
        "AWS_ENDPOINT_URL": found["endpoint_url"],
        "AWS_ACCESS_KEY_ID": found["access_key_id"],
        "AWS_SECRET_ACCESS_KEY": found["secret_access_key"],
        "AWS_DEFAULT_REGION": found["region"],
        "FILES_BUCKET": found["upload_bucket"],
        "STACK_SECRET_ARN": found["stack_secret_arn"],
        **{f"{name.upper()}_TABLE": table for name, table in found["tables"].items()},
    }
    forget()
    try:
        yield
    finally:
        forget()
        os.environ.clear()
        os.environ |= before


@contextmanager
def stack() -> Iterator[None]:
    """Run with all stores of the stack, empty, in memory."""
    before = dict(os.environ)
    os.environ |= {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": REGION,
        "POWERTOOLS_SERVICE_NAME": "tests",
    }
    os.environ.pop("AWS_ENDPOINT_URL", None)
    try:
        with mock_aws():
            forget()
            for name, properties in _tables().items():
                _create_table(f"test-{name.removesuffix('Table')}", properties)
                os.environ[f"{name.removesuffix('Table').upper()}_TABLE"] = f"test-{name.removesuffix('Table')}"
            for name in QUEUES:
                url = clients.sqs().create_queue(QueueName=f"test-{name.lower()}")["QueueUrl"]
                os.environ[f"{name}_QUEUE_URL"] = url
            dead = clients.sqs().create_queue(QueueName="test-dead-letters")["QueueUrl"]
            os.environ["DIRECTORY_EVENTS_DEAD_LETTERS_URL"] = dead
            clients.s3().create_bucket(
                Bucket="test-files", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
            )
            clients.s3().create_bucket(Bucket=LEDGER, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
            _forget_suppressed()
            clients.s3().put_bucket_versioning(Bucket="test-files", VersioningConfiguration={"Status": "Enabled"})
            secret = clients.secretsmanager().create_secret(Name="test-secret", SecretString="0" * 64)
            os.environ |= {
                "FILES_BUCKET": "test-files",
                "LEDGER_BUCKET": LEDGER,
                "STACK_SECRET_ARN": secret["ARN"],
                "SOURCE_SECRETS_PREFIX": "test/sources",
                "KMS_KEY_ARN": "alias/test",
                "SENDER_ADDRESS": "rollcall@example.com",
                "MAIL_RATE": "1000",
                "PUBLIC_BASE_URL": "https://hub.example.com",
                "CONFIGURATION_SET": "test",
            }
            yield
    finally:
        forget()
        os.environ.clear()
        os.environ |= before
