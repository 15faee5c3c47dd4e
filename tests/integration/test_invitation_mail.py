"""What people decide about mails: doubts settled, addresses freed, reminders stopped, a look before they go."""

from __future__ import annotations

import importlib.util
import itertools
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ReadTimeoutError

from rollcall.invitations.accept import unsubscribe
from rollcall.invitations.links import make_token
from rollcall.invitations.model import InvitationStatus
from rollcall.invitations.store import put_invitation
from rollcall.mail.model import Kind, State
from rollcall.people import store as people
from rollcall.privacy.purge import run_erasure
from rollcall.runtime import clients, dynamo
from rollcall.sweeping.invitations import look_at_invitation
from tests.support.admin import Answer, call, claims_of
from tests.support.aws import back_to, snapshot
from tests.support.outbox import DAY, Outbox, one_invitation
from tests.support.world import everything

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

APP = Path(__file__).parents[2] / "functions" / "accept_invitation" / "app.py"
PAGES = ("/invitations/{token}", "/invitations/{token}/unsubscribe")


@pytest.fixture
def outbox(aws: None) -> Outbox:
    return one_invitation()


def ask(outbox: Outbox, method: str, path: str, *, role: str = "admin", **more: Any) -> Answer:
    return call(method, f"/hubs/{outbox.hub_id}{path}", claims_of(f"{outbox.hub_id}:{role}"), **more)


def about(outbox: Outbox, verb: str, **more: Any) -> Answer:
    return ask(outbox, "POST", f"/invitations/{outbox.invitation.address_id}/{verb}", **more)


def in_doubt(outbox: Outbox) -> Outbox:
    """Let the answer of SES to the first mail get lost, and its lease run out."""

    def lose(model: Any, **_: Any) -> None:
        if model.name == "SendEmail":
            raise ReadTimeoutError(endpoint_url="https://ses.example.com")

    clients.sesv2().meta.events.register("after-call", lose, unique_id="lose")
    assert outbox.send() == "in_doubt"
    clients.sesv2().meta.events.unregister("after-call", unique_id="lose")
    outbox.at += DAY / 24
    outbox.sweep()
    return outbox


@pytest.fixture
def app() -> ModuleType:
    """Load the function behind the links."""
    spec = importlib.util.spec_from_file_location("accept_invitation_app", APP)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def visit(app: ModuleType, outbox: Outbox, route: str, *, token: str = "", accept: str = "text/html") -> dict[str, Any]:
    event = {"routeKey": route, "pathParameters": {"token": token or outbox.token}, "headers": {"accept": accept}}
    answer: dict[str, Any] = app.handler(event, None)
    return answer


def test_doubtful_mail_is_listed_and_settled_by_an_admin(outbox: Outbox) -> None:
    """Until somebody decides it is listed as UNKNOWN; then it is sent, who said so is kept, and reminders go on."""
    in_doubt(outbox)
    (listed,) = ask(outbox, "GET", "/invitations", query={"mail_state": "UNKNOWN"}).json["items"]
    assert (listed["status"], listed["mail_state"]) == ("queued", "UNKNOWN")
    settled = about(outbox, "mark-sent", role="inviter").json
    assert (settled["status"], settled["mail_state"]) == ("sent", "SENT")
    assert about(outbox, "mark-sent").json["status"] == "sent"
    assert ask(outbox, "GET", "/invitations", query={"mail_state": "UNKNOWN"}).json["items"] == []
    assert (outbox.mail().to, outbox.sent()) == (None, 1)
    look_at_invitation(outbox.hub_id, outbox.invitation.address_id, outbox.at + 4 * DAY)
    assert outbox.mail(2).kind is Kind.REMINDER


def test_doubtful_mail_is_sent_anew_by_an_admin(outbox: Outbox) -> None:
    """The second mail is an invitation again, since the first may never have come; its link is the same."""
    in_doubt(outbox)
    token = outbox.token
    assert about(outbox, "resend").json["mails"] == 2
    outbox.at += DAY
    assert (outbox.mail(2).kind, outbox.send(2), outbox.token) == (Kind.INVITATION, "sent", token)


@pytest.mark.parametrize("role", ["viewer", "mapper"])
def test_doubt_is_settled_by_inviters_only(outbox: Outbox, role: str) -> None:
    """Who only looks on decides nothing."""
    in_doubt(outbox)
    assert about(outbox, "mark-sent", role=role).status == 403
    assert outbox.mail().state is State.UNKNOWN


def decisions(outbox: Outbox, path: str = "/activity") -> list[tuple[str, str | None, str, str]]:
    kinds = {"mail_told_sent", "invitation_resent", "suppression_lifted"}
    items = [one for one in ask(outbox, "GET", path, role="viewer").json["items"] if one["kind"] in kinds]
    return [(one["kind"], one["old"], one["new"], one["actor"]) for one in reversed(items)]


def test_what_an_admin_decides_about_mails_is_in_the_activity(outbox: Outbox) -> None:
    """Settled, sent again, freed: who did it, once each; of somebody erased nothing is left."""
    in_doubt(outbox)
    for verb in ("mark-sent", "mark-sent", "resend", "resend"):
        about(outbox, verb)
    outbox.at += DAY
    outbox.send(2)
    outbox.report("Bounce", bounce={"timestamp": "2026-10-05T08:00:09.000Z", "bounceType": "Permanent"})
    for _ in range(2):
        assert about(outbox, "lift-suppression").status == 200
    expected = [
        ("mail_told_sent", "unknown", "sent", "subject-of-ada"),
        ("invitation_resent", None, "2", "subject-of-ada"),
        ("suppression_lifted", "bounced", "lifted", "subject-of-ada"),
    ]
    assert decisions(outbox) == expected
    member_id = outbox.world.enrol(roles=("mentee",))
    assert decisions(outbox, f"/members/{member_id}/activity") == expected
    erased = ask(outbox, "POST", f"/people/{outbox.world.person_id()}/erase", body={"reason": "They asked for it."})
    assert decisions(outbox) == []
    run_erasure(outbox.hub_id, erased.json["erasure_id"])
    left = everything("ACTIVITY_TABLE")
    assert [item for item in left if item["subject"] == outbox.invitation.address_id] == []


def test_a_revocation_is_in_a_timeline_once_with_who_did_it(outbox: Outbox) -> None:
    """Not a second time as the end of the invitation, of which nobody knows who brought it about."""
    about(outbox, "revoke")
    member_id = outbox.world.enrol(roles=("mentee",))
    items = ask(outbox, "GET", f"/members/{member_id}/activity", role="viewer").json["items"]
    ends = [one for one in items if one["new"] == "revoked"]
    assert [(one["kind"], one["actor"]) for one in ends] == [("invitation_revoked", "subject-of-ada")]


def test_mail_that_waits_cannot_be_called_sent(outbox: Outbox) -> None:
    """Only a doubt is settled by hand."""
    answer = about(outbox, "mark-sent")
    assert (answer.status, answer.json["code"]) == (409, "not_in_doubt")


def test_address_that_bounced_is_freed_by_an_admin(outbox: Outbox) -> None:
    """It is shown as bounced, never as sent; lifted, mails may go there again, and only an admin may lift."""
    outbox.send()
    outbox.report("Bounce", bounce={"bounceType": "Permanent", "timestamp": "2026-10-05T08:00:09.000Z"})
    assert ask(outbox, "GET", "/invitations").json["items"][0]["status"] == "bounced"
    assert about(outbox, "lift-suppression", role="inviter").status == 403
    assert about(outbox, "lift-suppression").json["status"] == "bounced"
    address = people.get_address(outbox.hub_id, outbox.invitation.address_id)
    assert (address.suppressed, list(address.holders)) == (None, [outbox.world.source_id])
    assert about(outbox, "lift-suppression").status == 200


def test_complaint_is_not_lifted(outbox: Outbox) -> None:
    """Whoever called a mail unwanted is not written to because an admin would like it."""
    outbox.send()
    outbox.report("Complaint", complaint={"timestamp": "2026-10-05T08:00:09.000Z"})
    answer = about(outbox, "lift-suppression")
    assert (answer.status, answer.json["code"]) == (409, "complained")
    assert people.get_address(outbox.hub_id, outbox.invitation.address_id).suppressed == "complained"


def test_unsubscribing_stops_reminders_and_nothing_else(outbox: Outbox, app: ModuleType) -> None:
    """The mail program posts without a page; no reminder comes, admins see why, and the invitation stays open."""
    outbox.send()
    assert visit(app, outbox, "POST /invitations/{token}/unsubscribe")["statusCode"] == 200
    for days in (3, 7):
        assert look_at_invitation(outbox.hub_id, outbox.invitation.address_id, outbox.at + days * DAY) == 0
    shown = ask(outbox, "GET", "/invitations").json["items"][0]
    assert (shown["mails"], bool(shown["unsubscribed_at"])) == (1, True)
    assert about(outbox, "resend").json["code"] == "unsubscribed"
    assert visit(app, outbox, "POST /invitations/{token}/accept")["statusCode"] in (200, 303)
    assert outbox.invitation.status is InvitationStatus.ACCEPTED


def test_reminder_that_waits_is_not_sent_after_unsubscribing(outbox: Outbox) -> None:
    """The claim sees it."""
    outbox.send()
    outbox.at += 4 * DAY
    look_at_invitation(outbox.hub_id, outbox.invitation.address_id, outbox.at)
    unsubscribe(outbox.token)
    assert (outbox.send(2), outbox.mail(2).state) == ("cancelled", State.CANCELLED)


def test_page_against_reminders_is_the_same_the_second_time(outbox: Outbox, app: ModuleType) -> None:
    """First a button, then, however often, that it is done."""
    first = visit(app, outbox, "GET /invitations/{token}/unsubscribe")["body"]
    assert "<button" in first
    done = [visit(app, outbox, "POST /invitations/{token}/unsubscribe")["body"] for _ in range(2)]
    assert done == [visit(app, outbox, "GET /invitations/{token}/unsubscribe")["body"]] * 2
    assert "<button" not in done[0]


def test_forged_link_unsubscribes_nobody(outbox: Outbox, app: ModuleType) -> None:
    """Neither a link of another round to come nor one with another's proof."""
    hub_id, address_id = outbox.hub_id, outbox.invitation.address_id
    later = make_token(outbox.world.key, hub_id, address_id, 2)
    for token in (later, outbox.token[:-2] + "AA"):
        assert visit(app, outbox, "POST /invitations/{token}/unsubscribe", token=token)["statusCode"] == 404
    assert outbox.invitation.unsubscribed_at == ""


def test_scanner_that_opens_every_link_changes_nothing(outbox: Outbox, app: ModuleType) -> None:
    """Whatever the invitation's state and whatever is asked for: not one item differs after all links were opened."""
    for status in InvitationStatus:
        dynamo.write([put_invitation(outbox.hub_id, replace(outbox.invitation, status=status))])
        before = snapshot()
        for accept in ("text/html", "application/json"):
            for page in PAGES:
                answer = visit(app, outbox, f"GET {page}", accept=accept)
                assert answer["statusCode"] in (200, 410)
                assert "location" not in answer["headers"]
                # The gateway has no route for HEAD; should one come, it is no answer to the invitation.
                assert visit(app, outbox, f"HEAD {page}", accept=accept)["statusCode"] == 503
        assert snapshot() == before, status


def test_every_mail_can_be_looked_at_before_it_goes(outbox: Outbox) -> None:
    """Subject, text and HTML in the language asked for, with the hub's name; nothing is stored, no link works."""
    before = snapshot()
    for kind in Kind:
        for language, picked in [("", "en"), ("fr-CA", "fr"), ("ar", "ar"), ("tlh", "en")]:
            answer = ask(outbox, "GET", "/mail-preview", role="viewer", query={"kind": str(kind), "language": language})
            assert (answer.status, answer.json["language"], answer.json["kind"]) == (200, picked, str(kind))
            assert "Harbour" in answer.json["subject"]
            assert answer.json["html"].startswith("<!doctype html>")
            assert "{{" not in answer.json["text"] + answer.json["html"]
            assert "https://hub.example.com" not in answer.json["html"]
    assert snapshot() == before


def test_preview_of_an_unknown_mail_is_refused(outbox: Outbox) -> None:
    """The kinds are a list."""
    assert ask(outbox, "GET", "/mail-preview", query={"kind": "advert"}).status == 400


AT = {"timestamp": "2026-10-05T08:00:09.000Z"}
TOLD: dict[str, dict[str, Any]] = {
    "Send": {"send": {}},
    "DeliveryDelay": {"deliveryDelay": {**AT, "delayType": "MailboxFull"}},
    "Delivery": {"delivery": AT},
    "Bounce": {"bounce": {**AT, "bounceType": "Permanent"}},
    "Complaint": {"complaint": AT},
}


@pytest.mark.parametrize(
    "kinds",
    [
        ("DeliveryDelay", "Delivery", "Bounce"),
        pytest.param(("Send", "Delivery", "Bounce", "Complaint"), marks=pytest.mark.long),
    ],
)
def test_what_ses_tells_in_any_order_and_twice_ends_in_one_state(
    outbox: Outbox, kinds: tuple[str, ...], figure: Callable[[str], None]
) -> None:
    """Every choice of events, in every order, each of them twice: what is worst for the address holds."""
    assert outbox.send() == "sent"
    base, orders = snapshot(), 0
    for count in range(1, len(kinds) + 1):
        for chosen in itertools.combinations(kinds, count):
            ends = set()
            for order in itertools.permutations(chosen):
                back_to(base)
                for event_type in [*order, *order]:
                    outbox.report(event_type, **TOLD[event_type])
                address = people.get_address(outbox.hub_id, outbox.invitation.address_id)
                ends.add((str(outbox.invitation.status), address.suppressed, str(outbox.mail().state)))
                orders += 1
            worst = next((one for one in ("Complaint", "Bounce", "Delivery") if one in chosen), "")
            status = {"Complaint": "complained", "Bounce": "bounced", "Delivery": "delivered"}.get(worst, "sent")
            assert ends == {(status, status if worst in ("Complaint", "Bounce") else None, "SENT")}, chosen
    figure(f"delivery events: {orders} orders of {', '.join(kinds)}, each event twice, end the same")
