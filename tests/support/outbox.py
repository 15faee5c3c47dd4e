"""One invitation in the outbox, and an SES that keeps what it takes, in the order in which it took it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from rollcall.invitations import links
from rollcall.invitations import store as invitations
from rollcall.invitations.model import Invitation, InvitationStatus
from rollcall.mail import delivery, store
from rollcall.mail.model import Kind as MailKind
from rollcall.mail.model import Mail
from rollcall.mail.send import send_mail, sweep_mail
from rollcall.people.events import Kind
from rollcall.runtime import clients, dynamo
from rollcall.runtime.times import now, to_text
from tests.support.world import World

if TYPE_CHECKING:
    from rollcall.people.events import DirectoryEvent

EMAIL = "maya@example.com"
DAY = timedelta(days=1)


@dataclass
class Outbox:
    """A hub, a person of its directory, their invitation and its first mail.

    Attributes
    ----------
    at
        The clock of those who send.
    taken
        Tags of the mails that SES took, in order.
    history
        What happened, in order: ``sent``, and what a test adds.
    """

    world: World
    at: datetime
    taken: list[dict[str, str]] = field(default_factory=list)
    history: list[str] = field(default_factory=list)

    @property
    def hub_id(self) -> str:
        """The hub."""
        return self.world.hub.hub_id

    @property
    def invitation(self) -> Invitation:
        """The invitation as it is."""
        found = invitations.get_invitation(self.hub_id, self.world.address_id(EMAIL))
        assert found is not None
        return found

    @property
    def token(self) -> str:
        """The token of its link."""
        return links.make_token(self.world.key, self.hub_id, self.invitation.address_id, self.invitation.epoch)

    def mail(self, number: int = 1) -> Mail:
        """Return the n-th mail of the invitation."""
        found = store.get(self.hub_id, self.invitation.mail_id(self.hub_id, number))
        assert found is not None
        return found

    def event(self, kind: DirectoryEvent) -> None:
        """Let the directory say something of the person."""
        self.world.tell(kind)

    def send(self, number: int = 1) -> str:
        """Let a worker take the n-th mail, as its pointer would."""
        mail_id = self.invitation.mail_id(self.hub_id, number)
        return send_mail(
            self.hub_id, mail_id, lambda *_: f"https://hub.example.com/invitations/{self.token}", self._now
        )

    def sweep(self, number: int = 1) -> bool:
        """Let the sweep look at the n-th mail; tell whether its pointer is to be sent again."""
        return sweep_mail(self.hub_id, self.invitation.mail_id(self.hub_id, number), self.at)

    def report(self, event_type: str, **more: Any) -> str:
        """Let SES tell of the last mail that it took."""
        tags = {name: [value] for name, value in self.taken[-1].items()}
        mail = {"messageId": f"ses-{len(self.taken)}", "timestamp": to_text(self.at), "tags": tags}
        return delivery.record({"source": "aws.ses", "detail": {"eventType": event_type, "mail": mail, **more}})

    def sent(self, number: int = 1) -> int:
        """Return how often SES took the n-th mail."""
        mail_id = self.invitation.mail_id(self.hub_id, number)
        return sum(tags["mail"] == mail_id for tags in self.taken)

    def _now(self) -> datetime:
        return self.at

    def take(self, model: Any, request_signer: Any, params: Any, **_: Any) -> Any:
        """Be SES: take a mail, and answer."""
        del request_signer
        if model.name != "SendEmail":
            return None
        body = json.loads(params["body"])
        self.taken.append({tag["Name"]: tag["Value"] for tag in body["EmailTags"]})
        self.history.append("sent")
        answer = {"MessageId": f"ses-{len(self.taken)}", "ResponseMetadata": {"HTTPStatusCode": 200}}
        return SimpleNamespace(status_code=200), answer


def one_invitation(**more: Any) -> Outbox:
    """Make a world with one queued invitation to a person of the directory, and its mail, which is due."""
    world = World().build()
    outbox = Outbox(world, now())
    world.tell(world.event("in", 0, Kind.ADDED, fields={"email": EMAIL, "first_name": "Maya"}))
    invitation = Invitation(
        address_id=world.address_id(EMAIL),
        epoch=1,
        status=InvitationStatus.QUEUED,
        email=EMAIL,
        first_name="Maya",
        person_id=world.person_id(),
        created_at=to_text(outbox.at),
        expires_at=to_text(outbox.at + 14 * DAY),
        remind_at=to_text(outbox.at + 3 * DAY),
    )
    invitation = replace(invitation, **more)
    mail = Mail(
        mail_id=invitation.mail_id(world.hub.hub_id, 1),
        hub_id=world.hub.hub_id,
        kind=MailKind.INVITATION,
        to=EMAIL,
        language="en",
        not_before=outbox.at,
        params={"first_name": "Maya", "expires_on": invitation.expires_at[:10]},
        person_id=invitation.person_id,
        address_id=invitation.address_id,
        invitation_epoch=1,
    )
    dynamo.write([invitations.put_invitation(world.hub.hub_id, invitation), store.put_action(mail)])
    # After whoever counts or fails calls: a call that fails before it is sent does not arrive.
    # Only the newest one: of two the first would answer for both.
    clients.sesv2().meta.events.unregister("before-call", unique_id="outbox")
    clients.sesv2().meta.events.register_last("before-call", outbox.take, unique_id="outbox")
    return outbox
