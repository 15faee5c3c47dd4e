"""Every AWS call of the mail path, failing in seven ways: nobody gets a mail twice, every doubt is listed."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from rollcall.invitations.accept import decline, unsubscribe
from rollcall.invitations.model import InvitationStatus
from rollcall.mail import rate
from rollcall.mail.model import State
from rollcall.people.events import Kind
from rollcall.runtime import clients, dynamo
from rollcall.sweeping.invitations import look_at_invitation
from tests.support.admin import Answer, call, claims_of
from tests.support.aws import back_to, snapshot
from tests.support.faults import MODES, Killed, injected
from tests.support.outbox import DAY, Outbox, one_invitation
from tests.support.races import every_place, second_at

if TYPE_CHECKING:
    from collections.abc import Callable

FEW = ("lost_response", "kill_after")
# Longer than a lease, and than the pauses after a definite no.
LATER = timedelta(minutes=3)


def ask(outbox: Outbox, method: str, path: str, **more: Any) -> Answer:
    claims = claims_of(f"{outbox.hub_id}:admin")
    return call(method, f"/hubs/{outbox.hub_id}{path}", claims, **more)


def _deliver(outbox: Outbox, number: int, *, tells: bool) -> None:
    """Send a mail, and let SES tell what became of it if it does."""
    outbox.send(number)
    if tells and outbox.sent(number):
        outbox.report("Send")
        outbox.report("Delivery", delivery={"timestamp": "2026-10-05T08:00:09.000Z"})


def _remind(outbox: Outbox) -> None:
    look_at_invitation(outbox.hub_id, outbox.invitation.address_id, outbox.at)
    if outbox.invitation.mails > 1:
        _deliver(outbox, 2, tells=False)


@dataclass(frozen=True)
class Path:
    """A way a mail goes: what must be there before, what is done, and which mail of the invitation it is."""

    prepare: Callable[[Outbox], None]
    work: Callable[[Outbox], None]
    number: int = 1
    is_told: bool = False


def _three_days_later(outbox: Outbox) -> None:
    _deliver(outbox, 1, tells=True)
    outbox.at += 3 * DAY


PATHS = {
    "an invitation of which SES tells nothing": Path(lambda _: None, lambda box: _deliver(box, 1, tells=False)),
    "an invitation of which SES tells": Path(lambda _: None, lambda box: _deliver(box, 1, tells=True), is_told=True),
    "a reminder": Path(_three_days_later, _remind, 2),
}


def _meet(modes: tuple[str, ...], path: Path, since: str) -> tuple[int, int, int]:
    """Run a path with each fault at each call from the first one ``since`` on; return the calls, runs and doubts."""
    outbox = one_invitation()
    path.prepare(outbox)
    base, begun, taken = snapshot(), outbox.at, list(outbox.taken)
    with injected(with_ses=True) as counted:
        path.work(outbox)
    calls, runs, doubts = len(counted.calls), 0, 0
    assert "SendEmail" in counted.calls
    for at in range(counted.calls.index(since) + 1 if since else 1, calls + 1):
        for mode in modes:
            back_to(base)
            outbox.at, outbox.taken = begun, list(taken)
            # The queue does not ask why, and delivers again.
            with injected(at, mode, with_ses=True), suppress(Exception, Killed):
                path.work(outbox)
            for _ in range(4):
                path.work(outbox)
                outbox.at += LATER
                if outbox.invitation.mails >= path.number:
                    outbox.sweep(path.number)
            runs += 1
            doubts += _check(outbox, path, f"{mode} at call {at}, {counted.calls[at - 1]}")
    return calls, runs, doubts


def _check(outbox: Outbox, path: Path, where: str) -> bool:
    """Check the end of a run; tell whether it left a doubt."""
    sent, mail = outbox.sent(path.number), outbox.mail(path.number)
    assert sent <= 1, where
    listed = ask(outbox, "GET", "/invitations", query={"mail_state": "UNKNOWN"}).json["items"]
    assert [one["invitation_id"] for one in listed] == (
        [outbox.invitation.address_id] if mail.state is State.UNKNOWN else []
    ), where
    if mail.state is not State.UNKNOWN:
        assert (mail.state, sent) == (State.SENT, 1), where
        assert outbox.invitation.status in (InvitationStatus.SENT, InvitationStatus.DELIVERED), where
    if path.is_told and sent:
        assert (mail.state, outbox.invitation.status) == (State.SENT, InvitationStatus.DELIVERED), where
    return mail.state is State.UNKNOWN


@pytest.mark.parametrize(
    ("modes", "names", "since"),
    [(FEW, tuple(PATHS)[:1], "TransactWriteItems"), pytest.param(MODES, tuple(PATHS), "", marks=pytest.mark.long)],
    ids=["from the claim on", "everywhere"],
)
def test_any_failure_or_death_sends_each_mail_at_most_once(
    aws: None, modes: tuple[str, ...], names: tuple[str, ...], since: str, figure: Callable[[str], None]
) -> None:
    """Nobody gets a second mail by itself; one that perhaps went is listed for a person, and nothing else is."""
    for name in names:
        calls, runs, doubts = _meet(modes, PATHS[name], since)
        assert doubts, "a lost answer of SES must leave a doubt"
        figure(f"mail, {name}: {calls} calls x {len(modes)} faults: {runs} runs, 0 second mails, {doubts} listed")


def _directory(kind: Kind) -> Callable[[Outbox], object]:
    return lambda box: box.world.tell(box.world.event(str(kind), 60, kind))


def _complaint(outbox: Outbox) -> None:
    update = "SET #suppressed = :how, #rev = #rev + :one"
    address = f"{outbox.hub_id}#A#{outbox.invitation.address_id}"
    dynamo.write([dynamo.update_action("PEOPLE_TABLE", address, "-", update, values={"how": "complained", "one": 1})])


def _switch_off(outbox: Outbox) -> None:
    update = dynamo.update_action("HUBS_TABLE", outbox.hub_id, "HUB", "SET #mail_enabled = :off", values={"off": False})
    dynamo.write([update])


def _erase(outbox: Outbox) -> None:
    answer = ask(outbox, "POST", f"/people/{outbox.world.person_id()}/erase", body={"reason": "They asked for it."})
    assert answer.status < 300, answer.text


BARS: dict[str, Callable[[Outbox], object]] = {
    "deactivated": _directory(Kind.DEACTIVATED),
    "deleted": _directory(Kind.DELETED),
    "erased": _erase,
    "suppressed": _complaint,
    "revoked": lambda box: ask(box, "POST", f"/invitations/{box.invitation.address_id}/revoke"),
    "declined": lambda box: decline(box.token),
    "mail switched off": _switch_off,
}


EVERY_DAY = ("deactivated",)
RARE = [pytest.param(why, marks=pytest.mark.long) for why in [*BARS, "unsubscribed"] if why not in EVERY_DAY]


@pytest.mark.parametrize("why", [*EVERY_DAY, *RARE])
def test_nobody_is_written_to_who_was_barred_before_the_claim(
    aws: None, why: str, figure: Callable[[str], None]
) -> None:
    """Whatever bars them between any two calls of the sender: what SES took was claimed before that was written."""
    rate.forget_rate()
    outbox = one_invitation()
    number, bar = (2, lambda box: unsubscribe(box.token)) if why == "unsubscribed" else (1, BARS[why])
    if number == 2:
        _three_days_later(outbox)
        look_at_invitation(outbox.hub_id, outbox.invitation.address_id, outbox.at)
    base, taken = snapshot(), list(outbox.taken)

    def claimed(model: Any, http_response: Any, **_: Any) -> None:
        if model.name == "TransactWriteItems" and http_response.status_code == 200 and not barring:
            outbox.history.append("claimed")

    barring: list[bool] = []

    def second() -> None:
        barring.append(True)
        bar(outbox)
        outbox.history.append("barred")
        barring.clear()

    clients.dynamodb().meta.events.register("after-call", claimed)
    with second_at(0, second) as calls:
        outbox.send(number)
    kept = 0
    for at in every_place(len(calls)):
        back_to(base)
        outbox.taken, outbox.history = list(taken), []
        with second_at(at, second):
            outbox.send(number)
        assert "barred" in outbox.history
        before = outbox.history[: outbox.history.index("barred")]
        assert ("sent" in outbox.history) == ("claimed" in before), outbox.history
        kept += "sent" not in outbox.history
    assert 0 < kept < len(calls)
    figure(f"{why} at each of the {len(calls)} calls of a send: {kept} not written to, the others claimed before")
