"""Every sample in ``events/<provider>/`` is verified and understood.

It is signed with the vendor's package, or where there is none as ``tests/support/vendors.py`` says.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from workos.webhooks._verification import verify_header

from rollcall.hubs.model import Source
from rollcall.people.events import DirectoryEvent, Ignored
from rollcall.runtime.errors import UnauthenticError
from rollcall.sources import standard, workos
from rollcall.sources.model import Delivery
from rollcall.sources.registry import PROVIDERS, provider
from tests.support.vendors import (
    BAMBOOHR_SECRET,
    FINCH_SECRET,
    FORM,
    MERGE_SECRET,
    OKTA_SECRET,
    STANDARD_SECRET,
    WORKOS_SECRET,
    sign_bamboohr,
    sign_finch,
    sign_merge,
    sign_okta,
    sign_standard,
    sign_workos,
)

EVENTS = Path(__file__).parents[2] / "events"
AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
Signer = Callable[[bytes, datetime], dict[str, str]]
SIGNERS: dict[str, tuple[Signer, str]] = {
    "standard": (sign_standard, STANDARD_SECRET),
    "workos": (sign_workos, WORKOS_SECRET),
    "bamboohr": (sign_bamboohr, BAMBOOHR_SECRET),
    "finch": (sign_finch, FINCH_SECRET),
    "merge": (sign_merge, MERGE_SECRET),
    "okta": (sign_okta, OKTA_SECRET),
}
EXPECTED_FILE = "expected.json"  # what the samples lead to: test_sources_journeys.py
SAMPLES = sorted(path for name in PROVIDERS for path in (EVENTS / name).glob("*.*") if path.name != EXPECTED_FILE)

# What each sample says: kind, complete, and a few of the values; or the reason why it is ignored.
EXPECTED = {
    "bamboohr/company.deleted": "whole_source",
    "bamboohr/employee.created": "look(added)",
    "bamboohr/employee.deleted": "deleted",
    "bamboohr/employee.deleted.form": "deleted",
    "bamboohr/employee.updated": "look(updated)",
    "bamboohr/employee_with_fields.created_then_updated.wrapped_values": "look(added) updated",
    "bamboohr/employee_with_fields.deleted": "deleted",
    "bamboohr/employee_with_fields.updated": "updated deactivated",
    "bamboohr/employee_with_fields.updated.chosen_post_fields": "deactivated",
    "bamboohr/employee_with_fields.updated.form": "updated deactivated",
    "finch/account.updated.disconnected": "whole_source",
    "finch/employment.updated": "look(updated)",
    "finch/individual.created": "look(added)",
    "finch/individual.deleted": "deleted",
    "finch/test": "test",
    "merge/Employee.added": "added",
    "merge/Employee.changed": "updated",
    "merge/Employee.changed.inactive": "deactivated",
    "merge/Employee.changed.leaves_later": "updated",
    "merge/Employee.changed.sensitive_fields": "updated",
    "merge/Employee.removed": "deleted",
    "merge/LinkedAccount.deleted": "whole_source",
    "okta/application.user_membership.add": "unused_type",
    "okta/group.user_membership.add": "updated",
    "okta/user.account.update_profile": "updated",
    "okta/user.lifecycle.create": "added",
    "okta/user.lifecycle.deactivate": "deactivated deactivated",
    "okta/user.lifecycle.deactivate.failed": "not_done",
    "okta/user.lifecycle.delete.initiated": "deleted",
    "okta/user.lifecycle.reactivate": "reactivated reactivated",
    "standard/list-two_people": "added added",
    "standard/person.added-complete": "added",
    "standard/person.deactivated-only_id": "deactivated",
    "standard/person.deleted-only_id": "deleted",
    "standard/person.reactivated-only_id": "reactivated",
    "standard/person.updated-partial": "updated",
    "standard/user.created": "unused_type",
    "workos/dsync.deleted": "whole_source",
    "workos/dsync.group.user_added": "updated",
    "workos/dsync.user.created": "added",
    "workos/dsync.user.deleted": "deleted",
    "workos/dsync.user.updated": "updated",
    "workos/dsync.user.updated.inactive": "deactivated",
}


def source(name: str, **settings: str) -> Source:
    """Return a source of a provider."""
    return Source("0" * 26, "1" * 26, name, "Test", "0" * 32, settings=settings)


def said(event: DirectoryEvent | Ignored) -> str:
    """Return kind or reason; ``look`` for what says only who."""
    if isinstance(event, DirectoryEvent) and event.look:
        return f"look({event.kind})"
    return event.reason if isinstance(event, Ignored) else str(event.kind)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_signed_sample_is_understood(path: Path) -> None:
    """A signed sample passes, and says what it should."""
    name = path.parent.name
    signer, secret = SIGNERS[name]
    body = path.read_bytes()
    form = {"content-type": FORM} if path.stem.endswith(".form") else {}
    delivery = Delivery(body, signer(body, AT) | form, AT)
    module = provider(name)
    module.verify(delivery, ["another secret", secret])
    events = module.parse(delivery, source(name))
    assert " ".join(said(event) for event in events) == EXPECTED[f"{name}/{path.stem}"]


def test_every_expectation_has_its_sample() -> None:
    """No sample was removed without its line here, so a new sample is a new test and an old one is missed."""
    assert {f"{path.parent.name}/{path.stem}" for path in SAMPLES} == set(EXPECTED)


def test_published_vector_is_accepted() -> None:
    """The vector of the Standard Webhooks libraries passes at its time and not five minutes later."""
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    body = b'{"test": 2432232314}'
    at = datetime.fromtimestamp(1614265330, UTC)
    standard.verify(Delivery(body, headers, at + timedelta(seconds=299)), [STANDARD_SECRET])
    for wrong in (301, -301):
        with pytest.raises(UnauthenticError):
            standard.verify(Delivery(body, headers, at + timedelta(seconds=wrong)), [STANDARD_SECRET])


def test_what_we_accept_from_workos_their_verifier_accepts() -> None:
    """WorkOS's own verifier agrees with ours on a fresh delivery."""
    body = (EVENTS / "workos" / "dsync.user.created.json").read_bytes()
    at = datetime.now(UTC)
    headers = sign_workos(body, at)
    verify_header(event_body=body, event_signature=headers["workos-signature"], secret=WORKOS_SECRET)
    workos.verify(Delivery(body, headers, at), [WORKOS_SECRET])


def test_workos_record_becomes_a_whole_person() -> None:
    """The user's own clock, e-mail, names, flat attributes and role are taken over; the record is complete."""
    body = (EVENTS / "workos" / "dsync.user.updated.json").read_bytes()
    (event,) = workos.parse(Delivery(body, {}, AT), source("workos"))
    assert isinstance(event, DirectoryEvent)
    assert (event.occurred_at, event.complete, event.active) == ("2026-11-03T14:22:09.518Z", True, True)
    assert event.fields == {
        "email": "maya.okafor-hale@example.com",
        "first_name": "Maya",
        "last_name": "Okafor-Hale",
    }
    assert event.attributes["department_name"] == "Partnerships"
    assert event.attributes["cost_center_name"] is None
    assert event.attributes["role"] == ("member",)


def test_group_membership_has_its_own_clock() -> None:
    """A group event moves the membership only, at the envelope's time, and says nothing of the record."""
    body = (EVENTS / "workos" / "dsync.group.user_added.json").read_bytes()
    (event,) = workos.parse(Delivery(body, {}, AT), source("workos"))
    assert isinstance(event, DirectoryEvent)
    assert (event.groups, event.complete, event.fields) == ({"Mentors": True}, False, {})
    assert event.occurred_at == "2026-11-04T09:00:00.000Z"


def test_list_names_each_event_and_flattens() -> None:
    """Events of a list have ids of their own; nested attributes become dotted names, numbers text."""
    body = (EVENTS / "standard" / "list-two_people.json").read_bytes()
    one, two = standard.parse(Delivery(body, {"webhook-id": "msg_1"}, AT), source("standard"))
    assert isinstance(one, DirectoryEvent)
    assert isinstance(two, DirectoryEvent)
    assert one.event_id != two.event_id
    assert two.attributes == {"Office.City": "Warszawa", "Office.Floor": "3"}
    assert two.occurred_at == "2026-11-22T12:00:00.000Z"
