"""Make a plan: from an uploaded file, or from what lies in the tables.

The id of a plan is made from what it is made of (the upload and the version of the object), so that repeated messages
find one plan. Parts are written once each: a second run, after a death or beside the first, reads what the first wrote
and ends in the same hash. Planning that takes longer than a run goes on from a checkpoint, through the plan-parts
queue. Nothing happens to anybody here.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

from rollcall.files.storage import open_object
from rollcall.hubs import context
from rollcall.plans import messages, parts, store
from rollcall.plans.kinds import FROM_UPLOAD, KINDS, changes_of
from rollcall.plans.model import PART_SIZE, Plan, PlanKind, PlanState, change_id
from rollcall.plans.pointers import wake_parts, wake_planning
from rollcall.plans.seen import Seen, Start
from rollcall.runtime import dynamo
from rollcall.runtime.errors import Fault, MalformedError, NotFoundError, RefusedError
from rollcall.runtime.ids import digest
from rollcall.runtime.observability import log
from rollcall.runtime.settings import env
from rollcall.runtime.times import from_text, now, to_text
from rollcall.uploads import store as uploads
from rollcall.uploads.model import Upload, UploadState, read_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from rollcall.hubs.context import HubContext
    from rollcall.plans.model import Change

# Half of what apply_plan may take.
RUN_SECONDS = 60.0
# Lambda stops a function that wakes itself 16 times in a row (Lambda guide, "Recursive loop detection"): the sweeper
# begins a new row.
RUNS_IN_A_ROW = 10
GIVE_UP = timedelta(days=1)
TOO_LONG = Fault("file", "took_too_long", "The file could not be read in its time. Split it and upload the pieces.")
# An item holds 400 KB; who mends these will see the others.
_KEPT_FAULTS = 500
_KEPT_HEADERS = 20_000
_SHOWN_HEADER = 60
_SHOWN_HEADERS = 50


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


def plan_upload(upload: Upload, version_id: str) -> Plan:
    """Make the plan of one version of an uploaded file, unless it is made already.

    Raises
    ------
    TransientError
        If AWS got in the way; the same call goes on where it stopped.
    """
    plan = store.create_plan(
        Plan(
            plan_id=digest("plan", upload.upload_id, version_id),
            hub_id=upload.hub_id,
            kind=FROM_UPLOAD[upload.kind],
            state=PlanState.PLANNING,
            upload_id=upload.upload_id,
            created_by=upload.created_by,
            email=upload.email,
            created_at=to_text(now()),
            permissions=upload.permissions,
            is_trial=upload.is_trial,
            params={"version_id": version_id, "filename": upload.filename},
        )
    )
    if plan.state is PlanState.PLANNING and upload.state is UploadState.WAITING:
        dynamo.write([_upload(plan, UploadState.PLANNING)])
    return _go_on(plan)


def begin(plan: Plan) -> Plan:
    """Store a plan that is made from no file, and let it be made in the background; or find it, if it is there.

    Its kind has ``plan_changes``. A plan that is growing is only stored (``freeze``).

    Raises
    ------
    TransientError
        If AWS got in the way.
    """
    plan = store.create_plan(plan)
    if plan.state is PlanState.PLANNING and not plan.is_growing:
        wake_planning(plan)
    return plan


def freeze(plan: Plan, *together: dynamo.Action) -> Plan:
    """End a plan's growing and let it be made in the background; a second time does nothing.

    Parameters
    ----------
    together
        What else says that the plan grows, written in the same transaction.

    Raises
    ------
    TransientError
        If AWS got in the way.
    """
    try:
        dynamo.write([store.freeze_action(plan, now()), *together])
    except dynamo.ConditionFailedError:
        return store.get_plan(plan.hub_id, plan.plan_id) or plan
    wake_planning(plan)
    return store.get_plan(plan.hub_id, plan.plan_id) or plan


def handle_pointer(pointer: Mapping[str, Any]) -> None:
    """Plan what a pointer ``{hub_id, plan_id, part: "plan", run?}`` names; after a day it is given up.

    ``run`` counts the runs since a sweeper, or somebody, woke the plan.

    Raises
    ------
    TransientError
        If AWS got in the way; the same pointer goes on where it stopped.
    """
    plan = store.get_plan(str(pointer["hub_id"]), str(pointer["plan_id"]))
    if plan is None or plan.state is not PlanState.PLANNING or plan.is_growing:
        return
    if from_text(plan.begun_at) < now() - GIVE_UP:
        _fail(plan, TOO_LONG.detail, (TOO_LONG,))
        return
    _go_on(plan, int(pointer.get("run", 0)))


def _go_on(plan: Plan, run: int = 0) -> Plan:
    """Do one run of planning, and return the plan as it is then."""
    if plan.state is PlanState.PLANNING:
        try:
            _run(plan, run)
        except MalformedError as exc:
            _fail(plan, exc.detail, tuple(exc.faults))
        except RefusedError as exc:
            _fail(plan, exc.detail)
        plan = store.get_plan(plan.hub_id, plan.plan_id) or plan
        log.info("planned", hub_id=plan.hub_id, plan_id=plan.plan_id, state=str(plan.state), rows=plan.total)
    if plan.state is PlanState.APPLYING:
        wake_parts(plan)
    return plan


class _Written:
    """What was written so far: number of parts, their hash, and the outcomes and warnings in them."""

    def __init__(self, plan: Plan) -> None:
        self.parts = plan.parts
        self.chain = plan.chain
        self.counts = Counter(plan.counts)
        self.warnings = Counter(plan.warnings)

    def add(self, changes: Iterable[Change], body: bytes, versions: tuple[int, int]) -> None:
        self.parts += 1
        self.link(f"{hashlib.sha256(body).hexdigest()}:{versions}")
        for change in changes:
            self.counts[change.outcome] += 1
            self.warnings.update(change.warnings)

    def link(self, text: str) -> None:
        self.chain = hashlib.sha256(f"{self.chain}:{text}".encode()).hexdigest()


def _run(plan: Plan, run: int) -> None:
    """Write parts until the changes are at their end, or the time of a run is."""
    end = time.monotonic() + RUN_SECONDS
    ctx = context.load(plan.hub_id)
    written = _Written(plan)
    start = Start(plan.total, _read_seen(plan))
    with _changes(ctx, plan, start) as changes:
        while chunk := list(islice(changes, PART_SIZE)):
            number = written.parts + 1
            numbered = [replace(change, id=change_id(number, place)) for place, change in enumerate(chunk, start=1)]
            ours = parts.to_lines(numbered)
            body = parts.write_once(parts.part_key(plan.hub_id, plan.plan_id, number), ours)
            written.add(numbered if body == ours else parts.from_lines(body), body, ctx.versions)
            if len(chunk) == PART_SIZE and time.monotonic() > end:
                _hand_over(plan, written, start.seen, run + 1)
                return
    written.link(f"end:{ctx.versions}")
    _end(ctx, _with_columns(plan, start), written)


def _with_columns(plan: Plan, start: Start) -> Plan:
    """Return the plan with the columns of its file: without them where their names are longer than an item may be."""
    is_small = sum(map(len, start.columns)) <= _KEPT_HEADERS
    unread = [header[:_SHOWN_HEADER] for header in start.unread[:_SHOWN_HEADERS]]
    return replace(plan, columns=tuple(start.columns) if is_small else (), unread=tuple(unread))


@contextmanager
def _changes(ctx: HubContext, plan: Plan, start: Start) -> Iterator[Iterator[Change]]:
    kind = KINDS[plan.kind]
    upload = uploads.get_upload(plan.hub_id, plan.upload_id) if plan.upload_id else None
    if upload is not None and kind.plan_rows is not None:
        try:
            stream = open_object(env("FILES_BUCKET"), upload.key, plan.params["version_id"] or None)
        except NotFoundError as exc:
            fault = Fault("file", "gone", "The file is not there any more. Please upload it again.")
            raise MalformedError([fault]) from exc
        with stream:
            yield kind.plan_rows(ctx, plan, upload, stream, start)
    else:
        yield changes_of(ctx, plan, start)


def _read_seen(plan: Plan) -> Seen:
    if not plan.parts:
        return Seen()
    return Seen.from_bytes(parts.read(parts.seen_key(plan.hub_id, plan.plan_id, plan.parts)))


def _hand_over(plan: Plan, written: _Written, seen: Seen, run: int) -> None:
    """Put aside how far this run got, and let the next one go on; nothing, if another run got as far."""
    parts.write_once(parts.seen_key(plan.hub_id, plan.plan_id, written.parts), seen.to_bytes())
    in_a_row = run < RUNS_IN_A_ROW
    look_at = now() + store.LOOK_AGAIN if in_a_row else now()
    action = store.checkpoint_action(
        plan,
        chain=written.chain,
        counts=written.counts,
        warnings=written.warnings,
        parts=written.parts,
        look_at=look_at,
    )
    try:
        dynamo.write([action])
    except dynamo.ConditionFailedError:
        return
    if in_a_row:
        wake_planning(plan, run)


def _end(ctx: HubContext, plan: Plan, written: _Written) -> None:
    """End planning: the plan waits for its approval, or begins where the hub wants no review of invites."""
    at = now()
    kind = KINDS[plan.kind]
    is_reviewed = ctx.hub.invite_review or ctx.hub.two_person_approval
    goes_on = plan.kind is PlanKind.INVITES and not is_reviewed and not plan.is_trial
    state = PlanState.APPLYING if goes_on else PlanState.AWAITING_APPROVAL
    actions = [
        store.planned_action(
            plan,
            state,
            hash=written.chain,
            counts=written.counts,
            warnings=written.warnings,
            parts=written.parts + kind.tail_parts,
            tail=kind.tail_parts,
            expires_at=to_text(at + store.LIFE) if kind.expires else "",
            at=at,
        )
    ]
    if plan.upload_id:
        actions.append(_upload(plan, UploadState.PLANNED))
    mails = [] if goes_on else messages.report(ctx.hub, plan, state, written.counts, at, warnings=written.warnings)
    messages.write_with(actions, mails)


def _fail(plan: Plan, detail: str, faults: tuple[Fault, ...] = ()) -> None:
    at = now()
    faults = faults[:_KEPT_FAULTS]
    actions = [store.settle_action(plan, PlanState.FAILED, at, detail=detail, faults=faults)]
    if plan.upload_id:
        actions.append(_upload(plan, UploadState.FAILED, detail, faults))
    hub = context.load(plan.hub_id).hub
    mails = messages.report(hub, plan, PlanState.FAILED, {}, at, problem=messages.sentence(faults, detail))
    messages.write_with(actions, mails)


def _upload(plan: Plan, state: UploadState, detail: str = "", faults: tuple[Fault, ...] = ()) -> dynamo.Action:
    return uploads.set_state_action(
        plan.hub_id, plan.upload_id, state, plan_id=plan.plan_id, detail=detail, faults=faults
    )
