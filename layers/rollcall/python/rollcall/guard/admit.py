"""May this member be removed now, or must an admin decide? What is written with the removal, or with holding it.

A removal that goes through is counted and remembered; one that must wait is listed in the hub's held-removals plan
that still grows. The first one makes that plan and the notices to the admins. All of it is written in the transaction
that writes the member, so it happens with it or not at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rollcall.guard import notice, store, waiting
from rollcall.guard.window import COUNT_LIVES, Counted, limit, used
from rollcall.hubs.admins import AdminList, get_admins
from rollcall.hubs.model import Permission
from rollcall.mail import store as outbox
from rollcall.members.model import Hold
from rollcall.plans import store as plans
from rollcall.plans.model import Plan, PlanKind, PlanState
from rollcall.privacy.emails import usable_email
from rollcall.runtime.ids import digest
from rollcall.runtime.times import from_text, to_text

if TYPE_CHECKING:
    from datetime import datetime

    from rollcall.guard.window import GuardState
    from rollcall.hubs.model import Hub
    from rollcall.people.decide import Removal
    from rollcall.runtime.dynamo import Action

REMOVAL_HELD, HUB_ADMIN = "removal_held", "hub_admin"


@dataclass(frozen=True, slots=True)
class Admitted:
    """What the guard says of a removal.

    Attributes
    ----------
    hold
        Nothing if it may take place; else what the member is held by.
    actions
        Writes that belong into the transaction of the removal, or of the hold.
    mail_ids
        Notices to point the sender at afterwards.
    """

    actions: tuple[Action, ...] = ()
    hold: Hold | None = None
    mail_ids: tuple[str, ...] = ()


def admit(hub: Hub, removal: Removal, at: datetime) -> Admitted:
    """Return whether a removal may take place, and what must be written with it.

    Raises
    ------
    TransientError
        If AWS got in the way.
    """
    state = store.get_guard(hub.hub_id)
    admins = get_admins(hub.hub_id)
    if _is_admin(removal, admins):
        return _hold(hub, removal, state, admins=admins, reason=HUB_ADMIN, at=at)
    if removal.held and _is_undecided(hub, removal.held):
        return _hold(hub, removal, state, admins=admins, reason=REMOVAL_HELD, at=at)
    hub_limit, source_limit = _limits(hub, removal.source_id, state, at)
    sums = used(state, at)
    if sum(sums.values()) >= hub_limit or sums.get(removal.source_id, 0) >= source_limit:
        return _hold(hub, removal, state, admins=admins, reason=REMOVAL_HELD, at=at)
    counted = store.count_action(
        hub.hub_id, state, removal.source_id, at, hub_limit=hub_limit, source_limit=source_limit
    )
    return Admitted((counted, waiting.passed_action(hub.hub_id, removal, at)))


def _is_admin(removal: Removal, admins: AdminList) -> bool:
    listed = {usable_email(admin.email) for admin in admins.admins}
    return any(usable_email(email) in listed for email in removal.emails)


def _is_undecided(hub: Hub, hold: Hold) -> bool:
    plan = plans.get_plan(hub.hub_id, hold.plan_id)
    return plan is not None and plan.is_open


def _limits(hub: Hub, source_id: str, state: GuardState, at: datetime) -> tuple[int, int]:
    """Return how many may leave the hub, and how many by this source; members are counted only when it matters."""
    guard = hub.removal_guard
    sums = used(state, at)
    if not guard.percent or max(sum(sums.values()), sums.get(source_id, 0)) < guard.people:
        return guard.people, guard.people
    counted = state.counted.get(source_id)
    if counted is None or from_text(counted.at) + COUNT_LIVES < at:
        counted = _count(hub.hub_id, source_id, at)
    return (
        limit(guard.people, guard.percent, counted.members),
        limit(guard.people, guard.percent, counted.known),
    )


def _count(hub_id: str, source_id: str, at: datetime) -> Counted:
    counted = store.count_members(hub_id, source_id, at)
    store.keep_count(hub_id, source_id, counted)
    return counted


def _hold(hub: Hub, removal: Removal, state: GuardState, *, admins: AdminList, reason: str, at: datetime) -> Admitted:
    if state.plan_id:
        hold = Hold(removal.upto, state.plan_id, reason)
        return Admitted(
            (plans.grows_check(hub.hub_id, state.plan_id), waiting.waits_action(hub.hub_id, removal, hold, at)), hold
        )
    plan = _new_plan(hub.hub_id, removal, at)
    hold = Hold(removal.upto, plan.plan_id, reason)
    mails = notice.notices(hub, plan, admins, at)
    actions = (
        store.point_action(hub.hub_id, state, plan.plan_id, at),
        plans.create_action(plan),
        waiting.waits_action(hub.hub_id, removal, hold, at),
        *(outbox.put_action(mail) for mail in mails),
    )
    return Admitted(actions, hold, tuple(mail.mail_id for mail in mails))


def _new_plan(hub_id: str, removal: Removal, at: datetime) -> Plan:
    """Return the plan that this removal is the first of; its id is made from the removal, so a second try finds it."""
    plan_id = digest("held_removals", hub_id, removal.member_id, removal.source_id, *_text(removal))
    return Plan(
        plan_id=plan_id,
        hub_id=hub_id,
        kind=PlanKind.HELD_REMOVALS,
        state=PlanState.PLANNING,
        upload_id="",
        created_by="directory",
        email="",
        created_at=to_text(at),
        permissions=(str(Permission.VIEW),),
        is_growing=True,
    )


def _text(removal: Removal) -> tuple[str, str]:
    return removal.upto.at, removal.upto.event_id
