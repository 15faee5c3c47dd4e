"""Turn an uploaded file into a plan.

The plan's id is made from the upload and the version of the object, so that repeated S3 events find one plan. Parts
are written once each: a second run, after a death or beside the first, reads what the first wrote and ends in the same
hash. Nothing happens to anybody here.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import unquote_plus

from rollcall.files.storage import open_object
from rollcall.hubs import context
from rollcall.plans import messages, parts, store
from rollcall.plans.kinds import FROM_UPLOAD, KINDS
from rollcall.plans.model import PART_SIZE, Plan, PlanKind, PlanState, change_id, count_outcomes
from rollcall.runtime import dynamo, queues
from rollcall.runtime.errors import Fault, MalformedError, NotFoundError
from rollcall.runtime.ids import digest
from rollcall.runtime.observability import log
from rollcall.runtime.settings import env
from rollcall.runtime.times import from_text, now, to_text
from rollcall.uploads import store as uploads
from rollcall.uploads.model import Upload, UploadState, read_key

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rollcall.hubs.context import HubContext
    from rollcall.plans.model import Change

QUEUE = "PLAN_PARTS_QUEUE_URL"
GIVE_UP = timedelta(days=1)
TOO_LONG = Fault("file", "took_too_long", "The file could not be read in its time. Split it and upload the pieces.")
# An item holds 400 KB; who mends these will see the others.
_KEPT_FAULTS = 500


def handle_s3_event(body: Mapping[str, Any]) -> list[Plan]:
    """Plan every file that a notification of the bucket names, and return the plans.

    A file without an upload that an admin announced is refused: nobody stands behind it. The test event that S3 sends
    first is no file. Source: "Event message structure" and "Enabling event notifications" in the S3 user guide; keys
    come URL-encoded, a space as a plus sign.
    """
    if body.get("Event") == "s3:TestEvent":
        return []
    plans: list[Plan] = []
    for record in body.get("Records", []):
        thing = record["s3"]["object"]
        key = unquote_plus(thing["key"])
        said = read_key(key)
        upload = uploads.get_upload(said.hub_id, said.upload_id) if said else None
        if said is None or upload is None or upload.key != key:
            hub_id, upload_id = (said.hub_id, said.upload_id) if said else ("", "")
            log.warning("upload_refused", hub_id=hub_id, upload_id=upload_id, reason="not_announced")
            continue
        plans.append(plan_upload(upload, str(thing.get("versionId", ""))))
    return plans


def plan_again(pointer: Mapping[str, Any]) -> Plan | None:
    """Go on with a plan that got stuck in its making, as the sweeper asks; after a day it is given up.

    The pointer holds ``hub_id``, ``upload_id`` and ``version_id``.
    """
    upload = uploads.get_upload(pointer["hub_id"], pointer["upload_id"])
    if upload is None:
        return None
    plan = store.get_plan(upload.hub_id, plan_id_of(upload, pointer["version_id"]))
    if plan is not None and plan.state is PlanState.PLANNING and from_text(plan.created_at) < now() - GIVE_UP:
        _fail(context.load(upload.hub_id), plan, upload, MalformedError([TOO_LONG]))
        return store.get_plan(plan.hub_id, plan.plan_id)
    return plan_upload(upload, pointer["version_id"])


def plan_id_of(upload: Upload, version_id: str) -> str:
    """Return the id of the plan of one version of an uploaded file: the same for every announcement of it."""
    return digest("plan", upload.upload_id, version_id)


def plan_upload(upload: Upload, version_id: str) -> Plan:
    """Make the plan of one version of an uploaded file, unless it is made already.

    Raises
    ------
    TransientError
        If AWS got in the way; the same call goes on where it stopped.
    """
    ctx = context.load(upload.hub_id)
    plan = store.create_plan(
        Plan(
            plan_id=plan_id_of(upload, version_id),
            hub_id=upload.hub_id,
            kind=FROM_UPLOAD[upload.kind],
            state=PlanState.PLANNING,
            upload_id=upload.upload_id,
            created_by=upload.created_by,
            email=upload.email,
            created_at=to_text(now()),
            params={"version_id": version_id, "filename": upload.filename},
        )
    )
    if plan.state is PlanState.PLANNING:
        if upload.state is UploadState.WAITING:
            dynamo.write([_upload(upload, plan, UploadState.PLANNING)])
        try:
            written = _write_parts(ctx, plan, upload, version_id)
        except MalformedError as exc:
            _fail(ctx, plan, upload, exc)
        else:
            _end(ctx, plan, upload, written)
        plan = store.get_plan(plan.hub_id, plan.plan_id) or plan
        log.info("planned", hub_id=plan.hub_id, plan_id=plan.plan_id, state=str(plan.state), rows=plan.total)
    if plan.state is PlanState.APPLYING:
        queues.send(QUEUE, {"hub_id": plan.hub_id, "plan_id": plan.plan_id, "part": 0})
    return plan


class _Written:
    """What was written so far: number of parts, their hash, and the outcomes in them."""

    def __init__(self) -> None:
        self.parts = 0
        self.hasher = hashlib.sha256()
        self.counts: dict[str, int] = {}

    def add(self, body: bytes, outcomes: list[str]) -> None:
        self.parts += 1
        self.hasher.update(f"{len(body)}:".encode())
        self.hasher.update(body)
        for outcome, count in count_outcomes(outcomes).items():
            self.counts[outcome] = self.counts.get(outcome, 0) + count


def _write_parts(ctx: HubContext, plan: Plan, upload: Upload, version_id: str) -> _Written:
    written = _Written()
    with _open(upload, version_id) as stream:
        changes = KINDS[plan.kind].plan_rows(ctx, plan, upload, stream)
        for number, chunk in enumerate(_chunks(changes), start=1):
            numbered = [replace(change, id=change_id(number, place)) for place, change in enumerate(chunk, start=1)]
            body = parts.write_once(parts.part_key(plan.hub_id, plan.plan_id, number), parts.to_lines(numbered))
            written.add(body, [change.outcome for change in parts.from_lines(body)])
    written.hasher.update(f"versions:{ctx.versions}".encode())
    return written


def _open(upload: Upload, version_id: str) -> BinaryIO:
    try:
        return open_object(env("FILES_BUCKET"), upload.key, version_id or None)
    except NotFoundError as exc:
        fault = Fault("file", "gone", "The file is not there any more. Please upload it again.")
        raise MalformedError([fault]) from exc


def _chunks(changes: Iterator[Change]) -> Iterator[list[Change]]:
    while chunk := list(islice(changes, PART_SIZE)):
        yield chunk


def _end(ctx: HubContext, plan: Plan, upload: Upload, written: _Written) -> None:
    """End planning: the plan waits for its approval, or begins where the hub wants no review of invites."""
    at = now()
    is_reviewed = ctx.hub.invite_review or ctx.hub.two_person_approval
    goes_on = plan.kind is PlanKind.INVITES and not is_reviewed
    state = PlanState.APPLYING if goes_on else PlanState.AWAITING_APPROVAL
    tail = KINDS[plan.kind].tail_parts
    actions = [
        store.planned_action(
            plan,
            state,
            hash=written.hasher.hexdigest(),
            counts=written.counts,
            parts=written.parts + tail,
            tail=tail,
            params=plan.params,
            at=at,
        ),
        _upload(upload, plan, UploadState.PLANNED),
    ]
    mail = None if goes_on else messages.report(ctx.hub, plan, state, written.counts, at)
    messages.write_with(actions, mail)


def _fail(ctx: HubContext, plan: Plan, upload: Upload, exc: MalformedError) -> None:
    at = now()
    detail = exc.detail
    faults = exc.faults[:_KEPT_FAULTS]
    actions = [
        store.settle_action(plan, PlanState.FAILED, at, detail=detail, faults=faults),
        uploads.set_state_action(
            upload.hub_id,
            upload.upload_id,
            UploadState.FAILED,
            plan_id=plan.plan_id,
            detail=detail,
            faults=faults,
        ),
    ]
    mail = messages.report(ctx.hub, plan, PlanState.FAILED, {}, at, problem=messages.sentence(faults, detail))
    messages.write_with(actions, mail)


def _upload(upload: Upload, plan: Plan, state: UploadState) -> dynamo.Action:
    return uploads.set_state_action(upload.hub_id, upload.upload_id, state, plan_id=plan.plan_id)
