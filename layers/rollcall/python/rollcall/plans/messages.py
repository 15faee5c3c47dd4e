"""What admins are told of a plan: the mail that goes out in the transaction that changes its state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollcall.hubs.admins import Notice, get_admins
from rollcall.mail import store as outbox
from rollcall.mail.model import Attachment, Kind, Mail
from rollcall.plans import parts
from rollcall.plans.consequences import in_order
from rollcall.plans.model import DONE, PlanKind, PlanState
from rollcall.privacy.emails import usable_email
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
# Mails are written in one transaction with the state of the plan.
MOST = 50
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


# What somebody must look at, in the order in which they are told; the rest follows in order of the words.
NEEDED = ("error", "conflict", "held", "impossible", "not_applied", "no_email")
_EFFECTS = {"invited", "declined_for_now", "applied", "created", "changed", "recomputed", "reversed"}


def report(
    hub: Hub,
    plan: Plan,
    state: PlanState,
    counts: Mapping[str, int],
    at: datetime,
    *,
    problem: str = "",
    warnings: Mapping[str, int] | None = None,
) -> list[Mail]:
    """Return the mails that tell that a plan reached a state: to the admin who made it, and who asked for such notices.

    The id of a mail is made from plan, state and reader: it goes once. What is done brings its report to who made it;
    the others may see less, and get the link. Of a trial nobody is told.

    Parameters
    ----------
    warnings
        Consequence → number of changes, told before everything else.
    """
    found = {outcome: count for outcome, count in counts.items() if count}
    needed = [outcome for outcome in NEEDED if outcome in found]
    told = [[WORDS.get(outcome, outcome), found[outcome]] for outcome in (*needed, *sorted({*found} - {*needed}))]
    warned = [[sentence, count] for _, sentence, count in in_order(warnings or {})]
    params = {
        "counts": [*warned, *told],
        "problem": problem,
        "needed": sum(found[outcome] for outcome in needed),
        "outcome": _how_far(found, needed),
        "unread": list(plan.unread),
    }
    return _mails(hub, plan, str(state), at, params)


def reminder(hub: Hub, plan: Plan, at: datetime) -> list[Mail]:
    """Return the mails that tell that a plan expires soon, to the same as ``report``."""
    return _mails(hub, plan, "expiring", at, {"counts": [], "problem": ""})


def _how_far(counts: Mapping[str, int], needed: Sequence[str]) -> str:
    """Return ``all``, or ``some`` or ``none`` where something needs somebody."""
    if not needed:
        return "all"
    return "some" if _EFFECTS & counts.keys() else "none"


def _mails(hub: Hub, plan: Plan, state: str, at: datetime, params: Mapping[str, object]) -> list[Mail]:
    if plan.is_trial:
        return []
    base = optional("PUBLIC_BASE_URL").rstrip("/")
    page = f"{base}/hubs/{plan.hub_id}/plans/{plan.plan_id}"
    is_done = state in DONE
    what = f"{_WHAT[plan.kind]}: {plan.params.get('filename', '')}".rstrip(": ")
    link = (f"{page}/report" if is_done else page) if base else ""
    report_file = Attachment(parts.report_key(plan.hub_id, plan.plan_id), "report.csv") if is_done else None
    return [
        Mail(
            mail_id=digest("plan", plan.hub_id, plan.plan_id, state, *name),
            hub_id=plan.hub_id,
            kind=Kind.PLAN_REPORT,
            to=to,
            language=hub.locale,
            not_before=at,
            params={
                "what": what,
                "state": state,
                **params,
                **({"link": link} if link and state != PlanState.FAILED else {}),
            },
            attachment=None if name else report_file,
        )
        for to, name in _readers(plan)
    ]


def _readers(plan: Plan) -> list[tuple[str, tuple[str, ...]]]:
    """Return the addresses to write to, with what tells their mails apart: nothing for the admin who made the plan."""
    own = usable_email(plan.email) or plan.email
    asked = {
        usable_email(admin.email) or admin.email: admin.email
        for admin in get_admins(plan.hub_id).admins
        if Notice.PLAN_REPORTS in admin.notices
    }
    asked.pop(own, None)
    others = [(to, (name,)) for name, to in asked.items()][:MOST]
    return [(plan.email, ()), *others] if plan.email else list(others)


def sentence(faults: Sequence[Fault], detail: str) -> str:
    """Return the first faults with their places in one line."""
    if not faults:
        return detail
    said = [f"{fault.place}: {fault.detail}" for fault in faults[:_SHOWN_FAULTS]]
    more = len(faults) - len(said)
    return " ".join([*said, f"And {more} more."] if more else said)


def write_with(actions: list[dynamo.Action], mails: Sequence[Mail]) -> bool:
    """Carry out actions together with the puts of mails, then point the sender at them.

    Returns
    -------
    bool
        Whether it was this call that did it; otherwise somebody else did before.
    """
    try:
        dynamo.write([*actions, *map(outbox.put_action, mails)])
    except dynamo.ConditionFailedError:
        return False
    if mails:
        wake(mails[0].hub_id, [mail.mail_id for mail in mails])
    return True


def wake(hub_id: str, mail_ids: Sequence[str]) -> None:
    """Point the sender at mails of the outbox. Not being able to is no failure: a sweeper points at them as well."""
    try:
        queues.send_many(QUEUE, [{"hub_id": hub_id, "mail_id": mail_id} for mail_id in mail_ids])
    except TransientError as exc:
        log.warning("mail_not_announced", **describe(exc), hub_id=hub_id, count=len(mail_ids))
