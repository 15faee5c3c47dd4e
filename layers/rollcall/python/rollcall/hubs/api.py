"""Routes: hubs, their settings and admins. Those of their sources are in ``sources_api.py``."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import Annotated, Any, Literal, TypeVar

from aws_lambda_powertools.event_handler import Response
from pydantic import AfterValidator, Field, StringConstraints

from rollcall.api import auth, etags
from rollcall.api.auth import needs, platform
from rollcall.api.routing import make_router
from rollcall.api.shapes import JSON, Given, Listed, Shown
from rollcall.hubs import admins as admin_store
from rollcall.hubs import context, store
from rollcall.hubs.admins import AdminList, ListedAdmin, Notice
from rollcall.hubs.model import Delivery, Hub, Permission
from rollcall.plans import catalogue_change
from rollcall.privacy.emails import identity_of, written_email
from rollcall.runtime.errors import Fault, MalformedError
from rollcall.runtime.ids import is_ulid, new_id
from rollcall.runtime.observability import log
from rollcall.runtime.times import now
from rollcall.runtime.zones import zone_named
from rollcall.segments.model import Role
from rollcall.segments.store import change_catalogue

router = make_router()
Body = TypeVar("Body")

DEFAULT_ROLE = "Member"
SALT_BYTES = 32


def _one_line(text: str) -> str:
    if any(not char.isprintable() for char in text):
        message = "Leave out line breaks and control characters"
        raise ValueError(message)
    return text


def _email_or_nothing(text: str) -> str:
    if not text:
        return text
    try:
        return written_email(text)
    except ValueError:
        message = "This is not one e-mail address"
        raise ValueError(message) from None


def _web_address_or_nothing(text: str) -> str:
    if text and not (text.startswith(("https://", "http://localhost", "http://127.0.0.1")) and " " not in text):
        message = "Give an address that begins with https://, or nothing"
        raise ValueError(message)
    return text


def _time_zone(text: str) -> str:
    if zone_named(text) is None:
        message = "This is no time zone; write it as Europe/Paris"
        raise ValueError(message)
    return text


def _source_id(text: str) -> str:
    if not is_ulid(text):
        message = "This is not the id of a source"
        raise ValueError(message)
    return text


Name = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_one_line)]
Email = Annotated[str, StringConstraints(min_length=3, max_length=254), AfterValidator(_email_or_nothing)]
OptionalEmail = Annotated[str, StringConstraints(max_length=254), AfterValidator(_email_or_nothing)]
WebAddress = Annotated[str, StringConstraints(max_length=500), AfterValidator(_web_address_or_nothing)]
Language = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$")]


class NewHub(Given):
    """A hub to be made."""

    name: Name
    admin_email: Email | None = None
    locale: Language = "en"


class GuardSettings(Given):
    """How many people may leave within a day before an admin is asked; what is left out stays as it is."""

    people: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    percent: Annotated[int, Field(ge=0, le=100)] | None = None


class GuardShown(Shown):
    """How many people may leave within a day before an admin is asked: the larger of a number and a share."""

    people: int
    percent: int


class HubSettings(Given):
    """Settings to be changed; what is left out stays as it is."""

    name: Name | None = None
    sender: Annotated[str, StringConstraints(max_length=100), AfterValidator(_one_line)] | None = None
    reply_to: OptionalEmail | None = None
    locale: Language | None = None
    landing_url: WebAddress | None = None
    logo_url: WebAddress | None = None
    invitation_text: Annotated[str, StringConstraints(max_length=4000)] | None = None
    two_person_approval: bool | None = None
    mail_enabled: bool | None = None
    daily_invite_quota: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    source_precedence: Annotated[list[Annotated[str, AfterValidator(_source_id)]], Field(max_length=50)] | None = None
    invite_review: bool | None = None
    invite_expiry_days: Annotated[int, Field(ge=1, le=90)] | None = None
    invite_reminder_days: Annotated[list[Annotated[int, Field(ge=1, le=90)]], Field(max_length=2)] | None = None
    reactivate_on_event: bool | None = None
    deletion_grace_days: Annotated[int, Field(ge=0, le=365)] | None = None
    removal_guard: GuardSettings | None = None
    time_zone: Annotated[str, StringConstraints(max_length=64), AfterValidator(_time_zone)] | None = None
    template_delivery: Delivery | None = None


class HubShown(Shown):
    """A hub and its settings."""

    hub_id: str
    name: str
    sender: str
    reply_to: str
    locale: str
    landing_url: str
    logo_url: str
    invitation_text: str
    two_person_approval: bool
    mail_enabled: bool
    daily_invite_quota: int
    source_precedence: list[str]
    invite_review: bool
    invite_expiry_days: int
    invite_reminder_days: list[int]
    reactivate_on_event: bool
    deletion_grace_days: int
    removal_guard: GuardShown
    time_zone: str
    template_delivery: Delivery


class AdminEntry(Given):
    """An admin of the hub: their e-mail, role, and the notices they get."""

    email: Email
    role: Literal["viewer", "inviter", "mapper", "approver", "privacy", "admin"]
    notices: list[Notice] = Field(default_factory=list)


class AdminEntries(Given):
    """All admins of the hub."""

    items: Annotated[list[AdminEntry], Field(max_length=200)]


class AdminShown(Shown):
    """An admin of the hub."""

    email: str
    role: str
    notices: list[Notice]


@router.post("/hubs", summary="Make a hub", tags=["Hub"], status_code=201)
@platform
def create_hub(body: NewHub) -> Response[HubShown]:
    """Make a hub with one role, *Member*. Its first admin needs the group `<hub_id>:admin` where admins log in."""
    role = Role(role_id=new_id(), label=DEFAULT_ROLE)
    hub = Hub(
        hub_id=new_id(),
        name=body.name,
        salt=secrets.token_hex(SALT_BYTES),
        sender=body.name[:100],
        locale=body.locale,
        default_role=role.role_id,
    )
    # The hub itself last: before, nobody sees the rest, and a death in between leaves nothing half made.
    change_catalogue(hub.hub_id, 0, [role], [])
    if body.admin_email:
        first = ListedAdmin(body.admin_email, "admin", tuple(Notice))
        admin_store.put_admins(hub.hub_id, (first,), seen=0)
    store.create_hub(hub)
    log.info("hub_created", hub_id=hub.hub_id)
    headers: dict[str, str | list[str]] = {"Location": f"/hubs/{hub.hub_id}", "ETag": etags.etag(hub.version)}
    return Response(status_code=201, content_type=JSON, body=_show_hub(hub), headers=headers)


@router.get("/hubs/<hub_id>", summary="Settings of the hub", tags=["Hub"])
@needs(Permission.VIEW)
def get_settings(hub_id: str) -> Response[HubShown]:
    """Return the settings; their version is the `ETag`."""
    return _with_etag(_show_hub(hub := store.get_hub(hub_id)), hub.version)


@router.put("/hubs/<hub_id>", summary="Change settings of the hub", tags=["Hub"])
@needs(Permission.ADMIN)
def change_settings(hub_id: str, body: HubSettings) -> Response[HubShown]:
    """Change the settings that are named; `If-Match` guards against changes by others.

    `source_precedence` and `reactivate_on_event` decide what is shown of members: these follow within minutes.
    """
    headers = router.current_event.headers
    actor = auth.caller(router.current_event.raw_event).subject

    def change() -> Hub:
        hub = store.get_hub(hub_id)
        etags.check(headers, hub.version)
        updated = _with_settings(hub, body.model_dump(exclude_unset=True, exclude_none=True))
        if updated.shows != hub.shows:
            return _change_what_is_shown(updated, actor)
        return store.update_hub(updated, seen=hub.version)

    hub = etags.retry(change)
    return _with_etag(_show_hub(hub), hub.version)


@router.get("/hubs/<hub_id>/admins", summary="Admins of the hub", tags=["Hub"])
@needs(Permission.ADMIN)
def get_admins(hub_id: str) -> Response[Listed[AdminShown]]:
    """Return who the admins are and which notices they get. What they may do follows from their login's groups."""
    found = admin_store.get_admins(hub_id)
    return _with_etag(_show_admins(found), found.version)


@router.put("/hubs/<hub_id>/admins", summary="Replace the list of admins", tags=["Hub"])
@needs(Permission.ADMIN)
def change_admins(hub_id: str, body: AdminEntries) -> Response[Listed[AdminShown]]:
    """Replace the list; `If-Match` guards against changes by others."""
    headers = router.current_event.headers
    admins = tuple(ListedAdmin(entry.email, entry.role, tuple(dict.fromkeys(entry.notices))) for entry in body.items)
    known = [identity_of(admin.email) for admin in admins]
    faults = [
        Fault(f"body.items.{n}.email", "duplicate", "This admin is in the list already.")
        for n, address in enumerate(known)
        if address in known[:n]
    ]
    if faults:
        raise MalformedError(faults)

    def change() -> AdminList:
        found = admin_store.get_admins(hub_id)
        etags.check(headers, found.version)
        return admin_store.put_admins(hub_id, admins, seen=found.version)

    stored = etags.retry(change)
    return _with_etag(_show_admins(stored), stored.version)


def _with_settings(hub: Hub, given: dict[str, Any]) -> Hub:
    """Return the hub with the given settings, checked against each other and against what there is."""
    values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
    if "removal_guard" in given:
        values["removal_guard"] = replace(hub.removal_guard, **given["removal_guard"])
    updated = replace(hub, **values)
    faults: list[Fault] = []
    days = updated.invite_reminder_days
    if list(days) != sorted(set(days)):
        faults.append(Fault("body.invite_reminder_days", "not_rising", "Give the days in rising order, each once."))
    if days and max(days) >= updated.invite_expiry_days:
        detail = "Remind before the invitation expires, or let it live longer."
        faults.append(Fault("body.invite_reminder_days", "after_expiry", detail))
    known = {source.source_id for source in store.list_sources(hub.hub_id)} if "source_precedence" in given else set()
    for n, source_id in enumerate(given.get("source_precedence", ())):
        if source_id not in known:
            detail = "The hub has no source with this id."
            faults.append(Fault(f"body.source_precedence.{n}", "unknown_source", detail))
    if faults:
        raise MalformedError(faults)
    return updated


def _change_what_is_shown(hub: Hub, actor: str) -> Hub:
    """Store settings and, in the same transaction, that every member is to be computed anew."""
    hub_id, version = hub.hub_id, context.load(hub.hub_id).catalogue_version
    updated, action = store.update_action(hub, seen=hub.version)
    cause = f"settings:{updated.version}"
    work = catalogue_change.work_action(hub_id, version + 1, actor, now(), cause)
    change_catalogue(hub_id, version, [], [], [action, work])
    catalogue_change.announce(hub_id, version + 1)
    return updated


def _show_hub(hub: Hub) -> HubShown:
    values = {name: getattr(hub, name) for name in HubShown.model_fields}
    lists = {name: list(value) for name, value in values.items() if isinstance(value, tuple)}
    guard = GuardShown(people=hub.removal_guard.people, percent=hub.removal_guard.percent)
    return HubShown(**values | lists | {"removal_guard": guard})


def _show_admins(found: AdminList) -> Listed[AdminShown]:
    items = [AdminShown(email=admin.email, role=admin.role, notices=list(admin.notices)) for admin in found.admins]
    return Listed[AdminShown](items=items, next_cursor=None)


def _with_etag(body: Body, version: int) -> Response[Body]:
    headers: dict[str, str | list[str]] = {"ETag": etags.etag(version)}
    return Response(status_code=200, content_type=JSON, body=body, headers=headers)
