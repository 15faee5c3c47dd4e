"""Looking after connections: once an hour each source is looked at, and its trouble is told to the hub's admins.

The item that says when lies in the Plans table, whose ``due`` index the sweep reads already.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from rollcall.hubs import admins as admin_store
from rollcall.hubs import store as hubs
from rollcall.hubs.admins import Notice
from rollcall.mail import store as outbox
from rollcall.mail.model import Kind, Mail
from rollcall.privacy.emails import usable_email
from rollcall.runtime import dynamo
from rollcall.runtime.errors import NotFoundError
from rollcall.runtime.ids import digest, shard_of
from rollcall.runtime.times import to_text
from rollcall.sources.health import get_health
from rollcall.sources.trouble import Trouble, trouble_of

if TYPE_CHECKING:
    from rollcall.hubs.admins import ListedAdmin
    from rollcall.hubs.model import Hub, Source

TABLE = "PLANS_TABLE"
SHARDS = 8
EVERY = timedelta(hours=1)
MOST = 50


def watch(hub_id: str, source_id: str, at: datetime) -> None:
    """Look after a source from now on."""
    item = {"pk": _pk(hub_id, source_id), "sk": "-", "due_pk": _due(source_id), "due_sk": to_text(at + EVERY)}
    dynamo.write([dynamo.put_action(TABLE, item)])


def due_sources(shard: int, at: datetime, limit: int) -> list[tuple[str, str]]:
    """Return hub and source ids of one shard that are to be looked at, the longest overdue first."""
    page = dynamo.query(
        TABLE, f"source#{shard}", index="due", condition="#due_sk <= :now", values={"now": to_text(at)}, limit=limit
    )
    found = [item["pk"].split("#W#") for item in page.items]
    return [(hub_id, source_id) for hub_id, source_id in found]


def look(hub_id: str, source_id: str, at: datetime) -> int:
    """Look at one source and return how many mails were written about it; a source that is gone is looked at no more.

    The id of a mail is made from the trouble, the day and the admin: whatever happens, each is told once a day.
    """
    source = hubs.get_source(hub_id, source_id)
    if source is None:
        dynamo.write([dynamo.update_action(TABLE, _pk(hub_id, source_id), "-", "REMOVE #due_pk, #due_sk")])
        return 0
    trouble = trouble_of(get_health(hub_id, source_id, at), source.credentials_at, at)
    count = _tell(source, trouble, at) if trouble else 0
    action = dynamo.update_action(
        TABLE,
        _pk(hub_id, source_id),
        "-",
        "SET #due_pk = :due_pk, #due_sk = :due_sk",
        values={"due_pk": _due(source_id), "due_sk": to_text(at + EVERY)},
    )
    dynamo.write([action])
    return count


def _tell(source: Source, trouble: Trouble, at: datetime) -> int:
    try:
        hub = hubs.get_hub(source.hub_id)
    except NotFoundError:
        return 0
    mails = [_mail(hub, source, trouble, admin, at) for admin in _readers(source.hub_id)]
    return sum(_put(mail) for mail in mails)


def _readers(hub_id: str) -> list[ListedAdmin]:
    """Return who asked for this notice, or else all who may mend a source."""
    listed = admin_store.get_admins(hub_id).admins
    asked = [admin for admin in listed if Notice.SOURCE_TROUBLE in admin.notices]
    return (asked or [admin for admin in listed if admin.role == "admin"])[:MOST]


def _mail(hub: Hub, source: Source, trouble: Trouble, admin: ListedAdmin, at: datetime) -> Mail:
    reader = usable_email(admin.email) or admin.email
    return Mail(
        mail_id=digest("source_trouble", source.hub_id, source.source_id, trouble.key, reader),
        hub_id=source.hub_id,
        kind=Kind.NOTICE,
        to=admin.email,
        language=hub.locale,
        not_before=at,
        params={"title": f"“{source.name}” needs a look", "text": trouble.text},
    )


def _put(mail: Mail) -> int:
    try:
        dynamo.write([outbox.put_action(mail)])
    except dynamo.ConditionFailedError:
        return 0
    return 1


def _pk(hub_id: str, source_id: str) -> str:
    return f"{hub_id}#W#{source_id}"


def _due(source_id: str) -> str:
    return f"source#{shard_of(source_id) % SHARDS}"
