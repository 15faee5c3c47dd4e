"""Drift, rules and versions of the data mapping table through the API: on moto."""

from __future__ import annotations

import itertools
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from rollcall.hubs import context
from rollcall.hubs import store as hubs
from rollcall.people.events import Kind
from rollcall.plans import applying, approval
from rollcall.plans.model import Plan, PlanState
from rollcall.plans.store import get_plan
from rollcall.runtime import dynamo
from tests.support.admin import Answer, call, claims_of
from tests.support.faults import MODES, injected, until_quiet
from tests.support.plans import admin_of, approve, changes_of, current, drain
from tests.support.world import RULES, World, everything

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.usefixtures("aws")

BERLIN = {"field": "Office", "value": "Berlin", "hub_type": "Segment", "hub_field": "Location"}
GONE = {"field": "Office", "value": "Berlin"}
TO_BERLIN = BERLIN | {"hub_attribute": "Berlin"}


@pytest.fixture
def world() -> World:
    return World().build()


def ask(world: World, method: str, path: str, body: object = None, *, role: str = "admin", **more: Any) -> Answer:
    claims = claims_of(f"{world.hub.hub_id}:{role}")
    return call(method, f"/hubs/{world.hub.hub_id}/mapping{path}", claims, body, **more)


def tell(world: World, name: str, seconds: int = 0, kind: Kind = Kind.UPDATED, **attributes: Any) -> None:
    fields = {"email": f"{name}@example.com", "first_name": name.title(), "last_name": "Okafor"}
    world.tell(world.event(f"{name}{seconds}{kind}", seconds, kind, name, fields=fields, attributes=attributes))


def joined(world: World, name: str, **attributes: Any) -> str:
    tell(world, name, 0, Kind.ADDED, **attributes)
    return world.enrol(name, roles=("mentee",))


def made(world: World, answer: Answer) -> Plan:
    """Return the plan that a request began, made."""
    assert answer.status == 202, answer.text
    drain(world)
    plan = get_plan(world.hub.hub_id, answer.json["plan_id"])
    assert plan is not None
    assert answer.headers["location"] == f"/hubs/{world.hub.hub_id}/plans/{plan.plan_id}"
    return plan


def drift(world: World, role: str = "admin") -> list[tuple[str, str | None, int]]:
    answer = ask(world, "GET", "/unmapped", role=role)
    assert answer.status == 200, answer.text
    return [(one["field"], one["value"], one["people"]) for one in answer.json["items"]]


def test_a_new_office_is_told_mapped_and_taken_back(world: World) -> None:
    """Berlin is drift with its people; the plan names exactly the members; they get the option, and lose it again."""
    ids = [joined(world, name, Office="berlin" if name == "ana" else "Berlin") for name in ("ana", "ben")]
    beside = joined(world, "cleo", Office="London")
    tell(world, "potential", 0, Kind.ADDED, Office="Berlin")
    before = {item["pk"]: item for item in everything("MEMBERS_TABLE")}
    assert drift(world) == [("Office", "Berlin", 3)]
    plan = made(world, ask(world, "POST", "/rules", {"rules": [TO_BERLIN]}))
    assert plan.counts == {"option_new": 1, "rule_new": 1, "recompute": 2, "unchanged": 1}
    assert {change.subject for change in changes_of(plan) if change.outcome == "recompute"} == set(ids)
    assert approve(world, plan).counts["applied"] == 2
    segment = context.load(world.hub.hub_id).catalogue.segment("Location")
    option = segment.option("Berlin") if segment else None
    assert option is not None
    assert [world.shown(one)["segments"] for one in ids] == [{"location": [option.option_id]}] * 2
    assert drift(world) == []
    back = made(world, ask(world, "POST", "/versions/1/restore"))
    assert back.counts == {"rule_gone": 1, "recompute": 2, "unchanged": 1}
    assert approve(world, back).state is PlanState.APPLIED
    assert [world.shown(one)["segments"] for one in ids] == [{}, {}]
    assert drift(world) == [("Office", "Berlin", 3)]
    after = {item["pk"]: item for item in everything("MEMBERS_TABLE")}
    untouched = next(pk for pk in before if pk.endswith(beside))
    assert after[untouched] == before[untouched]
    listed = ask(world, "GET", "/versions", role="viewer").json["items"]
    assert [(one["version"], one["rules"], one["plan_id"]) for one in listed] == [
        (3, len(RULES), back.plan_id),
        (2, len(RULES) + 1, plan.plan_id),
        (1, len(RULES), "plan1"),
    ]
    assert listed[0]["published_by"] == "admin-2"
    old, now = ask(world, "GET", "/versions/1").json, ask(world, "GET", "").json
    assert (old["rules"], now["version"]) == (now["rules"], 3)
    assert [rule["value"] for rule in ask(world, "GET", "/versions/2").json["rules"]][-1] == "Berlin"


def test_versions_and_drift_come_in_pages(world: World) -> None:
    """Every entry once, whatever the size of a page."""
    for version in (2, 3, 4, 5):
        world.publish(version, RULES)
    tell(world, "maya", 0, Kind.ADDED, Office=("Berlin", "Oslo", "Zürich"), Team="Red", Desk="4")
    tell(world, "ana", 0, Kind.ADDED, Office=("oslo",), Team="Red")
    for path, count in (("/versions", 5), ("/unmapped", 5)):
        whole = ask(world, "GET", path).json
        assert (len(whole["items"]), whole["next_cursor"]) == (count, None)
        pages: list[Any] = []
        cursor: str | None = ""
        while cursor is not None:
            page = ask(world, "GET", path, query={"limit": "2", **({"cursor": cursor} if cursor else {})}).json
            assert len(page["items"]) <= 2
            pages += page["items"]
            cursor = page["next_cursor"]
        assert pages == whole["items"]
        assert ask(world, "GET", path, query={"cursor": "bm90IGFuIGVudHJ5"}).json["code"] == "malformed"
    assert [(one["field"], one["people"]) for one in whole["items"][:3]] == [("Desk", 1), ("Office", 2), ("Office", 1)]


def test_viewers_see_fields_and_no_value_of_the_directory(world: World) -> None:
    """Who may not see HRIS values sees how many people wait in which field; hidden segments are never suggested."""
    tell(world, "maya", 0, Kind.ADDED, Office="Berlin", Tongue="French")
    for role, expected in {
        "viewer": [("Office", None, 1), ("Tongue", None, 1)],
        "inviter": [("Office", None, 1), ("Tongue", None, 1)],
        "mapper": [("Office", "Berlin", 1), ("Tongue", "French", 1)],
        "approver": [("Office", "Berlin", 1), ("Tongue", "French", 1)],
        "privacy": [("Office", "Berlin", 1), ("Tongue", "French", 1)],
    }.items():
        assert drift(world, role) == expected
    text = ask(world, "GET", "/unmapped", role="viewer").text
    assert "Berlin" not in text
    assert "French" not in text
    (found,) = [one["suggestion"] for one in ask(world, "GET", "/unmapped").json["items"] if one["field"] == "Tongue"]
    assert found == {"hub_type": "Segment", "hub_field": "Languages", "hub_attribute": "French", "score": 1.0}


def test_a_hub_too_big_to_count_at_once_is_told_what_to_do(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is answered by half: the export counts as long as it takes."""
    tell(world, "maya", 0, Kind.ADDED, Office="Berlin")
    monkeypatch.setattr("rollcall.mapping.api.COUNT_SECONDS", -1.0)
    answer = ask(world, "GET", "/unmapped")
    assert (answer.status, answer.json["code"], "Start an export" in answer.text) == (409, "too_many_to_count", True)


EVERY_DAY = {("rules", "restore", True), ("restore", "rules", False)}


@pytest.mark.parametrize(
    ("first", "second", "is_read_before"),
    [
        pytest.param(*case, marks=() if case in EVERY_DAY else pytest.mark.long)
        for case in itertools.product(("rules", "restore"), ("rules", "restore"), (True, False))
    ],
)
def test_of_two_admins_the_second_is_told_and_nothing_is_overwritten(
    world: World, first: str, second: str, *, is_read_before: bool
) -> None:
    """Whoever read the older table is refused; of two plans made from one table only one is published."""
    world.publish(2, RULES[1:])
    requests: dict[str, tuple[str, object]] = {
        "rules": ("/rules", {"rules": [TO_BERLIN]}),
        "restore": ("/versions/1/restore", None),
    }
    headers = {"if-match": ask(world, "GET", "").headers["etag"]}

    def request(what: str) -> Answer:
        path, body = requests[what]
        return ask(world, "POST", path, body, headers=headers)

    one = made(world, request(first))
    if is_read_before:
        other = made(world, request(second))
        assert approve(world, one).state is PlanState.APPLIED
        late = approve(world, other)
        assert (late.state, "Another table was published" in late.detail) == (PlanState.FAILED, True)
    else:
        assert approve(world, one).state is PlanState.APPLIED
        assert request(second).status == 412
    pointer = dynamo.get("HUBS_TABLE", world.hub.hub_id, "MAPPING")
    assert pointer is not None
    assert (pointer["version"], pointer["plan_id"]) == (3, one.plan_id)


def test_a_plan_not_yet_made_when_another_table_is_published_is_refused(world: World) -> None:
    """It says what to do, and shows nothing that is not so any more."""
    answer = ask(world, "POST", "/rules", {"rules": [TO_BERLIN]})
    world.publish(2, RULES[1:])
    plan = made(world, answer)
    assert (plan.state, "make this change again" in plan.detail) == (PlanState.FAILED, True)


def test_a_rule_is_replaced_in_one_request(world: World) -> None:
    """Taken out and added: the plan calls it changed."""
    member_id = joined(world, "maya", Office="London")
    to_toronto = BERLIN | {"value": "London", "hub_attribute": "Toronto"}
    body = {"rules": [to_toronto], "remove": [{"field": "office", "value": "london"}]}
    plan = made(world, ask(world, "POST", "/rules", body, role="mapper"))
    assert plan.counts == {"rule_changed": 1, "recompute": 1}
    approve(world, plan)
    assert world.shown(member_id)["segments"] == {"location": ["toronto"]}


FAULTY: list[tuple[object, tuple[str, str]]] = [
    ({}, ("rules", "nothing_to_change")),
    ({"rules": [TO_BERLIN, BERLIN]}, ("rules.1.hub_attribute", "missing_hub_attribute")),
    ({"rules": [TO_BERLIN, TO_BERLIN]}, ("rules.1.hub_attribute", "duplicate_rule")),
    ({"rules": [TO_BERLIN | {"value": "London"}]}, ("rules.0", "contradicting_rule")),
    ({"remove": [{"field": "Office", "value": "Berlin"}]}, ("remove.0", "no_such_rule")),
]


def test_every_fault_is_named_by_its_place_and_nothing_is_planned(world: World) -> None:
    """In the words of the request, not of a spreadsheet."""
    for body, fault in FAULTY:
        answer = ask(world, "POST", "/rules", body)
        assert answer.status == 400
        assert [(one["place"], one["code"]) for one in answer.json["faults"]] == [fault]
    assert everything("PLANS_TABLE") == []


def test_only_mappers_change_the_table(world: World) -> None:
    """An approver approves, a viewer looks."""
    for role, path in (("viewer", "/rules"), ("approver", "/versions/1/restore")):
        assert ask(world, "POST", path, {"rules": [TO_BERLIN]}, role=role).status == 403


def test_a_version_that_is_none_or_applies_already_is_not_brought_back(world: World) -> None:
    """Nothing is planned for it."""
    for version, code in ((7, "not_found"), (0, "not_found"), (1, "is_current")):
        assert ask(world, "POST", f"/versions/{version}/restore").json["code"] == code
    assert everything("PLANS_TABLE") == []


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("step", [1000, pytest.param(1, marks=pytest.mark.long)])
def test_rules_are_published_and_listed_once_whatever_fails(
    world: World, step: int, figure: Callable[[str], None]
) -> None:
    """At every AWS call (or each so many) from the request to the last part: one version more, and members follow."""
    member_id = joined(world, "maya", Office="Berlin")

    def change(version: int) -> dict[str, object]:
        """Return rules that send Berlin elsewhere than the version before does."""
        label = ("London", "Toronto")[version % 2]
        return {"rules": [BERLIN | {"hub_attribute": label}], "remove": [GONE] if version > 1 else []}

    change_table(world, change(1), [])
    with injected() as counted:
        change_table(world, change(2), [])
    calls = len(counted.calls)
    numbers = range(1, calls + 1, step)
    for version, number in enumerate(numbers, start=3):
        mode = MODES[version % len(MODES)]
        begun: list[str] = []
        injector = until_quiet(partial(change_table, world, change(version), begun), at=number, mode=mode)
        where = f"{mode} at {number}: {injector.calls[number - 1 : number]}"
        assert len(injector.calls) >= number, where
        assert world.shown(member_id)["segments"] == {"location": [("london", "toronto")[version % 2]]}, where
        listed = ask(world, "GET", "/versions").json["items"]
        assert [one["version"] for one in listed][:2] == [version + 1, version], where
        assert listed[0]["plan_id"] == begun[0], where
    figure(f"rules by the API, one fault each at {len(numbers)} of {calls} AWS calls: always one version more")


def change_table(world: World, change: object, begun: list[str]) -> None:
    """Ask until there is an answer, as a client does; then do what approval and messages do, however often."""
    hubs.forget_secrets()
    if not begun:
        answer = ask(world, "POST", "/rules", change)
        if answer.status != 202:
            raise ConnectionError(answer.text)
        begun.append(answer.json["plan_id"])
    pointer = {"hub_id": world.hub.hub_id, "plan_id": begun[0]}
    applying.handle_pointer(pointer | {"part": "plan"})
    plan = get_plan(world.hub.hub_id, begun[0])
    assert plan is not None
    if plan.state is PlanState.AWAITING_APPROVAL:
        approval.approve(plan.hub_id, plan.plan_id, plan.hash, admin_of(world, "admin-2"))
    for part in range(plan.parts + 1):
        applying.handle_pointer(pointer | {"part": part})
    assert current(plan).state is PlanState.APPLIED
