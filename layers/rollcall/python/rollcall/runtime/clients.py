"""AWS clients, made on first use, with short time-outs: the defaults wait longer than our functions live.

They are botocore's own: importing boto3 around it takes 50 ms more at each cold start, for nothing that we use.
"""

from __future__ import annotations

import json
from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import botocore.session
from botocore.config import Config

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_s3 import S3Client
    from types_boto3_secretsmanager import SecretsManagerClient
    from types_boto3_sesv2 import SESV2Client
    from types_boto3_sqs import SQSClient

_QUICK = Config(connect_timeout=1, read_timeout=2, retries={"mode": "standard", "total_max_attempts": 3})
# What these are asked is put together in runtime/dynamo.py and runtime/queues.py alone. botocore's look at every value
# takes a fifth of the time of a read by keys; AWS looks anyway.
_MESSAGES = _QUICK.merge(Config(parameter_validation=False))
_TABLES = Config(
    connect_timeout=1,
    read_timeout=5,
    retries={"mode": "standard", "total_max_attempts": 3},
    max_pool_connections=32,
    parameter_validation=False,
)
_FILES = Config(
    connect_timeout=2,
    read_timeout=30,
    retries={"mode": "standard", "total_max_attempts": 4},
    signature_version="s3v4",
    s3={"addressing_style": "path"},
)
# What answers with many items at a time.
_LISTS = ("Query", "BatchGetItem")
# One attempt: a retried send is a second mail (reliability I25).
_ONCE = Config(connect_timeout=1, read_timeout=3, retries={"total_max_attempts": 1})


@cache
def _session() -> Any:  # noqa: ANN401 - what it makes has a type for each service, which boto3's stubs know
    return botocore.session.get_session()


@cache
def dynamodb() -> DynamoDBClient:
    """Return the DynamoDB client."""
    client: DynamoDBClient = _session().create_client("dynamodb", config=_TABLES)
    for name in _LISTS:
        client.meta.events.register(f"before-parse.dynamodb.{name}", _as_it_came)
    return client


def _as_it_came(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: object) -> None:
    """Give out the JSON of an answer as it is.

    botocore goes through each value of each item by its model, which takes ten times as long as reading the JSON, and
    comes to the same for the types that we store: all but binary ones.
    """
    if response_dict["status_code"] == HTTPStatus.OK:
        customized_response_dict.update(json.loads(response_dict["body"]))
        response_dict["body"] = b"{}"


@cache
def sqs() -> SQSClient:
    """Return the SQS client."""
    client: SQSClient = _session().create_client("sqs", config=_MESSAGES)
    return client


@cache
def s3() -> S3Client:
    """Return the S3 client."""
    client: S3Client = _session().create_client("s3", config=_FILES)
    return client


@cache
def secretsmanager() -> SecretsManagerClient:
    """Return the Secrets Manager client."""
    client: SecretsManagerClient = _session().create_client("secretsmanager", config=_QUICK)
    return client


@cache
def sesv2() -> SESV2Client:
    """Return the SES client: one attempt on the wire."""
    client: SESV2Client = _session().create_client("sesv2", config=_ONCE)
    return client


def reset() -> None:
    """Forget all clients, so that the next use makes new ones (tests)."""
    for make in (_session, dynamodb, sqs, s3, secretsmanager, sesv2):
        make.cache_clear()
