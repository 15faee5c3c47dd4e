"""The outbox on a table: what may be sent, once; and what the events of SES change, in any order."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError, ReadTimeoutError

from rollcall.hubs.model import Hub
from rollcall.invitations.model import Invitation, InvitationStatus
from rollcall.invitations.store import get_invitation, put_invitation
from rollcall.mail import delivery, store
from rollcall.mail.model import (
    INVITING,
    Attachment,
    ClaimRefusal,
    DeliveryEvent,
    DeliveryKind,
    Kind,
    Mail,
    State,
    due_shards,
)
from rollcall.mail.send import IN_DOUBT, MAX_ATTACHMENT, send_mail, sweep_mail
from rollcall.runtime import clients, dynamo
from rollcall.runtime.errors import TransientError
from rollcall.runtime.settings import env
from rollcall.runtime.times import from_text
from tests.support.faults import MODES, until_quiet

if TYPE_CHECKING:
    from collections.abc import Sequence

HUB = "01J8Z3QK5V7X9WB2C4D6E8FGHJ"
ADDRESS = "a" * 32
MAIL_ID = "4f1d0c2b9a8e7766554433221100ffee"
NOW = datetime(2026, 10, 5, 8, 0, tzinfo=UTC)
MAIL = Mail(
    mail_id=MAIL_ID,
    hub_id=HUB,
    kind=Kind.INVITATION,
    to="maya.okafor@example.com",
    language="en",
    not_before=NOW,
    params={"first_name": "Maya", "expires_on": "2026-10-19"},
    address_id=ADDRESS,
    invitation_epoch=2,
)
EXPORT = replace(
    MAIL,
    kind=Kind.EXPORT,
    to="admin@example.com",
    address_id=None,
    invitation_epoch=None,
    params={"file": "invites.csv", "rows": 3, "purpose": "invites"},
)


class FakeSes:
    """Answers each send with the next of its answers (an exception is raised), then with message ids."""

    def __init__(self) -> None:
        self.answers: list[Exception] = []
        self.requests: list[dict[str, Any]] = []

    def send_email(self, **request: Any) -> dict[str, str]:
        """Answer one send."""
        self.requests.append(request)
        if self.answers:
            raise self.answers.pop(0)
        return {"MessageId": f"ses-{len(self.requests)}"}


def refusal(code: str, status: int) -> ClientError:
    """Return an error as botocore makes it from an answer of SES."""
    response: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, "SendEmail")


@pytest.fixture
def ses(aws: None, monkeypatch: pytest.MonkeyPatch) -> FakeSes:
    """Provide one hub, its queued invitation, and an SES that takes everything."""
    del aws
    hub = Hub(HUB, "Example Alumni", salt="s", reply_to="help@example.com")
    invitation = Invitation(
        ADDRESS,
        2,
        InvitationStatus.QUEUED,
        "maya.okafor@example.com",
        created_at="2026-10-05T08:00:00.000Z",
        expires_at="2026-10-19T08:00:00.000Z",
    )
    dynamo.write([dynamo.put_action("HUBS_TABLE", hub.to_item())])
    dynamo.write([put_invitation(HUB, invitation)])
    fake = FakeSes()
    monkeypatch.setattr(clients, "sesv2", lambda: fake)
    return fake


def add(mail: Mail) -> None:
    """Put a mail into the outbox."""
    dynamo.write([store.put_action(mail)])


def send(mail: Mail = MAIL, at: datetime = NOW) -> str:
    """Run the use case for a mail."""
    return send_mail(mail.hub_id, mail.mail_id, lambda _hub, _mail: "https://hub.example.com/invitations/t", lambda: at)


def stored(mail: Mail = MAIL) -> dict[str, Any]:
    """Return what lies in the table."""
    item = dynamo.get("MAIL_TABLE", mail.pk)
    assert item is not None
    return item


def state() -> str:
    """Return the state of the mail."""
    return str(stored()["state"])


def invitation() -> Invitation:
    """Return the invitation as it is."""
    found = get_invitation(HUB, ADDRESS)
    assert found is not None
    return found


def due(at: datetime) -> list[tuple[str, str]]:
    """Return what a sweeper finds at a time."""
    return [found for shard in due_shards() for found in store.list_due(shard, at)]


def suppressed() -> str | None:
    """Return how the address is suppressed."""
    item = dynamo.get("PEOPLE_TABLE", f"{HUB}#A#{ADDRESS}")
    return item.get("suppressed") if item else None


def set_invitation(**changes: Any) -> None:
    """Change attributes of the invitation as another part of the system would."""
    for name, value in changes.items():
        dynamo.write(
            [
                dynamo.update_action(
                    "INVITATIONS_TABLE", f"{HUB}#I#{ADDRESS}", "-", f"SET #{name} = :v", values={"v": value}
                )
            ]
        )


# --- sending ----------------------------------------------------------------------------------------------------------


def test_due_invitation_is_sent_once_and_settled(ses: FakeSes) -> None:
    """A mail goes out with its tags, is SENT, forgets address and name, and its invitation is sent."""
    add(MAIL)
    assert [send(), send(), send()] == ["sent", "nothing_to_do", "nothing_to_do"]
    (request,) = ses.requests
    assert request["Destination"] == {"ToAddresses": ["maya.okafor@example.com"]}
    tags = {tag["Name"]: tag["Value"] for tag in request["EmailTags"]}
    assert tags == {"mail": MAIL_ID, "hub": HUB, "kind": "invitation"}
    assert request["FromEmailAddress"] == '"Example Alumni" <rollcall@example.com>'
    assert request["ReplyToAddresses"] == ["help@example.com"]
    assert request["ConfigurationSetName"] == "test"
    item = stored()
    assert (item["state"], item["ses_message_id"], item["sent_at"]) == ("SENT", "ses-1", "2026-10-05T08:00:00.000Z")
    assert item.keys().isdisjoint({"to", "params", "lease", "due_pk", "due_sk"})
    assert (invitation().status, invitation().sent_at) == (InvitationStatus.SENT, "2026-10-05T08:00:00.000Z")
    assert due(NOW + timedelta(days=9)) == []


def test_same_mail_put_twice_is_refused(ses: FakeSes) -> None:
    """The second put of a mail with the same cause fails, so the cause cannot have two mails."""
    add(MAIL)
    with pytest.raises(dynamo.ConditionFailedError):
        add(MAIL)


def test_mail_of_the_future_waits(ses: FakeSes) -> None:
    """A reminder does not go before its time."""
    add(replace(MAIL, not_before=NOW + timedelta(days=3)))
    assert send() == "nothing_to_do"
    assert ses.requests == []


def test_link_and_name_of_the_invitation_are_not_stored(ses: FakeSes) -> None:
    """The token of the link goes into the mail and nowhere else."""
    add(MAIL)
    send()
    assert "https://hub.example.com/invitations/t" in ses.requests[0]["Content"]["Simple"]["Body"]["Text"]["Data"]
    assert "invitations/t" not in str(stored())


def test_reminder_can_be_unsubscribed_from_the_mail_program(ses: FakeSes) -> None:
    """A reminder carries the one-click header of RFC 8058; an invitation does not."""
    set_invitation(status="sent")
    add(replace(MAIL, kind=Kind.REMINDER))
    send()
    headers = {h["Name"]: h["Value"] for h in ses.requests[0]["Content"]["Simple"]["Headers"]}
    assert headers["List-Unsubscribe"] == "<https://hub.example.com/invitations/t/unsubscribe>"
    assert invitation().status is InvitationStatus.SENT


@pytest.mark.parametrize("kind", [Kind.INVITATION, Kind.NOTICE])
def test_barred_address_gets_nothing(ses: FakeSes, kind: Kind) -> None:
    """Who left, was erased, bounced or complained is not written to, and the mail is cancelled."""
    bars = [("barred", how) for how in ("deactivated", "deleted", "erased")]
    bars += [("suppressed", how) for how in ("bounced", "complained")]
    for number, (name, how) in enumerate(bars):
        dynamo.write([dynamo.put_action("PEOPLE_TABLE", {"pk": f"{HUB}#A#{ADDRESS}", "sk": "-", name: how})])
        mail = replace(MAIL, mail_id=f"{number:032x}", kind=kind, params={**MAIL.params, "title": "t", "text": "x"})
        add(mail)
        assert send(mail) == "cancelled", how
        item = stored(mail)
        assert (item["state"], item["reason"], "to" in item) == ("CANCELLED", "address_barred", False), how
    assert ses.requests == []


@pytest.mark.parametrize("address", [None, {}, {"barred": None}, {"barred": None, "suppressed": None}])
def test_unknown_or_free_address_is_written_to(ses: FakeSes, address: dict[str, None] | None) -> None:
    """An address nobody barred, or nobody knows yet, gets its mail."""
    if address is not None:
        dynamo.write([dynamo.put_action("PEOPLE_TABLE", {"pk": f"{HUB}#A#{ADDRESS}", "sk": "-", **address})])
    add(MAIL)
    assert send() == "sent"


@pytest.mark.parametrize("kind", sorted(INVITING))
def test_closed_invitation_sends_nothing(ses: FakeSes, kind: Kind) -> None:
    """A mail of an invitation that is no longer open, or of an earlier round, is cancelled."""
    closed = ("accepted", "revoked", "withdrawn", "expired", "declined", "bounced", "complained")
    changes: list[dict[str, Any]] = [{"status": status} for status in closed]
    for number, change in enumerate([*changes, {"status": "sent", "epoch": 3}]):
        set_invitation(**change)
        mail = replace(MAIL, mail_id=f"{number:032x}", kind=kind)
        add(mail)
        assert send(mail) == "cancelled", change
        assert stored(mail)["reason"] == "invitation_closed", change
    assert ses.requests == []


def test_invitation_that_does_not_exist_sends_nothing(ses: FakeSes) -> None:
    """Without an invitation there is no invitation mail."""
    add(replace(MAIL, address_id="b" * 32))
    assert send() == "cancelled"


def test_hub_with_mail_switched_off_keeps_its_mails(ses: FakeSes) -> None:
    """With the kill switch on, nothing goes and nothing is lost: the mail goes once it is off again."""
    switch = dynamo.update_action("HUBS_TABLE", HUB, "HUB", "SET #mail_enabled = :v", values={"v": False})
    dynamo.write([switch])
    add(MAIL)
    assert send() == "postponed"
    assert ses.requests == []
    dynamo.write([dynamo.update_action("HUBS_TABLE", HUB, "HUB", "SET #mail_enabled = :v", values={"v": True})])
    assert send(at=NOW + timedelta(minutes=16)) == "sent"


def test_two_workers_with_one_mail_send_it_once(ses: FakeSes) -> None:
    """Of two claims of what both have read, one wins."""
    add(MAIL)
    read = store.get(HUB, MAIL_ID)
    assert read is not None
    first, second = store.claim(read, NOW), store.claim(read, NOW)
    assert isinstance(first, Mail)
    assert (first.state, first.attempt) == (State.SENDING, 1)
    assert second is ClaimRefusal.TAKEN


def test_worker_that_read_before_an_earlier_attempt_cannot_claim(ses: FakeSes) -> None:
    """A claim on what was read before another attempt is refused, even though the mail waits again."""
    ses.answers = [refusal("SendingPausedException", 400)]
    add(MAIL)
    read = store.get(HUB, MAIL_ID)
    assert read is not None
    send()
    assert state() == "PENDING"
    assert store.claim(read, NOW + timedelta(hours=1)) is ClaimRefusal.TAKEN


def test_claim_whose_answer_got_lost_is_still_ones_own(ses: FakeSes, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the claim was carried out but its answer lost, the repetition recognises it, and the mail goes once."""
    add(MAIL)
    write = dynamo.write
    lost: list[int] = []

    def lose_first_claim(actions: list[dynamo.Action]) -> None:
        write(actions)
        if len(actions) > 1 and not lost:
            lost.append(1)
            raise TransientError

    monkeypatch.setattr(dynamo, "write", lose_first_claim)
    assert send() == "sent"
    assert (len(lost), len(ses.requests), state()) == (1, 1, "SENT")


@pytest.mark.parametrize(
    ("answer", "outcome", "after"),
    [
        (refusal("TooManyRequestsException", 429), "will_retry", "PENDING"),
        (refusal("SendingPausedException", 400), "will_retry", "PENDING"),
        (refusal("LimitExceededException", 400), "will_retry", "PENDING"),
        (refusal("AccountSuspendedException", 400), "will_retry", "PENDING"),
        (refusal("NotFoundException", 404), "will_retry", "PENDING"),
        (refusal("MailFromDomainNotVerifiedException", 400), "will_retry", "PENDING"),
        (refusal("AccessDeniedException", 403), "will_retry", "PENDING"),
        (ConnectTimeoutError(endpoint_url="https://ses.example.com"), "will_retry", "PENDING"),
        (refusal("MessageRejected", 400), "failed", "FAILED"),
        (refusal("BadRequestException", 400), "failed", "FAILED"),
        (refusal("InternalServiceError", 500), "in_doubt", "SENDING"),
        (refusal("ServiceUnavailable", 503), "in_doubt", "SENDING"),
        (ReadTimeoutError(endpoint_url="https://ses.example.com"), "in_doubt", "SENDING"),
    ],
)
def test_answer_of_ses_decides_what_follows(ses: FakeSes, answer: Exception, outcome: str, after: str) -> None:
    """A definite no is tried later or given up, a doubt stays claimed; the invitation is not shown as sent."""
    ses.answers = [answer]
    add(MAIL)
    assert send() == outcome
    assert state() == after
    assert ("to" in stored()) is (after != "FAILED")
    assert invitation().status is InvitationStatus.QUEUED


def test_mail_refused_for_now_goes_after_its_pause(ses: FakeSes) -> None:
    """A throttled mail does not go before its pause is over, is found by the sweeper then, and goes."""
    ses.answers = [refusal("TooManyRequestsException", 429)]
    add(MAIL)
    assert [send(), send()] == ["will_retry", "nothing_to_do"]
    later = NOW + timedelta(seconds=5)
    assert due(NOW) == []
    assert due(later) == [(HUB, MAIL_ID)]
    assert sweep_mail(HUB, MAIL_ID, later)
    assert send(at=later) == "sent"
    assert len(ses.requests) == 2


def test_invitation_in_doubt_ends_unknown_and_is_never_sent_again(
    ses: FakeSes, capsys: pytest.CaptureFixture[str]
) -> None:
    """After a time-out nothing is sent again by itself: the lease runs out, and a person is told once."""
    ses.answers = [ReadTimeoutError(endpoint_url="https://ses.example.com")]
    add(MAIL)
    send()
    assert [sweep_mail(HUB, MAIL_ID, NOW + timedelta(seconds=s)) for s in (30, 61, 120)] == [False, False, False]
    assert state() == "UNKNOWN"
    counted = [line for line in map(json.loads, capsys.readouterr().out.splitlines()) if line and "_aws" in line]
    assert [line[IN_DOUBT] for line in counted] == [[1.0]]
    assert send(at=NOW + timedelta(days=1)) == "nothing_to_do"
    assert len(ses.requests) == 1
    assert due(NOW + timedelta(days=9)) == []


def test_lease_that_still_runs_is_left_alone(ses: FakeSes) -> None:
    """A sweeper does not touch a claim within its lease."""
    ses.answers = [ReadTimeoutError(endpoint_url="https://ses.example.com")]
    add(MAIL)
    send()
    assert due(NOW + timedelta(seconds=59)) == []
    sweep_mail(HUB, MAIL_ID, NOW + timedelta(seconds=59))
    assert state() == "SENDING"


def test_export_in_doubt_is_sent_once_more(ses: FakeSes) -> None:
    """A mail an admin asked for goes again after a quarter of an hour, and a second doubt ends there."""
    timeout = ReadTimeoutError(endpoint_url="https://ses.example.com")
    ses.answers = [timeout, timeout]
    add(EXPORT)
    assert send(EXPORT) == "in_doubt"
    expired = NOW + timedelta(seconds=61)
    sweep_mail(HUB, MAIL_ID, expired)
    assert send(EXPORT, at=expired) == "nothing_to_do"
    again = expired + timedelta(minutes=15)
    assert due(again) == [(HUB, MAIL_ID)]
    assert sweep_mail(HUB, MAIL_ID, again)
    assert send(EXPORT, at=again) == "in_doubt"
    sweep_mail(HUB, MAIL_ID, again + timedelta(seconds=61))
    assert (state(), len(ses.requests)) == ("UNKNOWN", 2)


def test_late_send_event_saves_the_second_send_of_an_export(ses: FakeSes) -> None:
    """If SES reports the doubtful send before the second one, there is no second one."""
    ses.answers = [ReadTimeoutError(endpoint_url="https://ses.example.com")]
    add(EXPORT)
    send(EXPORT)
    sweep_mail(HUB, MAIL_ID, NOW + timedelta(seconds=61))
    report(DeliveryKind.SENT)
    assert state() == "SENT"
    assert send(EXPORT, at=NOW + timedelta(hours=1)) == "nothing_to_do"
    assert len(ses.requests) == 1


def test_waiting_mail_is_pointed_at_less_and_less_often(ses: FakeSes) -> None:
    """For a mail that nobody takes, a sweeper sends the pointer a dozen times in a day, not every minute."""
    add(MAIL)
    at, pointers = NOW, 0
    while at < NOW + timedelta(days=1):
        assert due(at) == [(HUB, MAIL_ID)]
        pointers += sweep_mail(HUB, MAIL_ID, at)
        assert due(at) == []
        at = from_text(stored()["due_sk"])
    assert 5 <= pointers <= 13


# --- attachments ------------------------------------------------------------------------------------------------------


def test_export_carries_its_file(ses: FakeSes) -> None:
    """The file of the bucket is attached under its name, byte for byte."""
    clients.s3().put_object(
        Bucket=env("FILES_BUCKET"), Key="exports/x/invites.csv", Body="﻿e-mail\r\nŁukasz\r\n".encode()
    )
    add(replace(EXPORT, attachment=Attachment("exports/x/invites.csv", "invites.csv")))
    assert send(EXPORT) == "sent"
    (attachment,) = ses.requests[0]["Content"]["Simple"]["Attachments"]
    assert attachment["FileName"] == "invites.csv"
    assert attachment["RawContent"] == "﻿e-mail\r\nŁukasz\r\n".encode()
    assert "attached" in ses.requests[0]["Content"]["Simple"]["Body"]["Text"]["Data"]


@pytest.mark.parametrize(("link", "outcome"), [("https://api.example.com/exports/x/file", "sent"), ("", "failed")])
def test_file_that_is_too_large_is_linked_or_refused(ses: FakeSes, link: str, outcome: str) -> None:
    """A file above 7 MB is never attached: the mail says where it is, or fails where it has no link."""
    clients.s3().put_object(Bucket=env("FILES_BUCKET"), Key="exports/x/big.csv", Body=b"x" * (MAX_ATTACHMENT + 1))
    params = {**EXPORT.params, "link": link}
    add(replace(EXPORT, params=params, attachment=Attachment("exports/x/big.csv", "big.csv")))
    assert send(EXPORT) == outcome
    for request in ses.requests:
        assert "Attachments" not in request["Content"]["Simple"]
        assert link in request["Content"]["Simple"]["Body"]["Text"]["Data"]


def test_file_that_is_gone_fails_the_mail(ses: FakeSes) -> None:
    """A mail whose file was deleted is FAILED with a reason, and nothing is sent."""
    add(replace(EXPORT, attachment=Attachment("exports/x/gone.csv", "gone.csv")))
    assert send(EXPORT) == "failed"
    assert (stored()["reason"], ses.requests) == ("attachment_missing", [])


def test_address_that_is_two_fails_the_mail(ses: FakeSes) -> None:
    """A list of addresses is not sent to."""
    add(replace(EXPORT, to="a@example.com, b@example.com"))
    assert send(EXPORT) == "failed"
    assert (stored()["reason"], ses.requests) == ("bad_address", [])


# --- events -----------------------------------------------------------------------------------------------------------


def report(kind: DeliveryKind, at: datetime = NOW + timedelta(seconds=9)) -> None:
    """Let an event of SES about the mail arrive."""
    mail = store.get(HUB, MAIL_ID)
    assert mail is not None
    store.settle_by_event(mail, DeliveryEvent(HUB, MAIL_ID, kind, "ses-1", at))


ENDINGS = [
    ([DeliveryKind.SENT, DeliveryKind.DELIVERED], "delivered", None),
    ([DeliveryKind.SENT, DeliveryKind.BOUNCED_FOR_GOOD], "bounced", "bounced"),
    ([DeliveryKind.SENT, DeliveryKind.BOUNCED_FOR_NOW], "bounced", None),
    ([DeliveryKind.SENT, DeliveryKind.DELIVERED, DeliveryKind.BOUNCED_FOR_NOW], "delivered", None),
    ([DeliveryKind.SENT, DeliveryKind.DELIVERED, DeliveryKind.BOUNCED_FOR_GOOD], "bounced", "bounced"),
    ([DeliveryKind.SENT, DeliveryKind.DELIVERED, DeliveryKind.COMPLAINED], "complained", "complained"),
    ([DeliveryKind.BOUNCED_FOR_GOOD, DeliveryKind.COMPLAINED, DeliveryKind.DELIVERED], "complained", "complained"),
    ([DeliveryKind.BOUNCED_FOR_NOW, DeliveryKind.BOUNCED_FOR_GOOD, DeliveryKind.SENT], "bounced", "bounced"),
]


# Of three events there are six orders: two endings every day, all of them in the long run.
EVERY_DAY = {(0, "marked"), (2, "in doubt"), (4, "in doubt"), (6, "marked")}


@pytest.mark.parametrize(
    ("events", "status", "how", "before"),
    [
        pytest.param(*ending, before, marks=() if (number, before) in EVERY_DAY else pytest.mark.long)
        for number, ending in enumerate(ENDINGS)
        for before in ("marked", "in doubt")
    ],
)
def test_events_in_any_order_and_twice_end_the_same(
    ses: FakeSes, events: list[DeliveryKind], status: str, how: str | None, before: str
) -> None:
    """Whatever order the events come in, and each twice, invitation, address and outbox end the same."""
    blank = invitation()
    for order in itertools.permutations(events):
        dynamo.write([dynamo.delete_action("MAIL_TABLE", MAIL.pk)])
        dynamo.write([dynamo.delete_action("PEOPLE_TABLE", f"{HUB}#A#{ADDRESS}")])
        dynamo.write([dynamo.delete_action("INVITATIONS_TABLE", f"{HUB}#I#{ADDRESS}")])
        dynamo.write([put_invitation(HUB, replace(blank, rev=0))])
        add(MAIL)
        ses.answers = [] if before == "marked" else [ReadTimeoutError(endpoint_url="https://ses.example.com")]
        send()
        for kind in [*order, *order]:
            report(kind)
        assert (invitation().status, suppressed(), state()) == (status, how, "SENT"), order
        assert "to" not in stored()
        raw = dynamo.get("INVITATIONS_TABLE", f"{HUB}#I#{ADDRESS}")
        assert raw is not None
        open_one = status == "delivered"
        assert (raw.get("due_sk") == "2026-10-19T08:00:00.000Z") is open_one
        assert ("due_pk" in raw) is open_one


@pytest.mark.parametrize("kind", DeliveryKind)
def test_settled_invitation_is_not_moved_by_an_event(ses: FakeSes, kind: DeliveryKind) -> None:
    """A late event does not open or change an invitation that is over; a complaint still suppresses the address."""
    add(MAIL)
    send()
    for status in ("accepted", "expired", "revoked", "withdrawn", "declined"):
        set_invitation(status=status)
        report(kind)
        assert invitation().status == status
    assert suppressed() == {"bounced_for_good": "bounced", "complained": "complained"}.get(kind)


def test_event_of_an_earlier_round_leaves_the_new_invitation_alone(ses: FakeSes) -> None:
    """A bounce of the first invitation does not close the second one."""
    add(MAIL)
    send()
    set_invitation(epoch=3, status="queued")
    report(DeliveryKind.BOUNCED_FOR_NOW)
    assert invitation().status is InvitationStatus.QUEUED


def test_rejected_mail_is_failed_and_its_invitation_bounced(ses: FakeSes) -> None:
    """A mail that SES took and dropped is not shown as sent; the address is not to blame."""
    add(MAIL)
    send()
    report(DeliveryKind.REJECTED)
    assert (state(), stored()["reason"]) == ("FAILED", "rejected")
    assert (invitation().status, suppressed()) == (InvitationStatus.BOUNCED, None)


def test_doubt_is_settled_by_the_event_of_ses(ses: FakeSes) -> None:
    """An UNKNOWN invitation that SES reports as sent is SENT, and its invitation too."""
    ses.answers = [refusal("InternalServiceError", 500)]
    add(MAIL)
    send()
    sweep_mail(HUB, MAIL_ID, NOW + timedelta(seconds=61))
    assert state() == "UNKNOWN"
    report(DeliveryKind.SENT)
    assert (state(), invitation().status) == ("SENT", InvitationStatus.SENT)


def test_mail_event_moves_the_invitations_revision(ses: FakeSes) -> None:
    """Who read the invitation before the event cannot overwrite it with what was."""
    before = invitation()
    add(MAIL)
    send()
    with pytest.raises(dynamo.ConditionFailedError):
        dynamo.write([put_invitation(HUB, before)])


def test_event_about_an_unknown_mail_changes_nothing(ses: FakeSes) -> None:
    """An event of a mail that is gone is noted and passed over."""
    tags = {"hub": [HUB], "mail": ["f" * 32]}
    mail = {"messageId": "x", "timestamp": "2026-10-05T08:00:00.000Z", "tags": tags}
    body = {"source": "aws.ses", "detail": {"eventType": "Send", "mail": mail}}
    assert delivery.record(body) == "unknown_mail"
    assert dynamo.get("MAIL_TABLE", f"{HUB}#O#{'f' * 32}") is None


# --- how many a day ---------------------------------------------------------------------------------------------------


def quota(number: int, zone: str = "UTC") -> None:
    """Let the hub send so many mails a day to people it invites."""
    update = "SET #daily_invite_quota = :n, #time_zone = :zone"
    dynamo.write([dynamo.update_action("HUBS_TABLE", HUB, "HUB", update, values={"n": number, "zone": zone})])


def another(number: int) -> Mail:
    """Store one more invitation, and return its mail, put into the outbox."""
    address_id = f"{number:032x}"
    mail = replace(MAIL, mail_id=f"{number + 100:032x}", address_id=address_id, to=f"p{number}@example.com")
    found = replace(invitation(), address_id=address_id, email=f"p{number}@example.com", rev=0)
    dynamo.write([put_invitation(HUB, found)])
    add(mail)
    return mail


def test_mails_beyond_the_quota_of_the_day_go_the_next(ses: FakeSes) -> None:
    """Two may go: the third waits for midnight where the hub is, goes then, and counts for that day."""
    quota(2, "Asia/Tokyo")
    mails = [another(number) for number in range(3)]
    assert [send(mail) for mail in mails] == ["sent", "sent", "postponed"]
    # 8:00 in London is 17:00 in Tokyo: the day has seven hours to go.
    assert (stored(mails[2])["not_before"], stored(mails[2])["reason"]) == ("2026-10-05T15:00:00.000Z", "daily_quota")
    midnight = NOW + timedelta(hours=7)
    assert send(mails[2], midnight) == "sent"
    assert [send(another(number), midnight) for number in (3, 4)] == ["sent", "postponed"]


def test_hub_with_a_quota_of_none_sends_no_invitation_but_tells_its_admins(ses: FakeSes) -> None:
    """Mails that admins asked for are not counted."""
    quota(0)
    add(EXPORT)
    assert [send(another(1)), send(EXPORT)] == ["postponed", "sent"]


def test_mail_that_is_tried_again_is_counted_once(ses: FakeSes) -> None:
    """What SES throttled goes later that day, although the quota is used up by then."""
    quota(1)
    ses.answers = [refusal("TooManyRequestsException", 429)]
    first, second = another(1), another(2)
    assert [send(first), send(second)] == ["will_retry", "postponed"]
    assert send(first, NOW + timedelta(minutes=1)) == "sent"


def test_mail_of_a_hub_that_is_switched_off_uses_up_nothing(ses: FakeSes) -> None:
    """Asking every quarter of an hour must not eat the day."""
    quota(1)
    switch = dynamo.update_action("HUBS_TABLE", HUB, "HUB", "SET #mail_enabled = :v", values={"v": False})
    dynamo.write([switch])
    mail = another(1)
    assert [send(mail), send(mail, NOW + timedelta(minutes=16))] == ["postponed", "postponed"]
    dynamo.write([dynamo.update_action("HUBS_TABLE", HUB, "HUB", "SET #mail_enabled = :v", values={"v": True})])
    assert send(mail, NOW + timedelta(hours=1)) == "sent"


@pytest.mark.parametrize(
    ("places", "modes"),
    [((2, 5), ("kill_after",)), pytest.param(range(1, 8), MODES, marks=pytest.mark.long)],
    ids=["some", "all"],
)
def test_death_at_any_call_never_lets_more_go_than_the_quota(
    ses: FakeSes, places: Sequence[int], modes: tuple[str, ...]
) -> None:
    """Six mails, a quota of three, each first try struck at another call in each way: three at most in the day."""
    quota(3)
    numbers = itertools.count(10)
    day = NOW
    for at in places:
        for mode in modes:
            day += timedelta(days=1)
            before = len(ses.requests)
            for mail in [another(next(numbers)) for _ in range(6)]:
                until_quiet(lambda: send(mail, day), at=at, mode=mode)  # noqa: B023 - called at once
            assert len(ses.requests) - before <= 3, f"{mode} at call {at}"
    assert len(ses.requests) > len(places)
