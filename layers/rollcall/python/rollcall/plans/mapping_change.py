"""A new data mapping table: what it changes rule by rule and member by member, and how it is published.

An approval carries rules, not values: each member is computed anew from what is there when it runs. The parts list
the members of the time of planning and apply those that change; the tail parts look at all others, and at members that
came since.
"""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, BinaryIO

from rollcall.activity import store as activity
from rollcall.activity.catalogue import record_catalogue
from rollcall.exports.model import visible_segments
from rollcall.hubs import context
from rollcall.hubs.model import Permission
from rollcall.mapping import store as mapping
from rollcall.mapping.sheet import check_seen, keep_unseen, read_sheet, resolve
from rollcall.mapping.table import MappingTable, Rule
from rollcall.members import recompute
from rollcall.members import store as members
from rollcall.members.model import Change as MemberChange
from rollcall.members.projection import single_valued, view
from rollcall.people import store as people
from rollcall.plans import parts
from rollcall.plans.consequences import LAST_ROLE, of_edits
from rollcall.plans.member_edits import labels_of
from rollcall.plans.model import Change, Edit, Plan, Result
from rollcall.plans.proposal import (
    NameTakenError,
    Proposal,
    compare_rules,
    extend,
    proposal_from_json,
    proposal_to_json,
)
from rollcall.runtime import dynamo
from rollcall.runtime.errors import Fault, MalformedError, RefusedError, TooLargeToStoreError, TransientError
from rollcall.runtime.ids import SHARDS, new_id
from rollcall.runtime.times import now, to_text
from rollcall.runtime.tries import tries
from rollcall.segments import store as segments
from rollcall.segments.model import Visibility
from rollcall.segments.options import MAX_OPTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rollcall.hubs.context import HubContext
    from rollcall.mapping.sheet import Resolution
    from rollcall.members.model import Member
    from rollcall.members.projection import View
    from rollcall.people.model import PersonRecord
    from rollcall.plans.proposal import Extension, RuleChange
    from rollcall.plans.seen import Start
    from rollcall.segments.model import Catalogue
    from rollcall.uploads.model import Upload

BATCH = 100
TAIL_PARTS = SHARDS
_MOST = f"A segment has at most {MAX_OPTIONS:,}."


def plan_rows(ctx: HubContext, plan: Plan, upload: Upload, stream: BinaryIO, start: Start) -> Iterator[Change]:
    """Yield what the table brings: new roles, segments and options, changed rules, then one change for every member.

    Raises
    ------
    MalformedError
        With every fault of the sheet by its cell.
    """
    yield from _changes(ctx, plan, _propose(ctx, upload, stream), start)


def plan_undo(ctx: HubContext, plan: Plan, source: Plan, start: Start) -> Iterator[Change]:
    """Yield what it changes to bring back the table that was there before a plan, and who saw which segment.

    Roles, segments and options that came with the plan stay: members may have them by hand.

    Raises
    ------
    RefusedError
        ``superseded`` if another table was published since.
    """
    made = _stored(source)
    if (ctx.table.version, _publisher(ctx)) != (made.table.version, source.plan_id):
        msg = "Another data mapping table was published since. Undo that one first."
        raise RefusedError(msg, code="superseded")
    before = mapping.table_at(plan.hub_id, made.table.version - 1, made.replaces)
    shown = {segment.segment_id: segment.visibility for segment in ctx.catalogue.segments}
    given = dict(made.visibility)
    visibility = tuple(
        (segment_id, Visibility(old))
        for segment_id, old in made.visibility_before
        if shown.get(segment_id) is given.get(segment_id)
    )
    proposal = Proposal(replace(before, version=ctx.table.version + 1), visibility=visibility)
    yield from _changes(ctx, plan, proposal, start)


def plan_changes(ctx: HubContext, plan: Plan, start: Start) -> Iterator[Change]:
    """Yield what a table changes that no file brings: rules added or taken out, or an older version brought back.

    Raises
    ------
    RefusedError
        ``superseded`` if another table, or something of the same name, came in between.
    """
    yield from _changes(ctx, plan, _stored(plan), start)


def store_proposal(ctx: HubContext, plan_id: str, proposed: Proposal) -> Proposal:
    """Keep what a plan proposes, and what there is before; return what was kept first."""
    before = {segment.segment_id: str(segment.visibility) for segment in ctx.catalogue.segments}
    proposed = replace(
        proposed,
        replaces=_publisher(ctx),
        visibility_before=tuple((name, before[name]) for name, _ in proposed.visibility if name in before),
    )
    body = json.dumps(proposal_to_json(proposed), sort_keys=True).encode()
    return proposal_from_json(json.loads(parts.write_once(parts.table_key(ctx.hub.hub_id, plan_id), body)))


def _changes(ctx: HubContext, plan: Plan, proposed: Proposal, start: Start) -> Iterator[Change]:
    proposal = store_proposal(ctx, plan.plan_id, proposed)
    after = _extended(ctx, proposal).catalogue
    rules = compare_rules(ctx.table, proposal.table, after)
    told = [
        *_new_things(ctx.catalogue, proposal),
        *(Change(row=rule.row, outcome=rule.outcome, kind="rule", edits=_in_words(rule)) for rule in rules),
    ]
    yield from told[start.skip :]
    coming = replace(ctx, table=proposal.table, catalogue=after)
    # Whom runs before this one listed is not read again: in a large hub that would soon take the whole time of a run.
    last = parts.read_part(plan.hub_id, plan.plan_id, plan.parts)[-1].subject if start.skip > len(told) else ""
    listed = members.all_members(plan.hub_id, last)
    while batch := list(islice(listed, BATCH)):
        asked = [part.person_id for member in batch for part in member.slices.values()]
        records = people.get_persons(plan.hub_id, asked)
        for member in batch:
            yield _preview(ctx, coming, member, records)


def _extended(ctx: HubContext, proposal: Proposal) -> Extension:
    """Return the catalogue with what the table needs, if the table may still follow the published one."""
    if ctx.table.version != proposal.table.version - 1:
        msg = "Another table was published since. Look at what it says now, then make this change again."
        raise RefusedError(msg, code="superseded")
    try:
        return extend(ctx.catalogue, proposal)
    except NameTakenError as exc:
        detail = "Roles or segments changed since this plan was made. Make this change again."
        raise RefusedError(detail, code="superseded") from exc


def _publisher(ctx: HubContext) -> str:
    """Return the id of the plan that published the present table; empty if none did."""
    return str((mapping.published(ctx.hub.hub_id) or {}).get("plan_id", ""))


def _stored(plan: Plan) -> Proposal:
    return proposal_from_json(json.loads(parts.read(parts.table_key(plan.hub_id, plan.plan_id))))


def _in_words(rule: RuleChange) -> tuple[Edit, ...]:
    """Return an edit for each segment a rule is about, its id in the column: not everybody may see all of them."""
    name = f"{rule.field} = {rule.value}"
    return tuple(Edit(name, old, new, f"rule:{segment_id}") for segment_id, old, new in rule.by_segment())


def _propose(ctx: HubContext, upload: Upload, stream: BinaryIO) -> Proposal:
    permissions = {Permission(permission) for permission in upload.permissions}
    visible = {segment.segment_id for segment in visible_segments(ctx.catalogue, permissions)}
    rows = read_sheet(stream)
    check_seen(rows, ctx.catalogue, visible)
    found = resolve(rows, ctx.catalogue, new_id)
    return proposal_of(ctx, found, keep_unseen(found.rules, ctx.table, ctx.catalogue, visible))


def proposal_of(ctx: HubContext, found: Resolution, rules: tuple[Rule, ...], place: str = "file") -> Proposal:
    """Return the table of these rules as the next version, with what was found to be new.

    Raises
    ------
    MalformedError
        If it needs more new things than can be made at once, with ``place``.
    """
    proposal = Proposal(
        MappingTable(ctx.table.version + 1, rules),
        found.new_roles,
        found.new_segments,
        found.new_options,
        found.visibility,
    )
    extension = extend(ctx.catalogue, proposal)
    if len(extension.roles) + len(extension.segments) >= segments.MAX_CHANGES:
        detail = f"This table needs {segments.MAX_CHANGES} or more new roles and segments. Please create some first."
        raise MalformedError([Fault(place, "too_many_new", detail)])
    faults = [
        Fault(place, "too_many_options", f"“{segment.name}” would get {len(segment.options):,} options. {_MOST}")
        for segment in extension.segments
        if len(segment.options) > MAX_OPTIONS
    ]
    if faults:
        raise MalformedError(faults)
    try:
        segments.catalogue_actions(ctx.hub.hub_id, ctx.catalogue_version, extension.roles, extension.segments)
    except TooLargeToStoreError as exc:
        raise MalformedError([Fault(place, exc.code, exc.detail)]) from exc
    return proposal


def _new_things(catalogue: Catalogue, proposal: Proposal) -> Iterator[Change]:
    names = {segment.segment_id: segment.name for segment in (*catalogue.segments, *proposal.segments)}
    shown = {segment.segment_id: str(segment.visibility) for segment in catalogue.segments}
    for role in proposal.roles:
        yield Change(row=0, outcome="role_new", kind="role", edits=(Edit("Role", (), (role.label,), "role"),))
    for segment in proposal.segments:
        said, column = (segment.name, str(segment.visibility)), f"segment:{segment.segment_id}"
        yield Change(row=0, outcome="segment_new", kind="segment", edits=(Edit("Segment", (), said, column),))
    for segment_id, option in proposal.options:
        edit = Edit(names[segment_id], (), (option.label,), f"segment:{segment_id}")
        yield Change(row=0, outcome="option_new", kind="option", edits=(edit,))
    for segment_id, visibility in proposal.visibility:
        edit = Edit(names[segment_id], (shown.get(segment_id, ""),), (str(visibility),), f"visibility:{segment_id}")
        yield Change(row=0, outcome="visibility_changed", kind="segment", edits=(edit,), warnings=of_edits((edit,)))


def _preview(ctx: HubContext, coming: HubContext, member: Member, records: Mapping[str, PersonRecord]) -> Change:
    fresh = recompute.recomputed(coming, member, records)
    single = single_valued(coming.catalogue)
    edits = _differences(view(member, ctx.hub, single), view(fresh, ctx.hub, single), coming.catalogue)
    return Change(
        row=0,
        outcome="recompute" if edits else "unchanged",
        # The others are looked at by the hundred, in the tail: reading each by itself takes a hub of 100,000 an hour.
        todo=fresh != member,
        kind="member",
        subject=member.member_id,
        edits=edits,
        warnings=(LAST_ROLE,) if fresh.kept_roles and fresh.kept_roles != member.kept_roles else (),
    )


def _differences(old: View, new: View, catalogue: Catalogue) -> tuple[Edit, ...]:
    names = {segment.segment_id: segment.name for segment in catalogue.segments}
    compared: list[tuple[str, str, tuple[str, ...], tuple[str, ...]]] = [("roles", "roles", old.roles, new.roles)]
    for segment_id in sorted({*old.segments, *new.segments}):
        before, after = old.segments.get(segment_id, ()), new.segments.get(segment_id, ())
        compared.append((f"segment:{segment_id}", names.get(segment_id, segment_id), before, after))
    for name in sorted({*old.profile, *new.profile}):
        before, after = (tuple(filter(None, [shown.profile.get(name)])) for shown in (old, new))
        compared.append((f"profile:{name}", name, before, after))
    return tuple(
        Edit(name, labels_of(column, before, catalogue), labels_of(column, after, catalogue), column)
        for column, name, before, after in compared
        if set(before) != set(after)
    )


def begin(ctx: HubContext, plan: Plan) -> None:
    """Publish the table with the roles, segments and options it needs, in one transaction; a second time does nothing.

    Raises
    ------
    RefusedError
        ``superseded`` if another table, or something of the same name, came in between.
    TransientError
        If others wrote too often in these moments.
    """
    hub_id = plan.hub_id
    proposal = _stored(plan)
    for _ in tries():
        now_published = mapping.published(hub_id)
        if now_published and now_published["plan_id"] == plan.plan_id:
            return
        ctx = context.load(hub_id)
        extension = _extended(ctx, proposal)
        mapping.store_table(hub_id, proposal.table, plan.plan_id)
        table = proposal.table
        version = mapping.Version(table.version, plan.plan_id, to_text(now()), plan.approved_by, len(table.rules))
        actions = mapping.publish_actions(hub_id, version)
        if extension.roles or extension.segments:
            actions += segments.catalogue_actions(hub_id, ctx.catalogue_version, extension.roles, extension.segments)
            entry = record_catalogue(
                hub_id,
                ctx.catalogue_version + 1,
                ctx.catalogue,
                extension.roles,
                extension.segments,
                actor=plan.approved_by,
                cause=f"plan:{plan.plan_id}",
                at=version.published_at,
            )
            actions.append(activity.put_action(entry))
        try:
            dynamo.write(actions)
        except dynamo.ConditionFailedError:
            continue
        return
    raise TransientError


def apply_change(ctx: HubContext, plan: Plan, change: Change) -> Result:
    """Compute a member anew from what is there now; the lines about rules are there to be read only."""
    try:
        is_written = recompute.recompute_member(ctx, change.subject, _change(plan))
    except TooLargeToStoreError as exc:
        return Result("error", exc.code, exc.detail)
    if is_written:
        return Result("applied")
    return Result("applied" if change.edits else "unchanged")


def recompute_shard(ctx: HubContext, plan: Plan, shard: int) -> None:
    """Compute the members of one shard anew: some came or changed since the plan was made."""
    recompute.recompute_shard(ctx, shard, _change(plan))


def _change(plan: Plan) -> MemberChange:
    return MemberChange(f"plan:{plan.plan_id}", plan.approved_by, to_text(now()))
