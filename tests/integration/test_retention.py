"""What is only looked at goes by itself after its time."""

from __future__ import annotations

from datetime import timedelta

from rollcall.activity import store as activity
from rollcall.activity.record import record_change
from rollcall.exports import store as exports
from rollcall.exports.model import Export
from rollcall.exports.model import Kind as ExportKind
from rollcall.hubs.model import Admin
from rollcall.mail import store as mails
from rollcall.mail.model import Kind, Mail
from rollcall.people.events import Kind as EventKind
from rollcall.runtime import dynamo
from rollcall.runtime.ids import new_id
from rollcall.runtime.times import KEPT, now, to_text
from rollcall.uploads import store as uploads
from rollcall.uploads.model import UploadKind
from tests.support.world import World, everything


def test_activity_mails_uploads_and_exports_expire_after_400_days_and_people_never(aws: None) -> None:
    """The attribute is what the tables' time to live looks at; persons, members and events have none."""
    world = World().build()
    hub_id = world.hub.hub_id
    world.tell(world.event("one", 0, EventKind.ADDED, fields={"email": "maya@example.com"}))
    world.enrol()
    admin = Admin("ada", "ada@example.com", frozenset())
    uploads.create_upload(hub_id, UploadKind.INVITES, "people.csv", admin, now())
    exports.create(Export(new_id(), hub_id, ExportKind.INVITES, "ada", "", created_at=to_text(now())))
    mail = Mail("0" * 32, hub_id, Kind.EXPORT, "ada@example.com", "en", now())
    dynamo.write([mails.put_action(mail)])
    for item in everything("PEOPLE_TABLE"):
        changed = {**item, "changed_at": to_text(now())} if "changed_at" in item else item
        activity.put_entries(record_change("change", None, changed))
    for table in ("ACTIVITY_TABLE", "MAIL_TABLE", "PLANS_TABLE"):
        items = everything(table)
        assert items
        for item in items:
            assert abs(item["expires"] - (now() + KEPT).timestamp()) < 60
    assert timedelta(days=400) == KEPT
    for table in ("PEOPLE_TABLE", "MEMBERS_TABLE", "EVENTS_TABLE", "INVITATIONS_TABLE"):
        assert not [item for item in everything(table) if "expires" in item]
