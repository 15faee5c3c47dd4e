"""Routes: plans, read before they happen, approved or rejected."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import Field, StringConstraints

from rollcall.api import auth, downloads
from rollcall.api.auth import needs
from rollcall.api.paging import BAD_CURSOR, from_cursor, to_cursor
from rollcall.api.presence import gone_addresses, gone_members, gone_persons
from rollcall.api.problems import ProblemFault
from rollcall.api.routing import make_router
from rollcall.api.shapes import DEFAULT_LIMIT, JSON, Cursor, Given, Limit, Listed, Shown
from rollcall.exports.model import visible_segments
from rollcall.guard import showing
from rollcall.guard.common import SOURCE
from rollcall.hubs import context
from rollcall.hubs.model import Permission
from rollcall.plans import again, applying, approval, held_removals, parts, store
from rollcall.plans.consequences import in_order
from rollcall.plans.followups import REPLANS, UNDOES
from rollcall.plans.model import DONE, Change, Plan, PlanKind, PlanState
from rollcall.plans.parts import report_key
from rollcall.plans.proposal import proposal_from_json
from rollcall.plans.selection import Selection
from rollcall.runtime.errors import ForbiddenError, MalformedError, NotFoundError, RefusedError
from rollcall.runtime.ids import is_hash
from rollcall.segments.model import Catalogue

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from rollcall.hubs.context import HubContext
    from rollcall.hubs.model import Admin

router = make_router()

ChangeId = Annotated[str, StringConstraints(pattern=r"^[0-9]{5}-[0-9]{4}$")]
Word = Annotated[str, StringConstraints(min_length=1, max_length=50)]


class Progress(Shown):
    """Changes in applied parts, of all."""

    done: int
    total: int


class WarningShown(Shown):
    """A consequence to know before anything else, and how many changes have it."""

    code: str
    detail: str
    changes: int


class InCommonShown(Shown):
    """What people have in common who would leave: `held` of the `of` have this value in this field."""

    field: str
    value: str
    held: int
    of: int


class PlanShown(Shown):
    """A bulk change; `hash` is what an approval names. Of a `trial` nothing is ever applied.

    While a plan of held removals grows (`is_growing`), more people may come into it; looking at it ends that.
    `unread_columns` are those of an invite file that nobody reads.
    """

    plan_id: str
    kind: PlanKind
    state: PlanState
    trial: bool
    warnings: list[WarningShown]
    counts: dict[str, int]
    progress: Progress
    upload_id: str
    undoes: str
    undone_by: str
    replans: str
    replanned_by: str
    created_by: str
    created_at: str
    approved_by: str
    expires_at: str
    settled_at: str
    hash: str
    detail: str
    faults: list[ProblemFault]
    unread_columns: list[str]
    is_growing: bool
    in_common: InCommonShown | None


class EditShown(Shown):
    """One value, from what to what; `old_from` says where the old one came from: ids of sources, `manual`, `kept`."""

    field: str
    old: list[str]
    new: list[str]
    old_from: list[str]


class ChangeShown(Shown):
    """One line of a plan: what would happen, or happened, and why."""

    id: str
    row: int
    kind: str
    subject: str
    warnings: list[str]
    outcome: str
    reason: str
    detail: str
    edits: list[EditShown]


class Some(Given):
    """Some changes of a plan: those that meet everything that is said here."""

    ids: Annotated[list[ChangeId], Field(min_length=1)] | None = None
    not_ids: list[ChangeId] = Field(default_factory=list)
    kinds: list[Word] = Field(default_factory=list, max_length=50)
    outcomes: list[Word] = Field(default_factory=list, max_length=50)
    warnings: list[Word] = Field(default_factory=list, max_length=50)


class Approval(Given):
    """What is approved: the plan with this hash, as it was shown; `only` some of its changes, by id or by filter."""

    hash: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    only: Annotated[list[ChangeId], Field(min_length=1)] | Some | None = None


class Rejection(Given):
    """Why a plan is turned down."""

    reason: Annotated[str, StringConstraints(max_length=1000)] = ""


@router.get("/hubs/<hub_id>/plans", summary="Plans of the hub", tags=["Plans"])
@needs(Permission.VIEW)
def list_plans(hub_id: str, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = "") -> Listed[PlanShown]:
    """Return the plans, newest first."""
    found, following = store.list_plans(hub_id, limit=limit, cursor=from_cursor(cursor))
    return Listed[PlanShown](items=[_show(plan) for plan in found], next_cursor=to_cursor(following))


@router.get("/hubs/<hub_id>/plans/<plan_id>", summary="One plan", tags=["Plans"])
@needs(Permission.VIEW)
def get_plan(hub_id: str, plan_id: str) -> PlanShown:
    """Return a plan: where it stands and what it comes to.

    A plan of held removals grows no more once it was looked at. It is made then, which takes a moment: look again
    while its state is `planning`.
    """
    return _show(showing.show(_existing(hub_id, plan_id)))


@router.get("/hubs/<hub_id>/plans/<plan_id>/changes", summary="What a plan changes", tags=["Plans"])
@needs(Permission.VIEW)
def list_changes(  # noqa: PLR0917 - query parameters, given by name
    hub_id: str,
    plan_id: str,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = "",
    outcome: Annotated[str, Query(max_length=50, description="Only changes with this outcome.")] = "",
    kind: Annotated[str, Query(max_length=50, description="Only changes of this kind.")] = "",
    warning: Annotated[str, Query(max_length=50, description="Only changes with this warning.")] = "",
) -> Listed[ChangeShown]:
    """Return the changes in order; values that the caller may not see are left out, and what deleted people had.

    `detail` may repeat what was in the file: it is for those who may see as much as the one who uploaded it.
    """
    plan = showing.show(_existing(hub_id, plan_id))
    ctx = context.load(hub_id)
    permissions = auth.caller(router.current_event.raw_event).permissions(hub_id)
    found, following = applying.changes(
        hub_id,
        plan.plan_id,
        limit=limit,
        cursor=_position(cursor),
        outcome=outcome,
        kind=kind,
        warning=warning,
    )
    view = _View(permissions, _visible(ctx, plan, permissions), _gone(ctx, found), _sees_file(plan, permissions))
    items = [_show_change(change, view) for change in found]
    return Listed[ChangeShown](items=items, next_cursor=to_cursor(following))


@router.get("/hubs/<hub_id>/plans/<plan_id>/report", summary="Download the report of a plan", tags=["Plans"])
@needs(Permission.VIEW)
def get_report(hub_id: str, plan_id: str) -> Response[None]:
    """Redirect to the report: the rows as uploaded, with `result` and `reason`.

    It holds what was in the file: only for those who may see as much as the one who uploaded it.
    """
    plan = _existing(hub_id, plan_id)
    permissions = auth.caller(router.current_event.raw_event).permissions(hub_id)
    if not _sees_file(plan, permissions):
        detail = "This file holds more than you may see."
        raise ForbiddenError(detail)
    if plan.state not in DONE:
        detail = "There is a report once the plan is applied, or stopped."
        raise RefusedError(detail, code="not_ready")
    return downloads.redirect(report_key(hub_id, plan_id), f"report-{plan_id}.csv")


@router.post("/hubs/<hub_id>/plans/<plan_id>/approve", summary="Approve a plan", tags=["Plans"], status_code=202)
@needs(Permission.APPROVE)
def approve_plan(hub_id: str, plan_id: str, body: Approval) -> Response[PlanShown]:
    """Let a plan be applied exactly as it was shown, all of it or some; a hash that is no longer its own is refused."""
    admin = auth.caller(router.current_event.raw_event)
    plan = approval.approve(hub_id, _checked(plan_id), body.hash, admin, _selection(body.only))
    return accepted(hub_id, plan)


@router.post("/hubs/<hub_id>/plans/<plan_id>/reject", summary="Reject a plan", tags=["Plans"])
@needs(Permission.APPROVE)
def reject_plan(hub_id: str, plan_id: str, body: Rejection) -> PlanShown:
    """Turn a plan down: it will never be applied."""
    admin = auth.caller(router.current_event.raw_event)
    return _show(approval.reject(hub_id, _checked(plan_id), admin, body.reason))


@router.post("/hubs/<hub_id>/plans/<plan_id>/pause", summary="Let a plan rest", tags=["Plans"])
@needs(Permission.APPROVE)
def pause_plan(hub_id: str, plan_id: str) -> PlanShown:
    """Begin no further part of a plan that is being applied, until it is resumed."""
    return _show(approval.pause(hub_id, _checked(plan_id)))


@router.post("/hubs/<hub_id>/plans/<plan_id>/resume", summary="Go on with a plan", tags=["Plans"])
@needs(Permission.APPROVE)
def resume_plan(hub_id: str, plan_id: str) -> PlanShown:
    """Go on with a plan that was paused."""
    return _show(approval.resume(hub_id, _checked(plan_id)))


@router.post("/hubs/<hub_id>/plans/<plan_id>/stop", summary="End a plan before its end", tags=["Plans"])
@needs(Permission.APPROVE)
def stop_plan(hub_id: str, plan_id: str) -> PlanShown:
    """Begin no further part of a plan, ever; what was not applied says so in its report."""
    return _show(approval.stop(hub_id, _checked(plan_id)))


@router.post("/hubs/<hub_id>/plans/<plan_id>/undo", summary="Undo a plan", tags=["Plans"], status_code=202)
@needs(Permission.APPROVE)
def undo_plan(hub_id: str, plan_id: str) -> Response[PlanShown]:
    """Make a plan that reverses what this one did, where nobody edited it since; it is approved like any other."""
    return accepted(hub_id, again.undo(hub_id, _seen_whole(hub_id, plan_id), _caller()))


@router.post("/hubs/<hub_id>/plans/<plan_id>/replan", summary="Plan conflicts again", tags=["Plans"], status_code=202)
@needs(Permission.APPROVE)
def replan_plan(hub_id: str, plan_id: str) -> Response[PlanShown]:
    """Make a plan of this one's conflicts against what is there now; it is approved like any other."""
    return accepted(hub_id, again.replan(hub_id, _seen_whole(hub_id, plan_id), _caller()))


def _caller() -> Admin:
    return auth.caller(router.current_event.raw_event)


def _seen_whole(hub_id: str, plan_id: str) -> str:
    """Return the id of a plan of which the caller may see everything: the new plan's report goes to them."""
    plan = _existing(hub_id, plan_id)
    if not _sees_file(plan, _caller().permissions(hub_id)):
        detail = "This plan holds more than you may see."
        raise ForbiddenError(detail)
    return plan_id


def accepted(hub_id: str, plan: Plan) -> Response[PlanShown]:
    """Answer with a plan that was begun, and where it is."""
    headers: dict[str, str | list[str]] = {"Location": f"/hubs/{hub_id}/plans/{plan.plan_id}"}
    return Response(status_code=202, content_type=JSON, body=_show(plan), headers=headers)


def _selection(only: list[ChangeId] | Some | None) -> Selection:
    if only is None:
        return Selection()
    if isinstance(only, list):
        return Selection(ids=frozenset(only))
    return Selection(
        ids=frozenset(only.ids or ()),
        not_ids=frozenset(only.not_ids),
        kinds=frozenset(only.kinds),
        outcomes=frozenset(only.outcomes),
        warnings=frozenset(only.warnings),
    )


def _checked(plan_id: str) -> str:
    if not is_hash(plan_id):
        raise NotFoundError
    return plan_id


def _existing(hub_id: str, plan_id: str) -> Plan:
    plan = store.get_plan(hub_id, _checked(plan_id))
    if plan is None:
        raise NotFoundError
    return plan


def _show(plan: Plan) -> PlanShown:
    return PlanShown(
        plan_id=plan.plan_id,
        kind=plan.kind,
        state=plan.state,
        trial=plan.is_trial,
        warnings=[
            WarningShown(code=code, detail=detail, changes=count) for code, detail, count in in_order(plan.warnings)
        ],
        counts=dict(plan.counts),
        progress=Progress(done=plan.done, total=plan.total),
        upload_id=plan.upload_id,
        undoes=plan.params.get(UNDOES, ""),
        undone_by=plan.undone_by,
        replans=plan.params.get(REPLANS, ""),
        replanned_by=plan.replanned_by,
        created_by=plan.created_by,
        created_at=plan.created_at,
        approved_by=plan.approved_by,
        expires_at=plan.expires_at,
        settled_at=plan.settled_at,
        hash=plan.hash,
        detail=plan.detail,
        faults=[ProblemFault(place=fault.place, code=fault.code, detail=fault.detail) for fault in plan.faults],
        unread_columns=list(plan.unread),
        is_growing=plan.is_growing,
        in_common=_in_common(plan),
    )


def _in_common(plan: Plan) -> InCommonShown | None:
    """Return what a plan's people have in common; a value of the directory only to those who may see such."""
    said = plan.params.get(held_removals.IN_COMMON)
    permissions = auth.caller(router.current_event.raw_event).permissions(plan.hub_id)
    if said is None or (said["field"] != SOURCE and Permission.VIEW_PRIVATE not in permissions):
        return None
    return InCommonShown(**said)


@dataclass(frozen=True, slots=True)
class _View:
    """What somebody sees of a plan: ``visible`` are ids of segments, ``gone`` those of deleted people's subjects."""

    permissions: Collection[Permission]
    visible: Collection[str]
    gone: Collection[str]
    sees_file: bool

    def may_see(self, column: str) -> bool:
        """Tell whether a value of this column is theirs to see."""
        what, _, about = column.partition(":")
        match what:
            case "rule":
                is_seen = not about or about in self.visible
                return is_seen and Permission.VIEW_PRIVATE in self.permissions
            case "segment" | "visibility":
                return about in self.visible
            case "profile" | "attribute" | "locale" | "time_zone" | "end_date":
                return Permission.VIEW_PRIVATE in self.permissions
            case _:
                return True


def _position(cursor: str) -> str:
    """Return the id of the last change that was seen; empty for the first page."""
    position = from_cursor(cursor)
    if position and not re.fullmatch(r"(?!00000)[0-9]{5}-[0-9]{4}", position):
        raise MalformedError([BAD_CURSOR])
    return position


def _sees_file(plan: Plan, permissions: Collection[Permission]) -> bool:
    return downloads.sees_as_much(permissions, plan.permissions)


def _visible(ctx: HubContext, plan: Plan, permissions: Collection[Permission]) -> frozenset[str]:
    """Return the ids of segments that the caller may see, those included that the plan would create."""
    seen = visible_segments(ctx.catalogue, permissions)
    if plan.kind is PlanKind.MAPPING_CHANGE and plan.parts and plan.state is not PlanState.APPLIED:
        proposal = proposal_from_json(json.loads(parts.read(parts.table_key(plan.hub_id, plan.plan_id))))
        new = [one for one in proposal.segments if one.segment_id not in ctx.catalogue.segments_by_id]
        seen += visible_segments(Catalogue((), tuple(new)), permissions)
    return frozenset(segment.segment_id for segment in seen)


def _gone(ctx: HubContext, changes: Iterable[Change]) -> frozenset[str]:
    """Return which subjects of changes were deleted."""
    subjects = [(change.kind, change.subject) for change in changes if change.subject]
    addresses = gone_addresses(ctx, [subject for kind, subject in subjects if kind in ("invitation", "new_member")])
    persons = gone_persons(ctx, [subject for kind, subject in subjects if kind == "person"])
    return addresses | persons | gone_members(ctx, [subject for kind, subject in subjects if kind == "member"])


def _show_change(change: Change, view: _View) -> ChangeShown:
    is_gone = change.subject in view.gone
    edits = [edit for edit in change.edits if not is_gone and view.may_see(edit.column)]
    return ChangeShown(
        id=change.id,
        row=change.row,
        kind=change.kind,
        subject=change.subject,
        warnings=list(change.warnings),
        outcome=change.outcome,
        reason=change.reason,
        detail=change.detail if view.sees_file and not is_gone else "",
        edits=[
            EditShown(field=edit.field, old=list(edit.old), new=list(edit.new), old_from=list(edit.old_from))
            for edit in edits
        ],
    )
