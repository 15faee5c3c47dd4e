"""Change the data mapping table without a file: rules added or taken out, an older version brought back.

Each makes a plan like that of an uploaded table. What the one who asks may not see stays as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollcall.exports.model import visible_segments
from rollcall.mapping import store as mapping
from rollcall.mapping.rules import with_added, without
from rollcall.mapping.sheet import check_seen, keep_unseen, read_rules, resolve, without_unseen
from rollcall.mapping.table import MappingTable
from rollcall.plans import planning
from rollcall.plans.mapping_change import proposal_of, store_proposal
from rollcall.plans.model import Plan, PlanKind, PlanState
from rollcall.plans.proposal import Proposal
from rollcall.runtime.errors import ConflictError, NotFoundError
from rollcall.runtime.ids import digest, new_id
from rollcall.runtime.times import now, to_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rollcall.hubs.context import HubContext
    from rollcall.hubs.model import Admin
    from rollcall.mapping.rules import Removal


def plan_rules(ctx: HubContext, admin: Admin, given: Sequence[Sequence[str]], removals: Sequence[Removal]) -> Plan:
    """Begin the plan of a table with some rules more and some less.

    Parameters
    ----------
    given
        Of each new rule what the columns B, C, E, F, G and H of the sheet would say.

    Raises
    ------
    MalformedError
        With every fault: ``C1`` is the value of the first rule, ``rules.0`` that rule, ``remove.0`` a removal.
    """
    visible = _visible(ctx, admin)
    rows = read_rules(given)
    check_seen(rows, ctx.catalogue, visible)
    kept = without(without_unseen(ctx.table, visible).rules, removals)
    found = resolve(rows, ctx.catalogue, new_id)
    rules = with_added(ctx.table, kept, found.rules, ctx.catalogue)
    proposal = proposal_of(ctx, found, keep_unseen(rules, ctx.table, ctx.catalogue, visible), "rules")
    return _begin(ctx, admin, proposal)


def plan_restore(ctx: HubContext, admin: Admin, version: int) -> Plan:
    """Begin the plan of a table that says what an older version said.

    Raises
    ------
    NotFoundError
        If there is no such version.
    ConflictError
        ``is_current`` if it is the one that applies.
    """
    hub_id = ctx.hub.hub_id
    known = mapping.version_at(hub_id, version)
    if known is None:
        raise NotFoundError
    if version == ctx.table.version:
        msg = "This version is the one that applies now."
        raise ConflictError(msg, code="is_current")
    visible = _visible(ctx, admin)
    old = without_unseen(mapping.table_at(hub_id, version, known.plan_id), visible)
    rules = keep_unseen(old.rules, ctx.table, ctx.catalogue, visible)
    return _begin(ctx, admin, Proposal(MappingTable(ctx.table.version + 1, rules)))


def _visible(ctx: HubContext, admin: Admin) -> frozenset[str]:
    seen = visible_segments(ctx.catalogue, admin.permissions(ctx.hub.hub_id))
    return frozenset(segment.segment_id for segment in seen)


def _begin(ctx: HubContext, admin: Admin, proposal: Proposal) -> Plan:
    hub_id = ctx.hub.hub_id
    plan_id = digest("mapping", new_id())
    store_proposal(ctx, plan_id, proposal)
    return planning.begin(
        Plan(
            plan_id=plan_id,
            hub_id=hub_id,
            kind=PlanKind.MAPPING_CHANGE,
            state=PlanState.PLANNING,
            upload_id="",
            created_by=admin.subject,
            email=admin.email,
            created_at=to_text(now()),
            permissions=tuple(sorted(admin.permissions(hub_id))),
        )
    )
