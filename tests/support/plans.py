"""Plans in tests on moto: upload a file, look at its plan, approve it and work it off, as the functions do."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus

from rollcall.hubs.model import Admin
from rollcall.plans import applying, approval, parts, planning, store
from rollcall.runtime import clients
from rollcall.runtime.settings import env
from rollcall.runtime.times import now
from rollcall.uploads import store as uploads

if TYPE_CHECKING:
    from rollcall.plans.model import Change, Plan
    from rollcall.uploads.model import Upload, UploadKind
    from tests.support.world import World


def admin_of(world: World, subject: str = "admin-1") -> Admin:
    """Return somebody who may do everything in the hub."""
    return Admin(subject, f"{subject}@example.com", frozenset({f"{world.hub.hub_id}:admin"}))


def upload_file(
    world: World, kind: UploadKind, text: str | bytes, filename: str = "my file + näher.csv", **announced: Any
) -> tuple[Upload, dict[str, Any]]:
    """Announce a file and put it; return the upload and the notification that S3 sends.

    ``announced`` is what the admin says of it beforehand.
    """
    upload = uploads.create_upload(world.hub.hub_id, kind, filename, admin_of(world), now(), **announced)
    put = clients.s3().put_object(
        Bucket=env("FILES_BUCKET"), Key=upload.key, Body=text.encode() if isinstance(text, str) else text
    )
    key = quote_plus(upload.key, safe="/")
    thing = {"key": key, "versionId": put["VersionId"]}
    return upload, {"Records": [{"eventName": "ObjectCreated:Post", "s3": {"object": thing}}]}


def plan_file(world: World, kind: UploadKind, *lines: str, **announced: Any) -> Plan:
    """Upload a file and plan it; ``announced`` is what the admin says of it beforehand."""
    _, event = upload_file(world, kind, "\n".join(lines) + "\n", **announced)
    (plan,) = planning.handle_s3_event(event)
    return plan


def drain(world: World) -> None:
    """Work off the plan-parts queue, as the function does."""
    for _ in range(50):
        answer = clients.sqs().receive_message(QueueUrl=env("PLAN_PARTS_QUEUE_URL"), MaxNumberOfMessages=10)
        messages = answer.get("Messages", [])
        if not messages:
            return
        for message in messages:
            applying.handle_pointer(json.loads(message["Body"]))
            clients.sqs().delete_message(QueueUrl=env("PLAN_PARTS_QUEUE_URL"), ReceiptHandle=message["ReceiptHandle"])


def approve(world: World, plan: Plan) -> Plan:
    """Approve a plan, work it off and return what became of it."""
    approval.approve(plan.hub_id, plan.plan_id, plan.hash, admin_of(world, "admin-2"))
    drain(world)
    return current(plan)


def current(plan: Plan) -> Plan:
    """Return a plan as it is now."""
    found = store.get_plan(plan.hub_id, plan.plan_id)
    assert found is not None
    return found


def report_of(plan: Plan) -> list[dict[str, str]]:
    """Return the rows of a plan's report."""
    text = parts.read(parts.report_key(plan.hub_id, plan.plan_id)).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def changes_of(plan: Plan) -> list[Change]:
    """Return the first 500 changes of a plan."""
    return applying.changes(plan.hub_id, plan.plan_id, limit=500)[0]
