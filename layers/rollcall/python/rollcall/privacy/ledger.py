"""The erasure ledger: a bucket of its own that says who must stay erased, by keyed hashes, whatever backup comes back.

An entry is written before the tables are changed, and never deleted with them. Key:
``<hub id>/<erasure id>/<digest of the subject>.json``.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from rollcall.privacy.model import Subject
from rollcall.runtime import clients
from rollcall.runtime.errors import TransientError
from rollcall.runtime.ids import digest
from rollcall.runtime.settings import env

if TYPE_CHECKING:
    from collections.abc import Iterator

BUCKET = "LEDGER_BUCKET"


def write(hub_id: str, erasure_id: str, subject: Subject) -> None:
    """Write down whom an erasure is about; the same again is the same entry.

    Raises
    ------
    TransientError
        If it is not certain that it is written: then nothing may be erased yet.
    """
    body = json.dumps(subject.to_item(), sort_keys=True, separators=(",", ":")).encode()
    key = f"{hub_id}/{erasure_id}/{digest(body.decode())}.json"
    try:
        clients.s3().put_object(
            Bucket=env(BUCKET), Key=key, Body=body, ContentType="application/json", ChecksumAlgorithm="SHA256"
        )
    except (ClientError, BotoCoreError) as exc:
        raise TransientError from exc


def entries(hub_id: str = "") -> Iterator[tuple[str, str, Subject]]:
    """Yield hub id, erasure id and subject of every entry, of one hub or of all."""
    pages = clients.s3().get_paginator("list_objects_v2").paginate(Bucket=env(BUCKET), Prefix=hub_id)
    for page in pages:
        for found in page.get("Contents", []):
            hub, erasure_id, _ = found["Key"].split("/")
            body = clients.s3().get_object(Bucket=env(BUCKET), Key=found["Key"])["Body"].read()
            yield hub, erasure_id, Subject.from_item(json.loads(body))
