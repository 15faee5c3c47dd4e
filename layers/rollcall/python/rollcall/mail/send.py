"""Send one mail of the outbox: prepare, claim, send once, mark. And what a sweeper does for those left open.

Everything that can fail without harm (reading, rendering, the attachment) comes before the claim, so that the send
follows the claim at once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
)

from rollcall.hubs.store import get_hub
from rollcall.mail import messages, quota, rate, store
from rollcall.mail.model import (
    INVITING,
    MAIL_OFF_PAUSE,
    Attachment,
    ClaimRefusal,
    GiveUp,
    Kind,
    Mail,
    State,
    after_refusal,
)
from rollcall.runtime import clients
from rollcall.runtime.errors import TransientError
from rollcall.runtime.observability import count, log
from rollcall.runtime.settings import env
from rollcall.runtime.times import now as clock

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from rollcall.hubs.model import Hub

MAX_ATTACHMENT = 7 * 1024 * 1024
# The metric that an alarm watches: mails that a person must decide about.
IN_DOUBT = "MailsInDoubt"
# The call never reached SES, so the mail was certainly not sent.
_NOT_CONNECTED = (ConnectTimeoutError, EndpointConnectionError, NoCredentialsError)
_DOUBTFUL_STATUS = 500


class Unsendable(StrEnum):
    """Why a mail can never be sent as it is."""

    BAD_ADDRESS = "bad_address"
    BAD_REPLY_TO = "bad_reply_to"
    ATTACHMENT_MISSING = "attachment_missing"
    ATTACHMENT_TOO_LARGE = "attachment_too_large"


class CannotPrepareError(Exception):
    """The mail can never be sent as it is."""

    def __init__(self, reason: Unsendable) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class _Doubt:
    """Nobody knows whether SES took it."""


@dataclass(frozen=True, slots=True)
class _Refusal:
    """SES certainly did not take it; ``code`` is its error code."""

    code: str


def send_mail(
    hub_id: str, mail_id: str, make_link: Callable[[Hub, Mail], str], now: Callable[[], datetime] = clock
) -> str:
    """Send one mail if it is due and nothing forbids it.

    Parameters
    ----------
    hub_id, mail_id
        As in the pointer.
    make_link
        Makes the link of an invitation or reminder; it holds a token, so it is made here and stored nowhere.
    now
        The clock.

    Returns
    -------
    str
        What happened: ``sent``, ``in_doubt``, ``will_retry``, ``failed``, ``cancelled``, ``postponed``, or
        ``nothing_to_do``.

    Raises
    ------
    TransientError
        If AWS could not be reached. Tried again, a mail that was not claimed is sent; one that was is left to the
        event of SES or to the end of its lease.
    """
    mail = store.get(hub_id, mail_id)
    if mail is None or mail.state is not State.PENDING or mail.not_before > now():
        return "nothing_to_do"
    hub = get_hub(hub_id)
    try:
        request = prepare(mail, hub, make_link)
    except CannotPrepareError as exc:
        store.mark_failed(mail, exc.reason)
        return _told(mail, "failed", exc.reason)
    if not hub.mail_enabled:
        return _refused(mail, ClaimRefusal.MAIL_OFF, now())
    reason = _put_off(mail, hub, now)
    if reason:
        return _told(mail, "postponed", reason)
    claimed = store.claim(mail, now())
    if isinstance(claimed, ClaimRefusal):
        return _refused(mail, claimed, now())
    return _send_claimed(claimed, request, now)


def _put_off(mail: Mail, hub: Hub, now: Callable[[], datetime]) -> str:
    """Wait for the mail's turn; put it off, and return why, where that takes long or the hub may send no more today."""
    # The quota last: what is counted there goes.
    seconds = rate.wait_for_turn()
    if seconds:
        store.postpone(mail, now() + timedelta(seconds=seconds), "rate")
        return "rate"
    if mail.kind in INVITING and mail.attempt == 0 and not quota.take(hub, now()):
        store.postpone(mail, quota.tomorrow(hub, now()), "daily_quota")
        return "daily_quota"
    return ""


def _send_claimed(mail: Mail, request: dict[str, Any], now: Callable[[], datetime]) -> str:
    answer = _call(request)
    if isinstance(answer, str):
        store.mark_sent(mail, answer, now())
        return _told(mail, "sent", "")
    if isinstance(answer, _Doubt):
        # Left as it is: the event of SES settles it, or the lease runs out.
        return _told(mail, "in_doubt", "no_answer")
    decision = after_refusal(answer.code, mail.attempt)
    if isinstance(decision, GiveUp):
        store.mark_failed(mail, decision.reason)
        return _told(mail, "failed", decision.reason)
    store.back_to_pending(mail, now() + decision.pause, decision.reason)
    return _told(mail, "will_retry", decision.reason)


def _refused(mail: Mail, why: ClaimRefusal, now: datetime) -> str:
    if why is ClaimRefusal.TAKEN:
        return "nothing_to_do"
    if why is ClaimRefusal.MAIL_OFF:
        store.postpone(mail, now + MAIL_OFF_PAUSE, str(why))
        return _told(mail, "postponed", str(why))
    store.cancel(mail, str(why))
    return _told(mail, "cancelled", str(why))


def _told(mail: Mail, outcome: str, reason: str) -> str:
    report = log.info if outcome == "sent" else log.warning
    report(
        "mail_handled",
        hub_id=mail.hub_id,
        mail_id=mail.mail_id,
        kind=str(mail.kind),
        outcome=outcome,
        reason=reason,
        attempt=mail.attempt,
    )
    return outcome


def prepare(mail: Mail, hub: Hub, make_link: Callable[[Hub, Mail], str]) -> dict[str, Any]:
    """Return the SendEmail request of a mail.

    Raises
    ------
    CannotPrepareError
        With the reason (``Unsendable``).
    TransientError
        If the attachment cannot be read at the moment.
    """
    try:
        to = messages.one_address(mail.to or "")
    except messages.UnsafeAddressError as exc:
        raise CannotPrepareError(Unsendable.BAD_ADDRESS) from exc
    link = make_link(hub, mail) if mail.kind in INVITING else str(mail.params.get("link", ""))
    attachments = _attachments(mail.attachment, may_go_without=bool(link))
    language = messages.pick_language(mail.language, hub.locale)
    params = {**mail.params, "attached": bool(attachments)}
    look = messages.Look(hub.name, hub.logo_url, hub.invitation_text)
    message = messages.render(mail.kind, language, params, look, link)
    simple: dict[str, Any] = {
        "Subject": {"Data": message.subject, "Charset": "UTF-8"},
        "Body": {
            "Text": {"Data": message.text, "Charset": "UTF-8"},
            "Html": {"Data": message.html, "Charset": "UTF-8"},
        },
    }
    if mail.kind is Kind.REMINDER:
        # RFC 8058: the mail program's own button posts there, without opening a page.
        simple["Headers"] = [
            {"Name": "List-Unsubscribe", "Value": f"<{link}/unsubscribe>"},
            {"Name": "List-Unsubscribe-Post", "Value": "List-Unsubscribe=One-Click"},
        ]
    if attachments:
        simple["Attachments"] = attachments
    request: dict[str, Any] = {
        "FromEmailAddress": messages.named_address(hub.sender or hub.name, env("SENDER_ADDRESS")),
        "Destination": {"ToAddresses": [to]},
        "Content": {"Simple": simple},
        "EmailTags": [
            {"Name": "mail", "Value": mail.mail_id},
            {"Name": "hub", "Value": mail.hub_id},
            {"Name": "kind", "Value": str(mail.kind)},
        ],
        "ConfigurationSetName": env("CONFIGURATION_SET"),
    }
    if hub.reply_to:
        try:
            request["ReplyToAddresses"] = [messages.one_address(hub.reply_to)]
        except messages.UnsafeAddressError as exc:
            raise CannotPrepareError(Unsendable.BAD_REPLY_TO) from exc
    return request


def _attachments(attachment: Attachment | None, *, may_go_without: bool) -> list[dict[str, Any]]:
    """Read the file from the bucket; one that is too large stays there if the mail has a link to it."""
    if attachment is None:
        return []
    try:
        found = clients.s3().get_object(Bucket=env("FILES_BUCKET"), Key=attachment.key)
        if found["ContentLength"] > MAX_ATTACHMENT:
            if may_go_without:
                return []
            raise CannotPrepareError(Unsendable.ATTACHMENT_TOO_LARGE)
        content = found["Body"].read()
    except ClientError as exc:
        if exc.response["Error"]["Code"] == "NoSuchKey":
            raise CannotPrepareError(Unsendable.ATTACHMENT_MISSING) from exc
        raise TransientError from exc
    except BotoCoreError as exc:
        raise TransientError from exc
    return [
        {
            "RawContent": content,
            "FileName": messages.header_text(attachment.filename, 120),
            "ContentType": attachment.content_type,
            "ContentDisposition": "ATTACHMENT",
            "ContentTransferEncoding": "BASE64",
        }
    ]


def _call(request: dict[str, Any]) -> str | _Refusal | _Doubt:
    """Call SES once and tell apart: taken (its message id), certainly not taken, nobody knows."""
    try:
        return clients.sesv2().send_email(**request)["MessageId"]
    except ClientError as exc:
        status = exc.response.get("ResponseMetadata", {}).get("HTTPStatusCode", _DOUBTFUL_STATUS)
        if status >= _DOUBTFUL_STATUS:
            return _Doubt()
        return _Refusal(exc.response["Error"]["Code"])
    except _NOT_CONNECTED:
        return _Refusal("not_connected")
    except ParamValidationError:
        return _Refusal("BadRequestException")
    except BotoCoreError:
        return _Doubt()


def sweep_mail(hub_id: str, mail_id: str, now: datetime) -> bool:
    """Look at one mail that a sweeper found due; tell whether its pointer must be sent to the emails queue again.

    A claim whose lease ran out becomes UNKNOWN, or waits for its one second send.
    """
    mail = store.get(hub_id, mail_id)
    if mail is None:
        return False
    if mail.state is State.SENDING:
        state = store.expire_lease(mail, now)
        if state:
            _told(replace(mail, state=state), state.lower(), "lease_expired")
        if state is State.UNKNOWN:
            count(IN_DOUBT)
        return False
    return mail.state is State.PENDING and mail.not_before <= now and store.look_later(mail, now)
