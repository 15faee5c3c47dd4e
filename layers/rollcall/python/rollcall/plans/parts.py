"""The files of a plan in the bucket: parts, results, report. JSON Lines, one change a line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from rollcall.plans.model import Change, Result, change_from_json, change_to_json
from rollcall.runtime import clients
from rollcall.runtime.errors import TransientError
from rollcall.runtime.settings import env

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_TAKEN = 412


def part_key(hub_id: str, plan_id: str, part: int) -> str:
    """Return where the changes of a part lie."""
    return f"plans/{hub_id}/{plan_id}/parts/{part:05d}.jsonl"


def result_key(hub_id: str, plan_id: str, part: int) -> str:
    """Return where the results of a part lie."""
    return f"plans/{hub_id}/{plan_id}/results/{part:05d}.jsonl"


def report_key(hub_id: str, plan_id: str) -> str:
    """Return where the report lies."""
    return f"plans/{hub_id}/{plan_id}/report.csv"


def table_key(hub_id: str, plan_id: str) -> str:
    """Return where the mapping table lies that a plan proposes."""
    return f"plans/{hub_id}/{plan_id}/table.json"


def seen_key(hub_id: str, plan_id: str, part: int) -> str:
    """Return where it lies who was seen in the file, up to and with a part."""
    return f"plans/{hub_id}/{plan_id}/seen/{part:05d}"


def selection_key(hub_id: str, plan_id: str, name: str) -> str:
    """Return where a selection of changes lies; the name is made from what it holds."""
    return f"plans/{hub_id}/{plan_id}/selections/{name}.json"


def write_once(key: str, body: bytes) -> bytes:
    """Write a file that nobody wrote before, and return what lies there then: these bytes, or those of the first.

    Two runs of one planning therefore end in the same files, also when what they saw differed.

    Raises
    ------
    TransientError
        If the bucket could not be reached.
    """
    try:
        clients.s3().put_object(
            Bucket=env("FILES_BUCKET"), Key=key, Body=body, ContentType="application/json", IfNoneMatch="*"
        )
    except ClientError as exc:
        if exc.response["ResponseMetadata"]["HTTPStatusCode"] == _TAKEN:
            return read(key)
        raise TransientError from exc
    except BotoCoreError as exc:
        raise TransientError from exc
    return body


def read(key: str) -> bytes:
    """Return the content of a small file of a plan.

    Raises
    ------
    TransientError
        If it could not be read.
    """
    try:
        return clients.s3().get_object(Bucket=env("FILES_BUCKET"), Key=key)["Body"].read()
    except (ClientError, BotoCoreError) as exc:
        raise TransientError from exc


def to_lines(changes: Iterable[Change]) -> bytes:
    """Return changes as JSON Lines."""
    return b"".join(_line(change_to_json(change)) for change in changes)


def from_lines(body: bytes) -> list[Change]:
    """Read changes from JSON Lines."""
    return [change_from_json(json.loads(line)) for line in body.splitlines()]


def read_part(hub_id: str, plan_id: str, part: int) -> list[Change]:
    """Return the changes of a part."""
    return from_lines(read(part_key(hub_id, plan_id, part)))


def write_results(hub_id: str, plan_id: str, part: int, results: Mapping[str, Result]) -> None:
    """Write the results of a part: change id → result. A second run writes the same."""
    lines = (
        {
            "id": identifier,
            "outcome": result.outcome,
            "reason": result.reason,
            "detail": result.detail,
            "data": dict(result.data),
        }
        for identifier, result in sorted(results.items())
    )
    try:
        clients.s3().put_object(
            Bucket=env("FILES_BUCKET"),
            Key=result_key(hub_id, plan_id, part),
            Body=b"".join(_line(line) for line in lines),
            ContentType="application/json",
        )
    except (ClientError, BotoCoreError) as exc:
        raise TransientError from exc


def read_results(hub_id: str, plan_id: str, part: int) -> dict[str, Result]:
    """Return the results of an applied part, by change id."""
    found: dict[str, Result] = {}
    for line in read(result_key(hub_id, plan_id, part)).splitlines():
        item = json.loads(line)
        found[item["id"]] = Result(item["outcome"], item["reason"], item["detail"], data=item["data"])
    return found


def _line(item: Mapping[str, object]) -> bytes:
    # Sorted and without spaces: the same change is the same bytes. ASCII: no line separator can break a line.
    return json.dumps(item, sort_keys=True, separators=(",", ":")).encode() + b"\n"
