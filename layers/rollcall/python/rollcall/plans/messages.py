"""What admins are told of a plan: the mail that goes out in the transaction that changes its state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollcall.mail import store as outbox
from rollcall.mail.model import Attachment, Kind, Mail
from rollcall.plans import parts
from rollcall.plans.consequences import in_order
from rollcall.plans.model import DONE, PlanKind, PlanState
from rollcall.runtime import dynamo, queues
from rollcall.runtime.errors import TransientError
from rollcall.runtime.ids import digest
from rollcall.runtime.observability import describe, log
from rollcall.runtime.settings import optional

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from rollcall.hubs.model import Hub
    from rollcall.plans.model import Plan
    from rollcall.runtime.errors import Fault

QUEUE = "EMAILS_QUEUE_URL"
_SHOWN_FAULTS = 5
_WHAT = {
    PlanKind.INVITES: "Bulk invite",
    PlanKind.MEMBER_EDITS: "Changes to members",
    PlanKind.MAPPING_CHANGE: "New data mapping table",
    PlanKind.HELD_REMOVALS: "People who would leave",
    PlanKind.UNDO: "Undoing a change",
    PlanKind.PEOPLE: "People file",
}
WORDS = {
    "invite": "To be invited",
    "invited": "Invited",
    "error": "Rows with a fault",
    "already_member": "Already a member",
    "already_invited": "Already invited",
    "duplicate_of_row": "Twice in the file",
    "deactivated": "Deactivated, not invited",
    "erased": "Erased, not invited",
    "deleted": "Deleted, left alone",
    "suppressed": "Mail does not reach them",
    "no_email": "Without a usable e-mail",
    "edit": "To be changed",
    "applied": "Changed",
    "create": "New, to be added",
    "created": "New, added",
    "change": "To be changed",
    "changed": "Changed",
    "held": "Held, to be settled by somebody",
    "missing": "Not in the file, left as they are",
    "not_taken": "Columns that are never stored",
    "unchanged": "Without a change",
    "reverse": "To be reversed",
    "reversed": "Reversed",
    "left": "Edited since, left as it is",
    "impossible": "Cannot be reversed",
    "declined_for_now": "Left out of the file, not invited for now",
    "nobody_to_invite": "Left out of the file, and nobody to be invited any more",
    "left_out": "Not approved",
    "not_applied": "Not done, the plan was stopped",
    "conflict": "Changed in the meantime, not overwritten",
    "recompute": "Members whose roles, segments or profile change",
    "deactivate": "Would be deactivated",
    "delete": "Would be deleted",
    "left_alone": "Not waiting any more",
    "rule_new": "New rules",
    "rule_changed": "Changed rules",
    "rule_gone": "Rules that go",
    "role_new": "New roles",
    "segment_new": "New segments",
    "option_new": "New options",
}


def report(
    hub: Hub,
    plan: Plan,
    state: PlanState,
    counts: Mapping[str, int],
    at: datetime,
    *,
    problem: str = "",
    warnings: Mapping[str, int] | None = None,
) -> Mail | None:
    """Return the mail that tells the admin who made the plan that it reached a state; nothing without an address.

    The id of the mail is made from plan and state: it goes once. What is done brings its report. Of a trial nobody is
    told.

    Parameters
    ----------
    warnings
        Consequence → number of changes, told before everything else.
    """
    counted = [[WORDS.get(outcome, outcome), count] for outcome, count in sorted(counts.items()) if count]
    told = [[sentence, count] for _, sentence, count in in_order(warnings or {})]
    return _mail(hub, plan, str(state), at, counts=[*told, *counted], problem=problem)


def reminder(hub: Hub, plan: Plan, at: datetime) -> Mail | None:
    """Return the mail that tells the admin who made a plan that it expires soon; nothing without an address."""
    return _mail(hub, plan, "expiring", at)


def _mail(
    hub: Hub, plan: Plan, state: str, at: datetime, *, counts: Sequence[Sequence[object]] = (), problem: str = ""
) -> Mail | None:
    if not plan.email or plan.is_trial:
        return None
    base = optional("PUBLIC_BASE_URL").rstrip("/")
    page = f"{base}/hubs/{plan.hub_id}/plans/{plan.plan_id}"
    is_done = state in DONE
    what = f"{_WHAT[plan.kind]}: {plan.params.get('filename', '')}".rstrip(": ")
    link = (f"{page}/report" if is_done else page) if base else ""
    return Mail(
        mail_id=digest("plan", plan.hub_id, plan.plan_id, state),
        hub_id=plan.hub_id,
        kind=Kind.PLAN_REPORT,
        to=plan.email,
        language=hub.locale,
        not_before=at,
        params={
            "what": what,
            "state": state,
            "counts": [list(line) for line in counts],
            "problem": problem,
            **({"link": link} if link and state != PlanState.FAILED else {}),
        },
        attachment=Attachment(parts.report_key(plan.hub_id, plan.plan_id), "report.csv") if is_done else None,
    )


def sentence(faults: Sequence[Fault], detail: str) -> str:
    """Return the first faults with their places in one line."""
    if not faults:
        return detail
    said = [f"{fault.place}: {fault.detail}" for fault in faults[:_SHOWN_FAULTS]]
    more = len(faults) - len(said)
    return " ".join([*said, f"And {more} more."] if more else said)


def write_with(actions: list[dynamo.Action], mail: Mail | None) -> bool:
    """Carry out actions together with the put of a mail, then point the sender at it.

    Returns
    -------
    bool
        Whether it was this call that did it; otherwise somebody else did before.
    """
    try:
        dynamo.write([*actions, outbox.put_action(mail)] if mail else actions)
    except dynamo.ConditionFailedError:
        return False
    if mail:
        wake(mail.hub_id, [mail.mail_id])
    return True


def wake(hub_id: str, mail_ids: Sequence[str]) -> None:
    """Point the sender at mails of the outbox. Not being able to is no failure: a sweeper points at them as well."""
    try:
        queues.send_many(QUEUE, [{"hub_id": hub_id, "mail_id": mail_id} for mail_id in mail_ids])
    except TransientError as exc:
        log.warning("mail_not_announced", **describe(exc), hub_id=hub_id, count=len(mail_ids))
