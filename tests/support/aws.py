"""The stack's tables, queues, bucket and secret on moto, with the settings that point at them."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from moto import mock_aws

from rollcall.hubs import store as hubs
from rollcall.mapping import store as mapping
from rollcall.runtime import clients
from rollcall.segments import store as segments

if TYPE_CHECKING:
    from collections.abc import Iterator

INDEXES: dict[str, tuple[str, ...]] = {
    "Hubs": (),
    "Events": ("by_hub", "by_person", "due"),
    "People": ("by_name",),
    "Members": ("by_name",),
    "Invitations": ("by_hub", "due"),
    "Mail": ("due",),
    "Plans": ("by_hub", "due"),
    "Activity": ("by_hub", "by_cause"),
}
QUEUES = ("DIRECTORY_EVENTS", "EXPORTS", "PLAN_PARTS", "EMAILS")
REGION = "eu-west-1"


def _create_table(name: str, indexes: tuple[str, ...]) -> None:
    attributes = ["pk", "sk", *(f"{index}_{part}" for index in indexes for part in ("pk", "sk"))]
    request = {
        "TableName": name,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": attribute, "AttributeType": "S"} for attribute in attributes],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
    }
    if indexes:
        request["GlobalSecondaryIndexes"] = [
            {
                "IndexName": index,
                "KeySchema": [
                    {"AttributeName": f"{index}_pk", "KeyType": "HASH"},
                    {"AttributeName": f"{index}_sk", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "KEYS_ONLY" if index == "due" else "ALL"},
            }
            for index in indexes
        ]
    clients.dynamodb().create_table(**request)


def forget() -> None:
    """Empty every cache that a warm function would keep."""
    clients.reset()
    hubs.forget_secrets()
    mapping._kept.clear()
    segments._kept.clear()


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
            for name, indexes in INDEXES.items():
                _create_table(f"test-{name}", indexes)
                os.environ[f"{name.upper()}_TABLE"] = f"test-{name}"
            for name in QUEUES:
                url = clients.sqs().create_queue(QueueName=f"test-{name.lower()}")["QueueUrl"]
                os.environ[f"{name}_QUEUE_URL"] = url
            clients.s3().create_bucket(Bucket="test-files", CreateBucketConfiguration={"LocationConstraint": REGION})
            clients.s3().put_bucket_versioning(Bucket="test-files", VersioningConfiguration={"Status": "Enabled"})
            secret = clients.secretsmanager().create_secret(Name="test-secret", SecretString="0" * 64)
            os.environ |= {
                "FILES_BUCKET": "test-files",
                "STACK_SECRET_ARN": secret["ARN"],
                "SOURCE_SECRETS_PREFIX": "test/sources",
                "SENDER_ADDRESS": "rollcall@example.com",
                "PUBLIC_BASE_URL": "https://hub.example.com",
                "CONFIGURATION_SET": "test",
            }
            yield
    finally:
        forget()
        os.environ.clear()
        os.environ |= before
