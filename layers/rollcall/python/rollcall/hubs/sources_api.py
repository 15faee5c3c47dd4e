"""Routes: the sources of a hub, their settings, secrets and health."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from aws_lambda_powertools.event_handler import Response
from pydantic import Field, StringConstraints

from rollcall.api import etags
from rollcall.api.auth import needs
from rollcall.api.routing import make_router
from rollcall.api.shapes import JSON, Given, Listed, Shown
from rollcall.hubs import store
from rollcall.hubs.api import Name  # noqa: TC001 - pydantic reads it
from rollcall.hubs.keyring import MAX_LIVE, Keyring, Secret
from rollcall.hubs.model import DeletedMeans, Permission, Source
from rollcall.people import event_log, upkeep
from rollcall.people.events import Ignored, Kind
from rollcall.runtime.errors import Fault, MalformedError, NotFoundError, RefusedError
from rollcall.runtime.ids import is_ulid, new_id
from rollcall.runtime.observability import log
from rollcall.runtime.settings import optional
from rollcall.runtime.times import now, to_text
from rollcall.sources import registry
from rollcall.sources.health import get_health, used_name
from rollcall.sources.model import Delivery, as_the_source_wants
from rollcall.sources.policy import Away, EmailChoice, Leaving, Policy, PreHire, read_policy
from rollcall.sources.receive import MAX_BODY
from rollcall.sources.watch import watch

if TYPE_CHECKING:
    from rollcall.people.events import DirectoryEvent
    from rollcall.sources.trouble import Health

router = make_router()
Body = TypeVar("Body")

# What only one provider needs, such as the account whose events are ours: docs/sources has them.
SettingName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z_]{0,49}$")]
SettingValue = Annotated[str, StringConstraints(min_length=1, max_length=500)]
CredentialValue = Annotated[str, StringConstraints(min_length=1, max_length=4_000)]
MAX_SOURCE_SETTINGS = 20
MAX_TRANSFORM = 4_000
COMMON_SETTINGS = ("deny",)
OLD_SECRET_HOURS = 24
MAX_OLD_SECRET_HOURS = 24 * 14
Settings = Annotated[dict[SettingName, SettingValue], Field(max_length=MAX_SOURCE_SETTINGS)]
Transform = Annotated[str, StringConstraints(max_length=MAX_TRANSFORM)]


class PolicyGiven(Given):
    """What the source makes of leave, suspension, a later start, two addresses, and of people it is not meant for.

    ``eligible``: HRIS field → values, of which a person must have one; all fields must be met. What is left out is as
    by default.
    """

    leave: Away = Away.NOTHING
    suspended: Away = Away.DEACTIVATE
    pre_hire: PreHire = PreHire.NOW
    email: EmailChoice = EmailChoice.WORK
    eligible: dict[str, list[str]] = Field(default_factory=dict)
    leaving: Leaving = Leaving.IGNORE


class NewSource(Given):
    """A source to be connected."""

    provider: Annotated[str, StringConstraints(max_length=50)]
    name: Name
    secret: str | None = None
    deleted_means: DeletedMeans = DeletedMeans.DELETE
    settings: Settings = Field(default_factory=dict)
    policy: PolicyGiven = Field(default_factory=PolicyGiven)
    transform: Transform = ""


class SourceSettings(Given):
    """What of a source is to be changed; what is left out stays as it is.

    ``settings`` and ``policy`` are replaced as a whole, so are ``credentials``, which no answer shows; ``{}`` forgets
    them. An empty ``transform`` takes it away.
    """

    name: Name | None = None
    deleted_means: DeletedMeans | None = None
    settings: Settings | None = None
    policy: PolicyGiven | None = None
    transform: Transform | None = None
    credentials: Annotated[dict[SettingName, CredentialValue], Field(max_length=10)] | None = None


class Rotation(Given):
    """A new secret: taken if given, made if not. The one in use stays valid for ``keep_old_hours``."""

    secret: str | None = None
    keep_old_hours: Annotated[int, Field(ge=0, le=MAX_OLD_SECRET_HOURS)] = OLD_SECRET_HOURS


class Sample(Given):
    """A body as the HR system would send it, and a transform to try in place of the source's own."""

    sample: Any
    transform: Transform | None = None


class PolicyShown(Shown):
    """What the source makes of leave, suspension, a later start, two addresses, and who is eligible."""

    leave: Away
    suspended: Away
    pre_hire: PreHire
    email: EmailChoice
    eligible: dict[str, list[str]]
    leaving: Leaving


class SourceShown(Shown):
    """A connected HR system, and the address that it sends its events to."""

    source_id: str
    provider: str
    name: str
    deleted_means: DeletedMeans
    settings: dict[str, str]
    policy: PolicyShown
    transform: str
    webhook_url: str


class SourceMade(SourceShown):
    """A source that was just connected or got a new secret, which is shown this once."""

    secret: str


class SecretShown(Shown):
    """A live secret of a source, without its text. ``expires_at`` is empty for the newest."""

    secret_id: str
    created_at: str | None
    expires_at: str | None
    last_used_at: str | None


class DayShown(Shown):
    """What came on one day (UTC): events taken, events of no use, deliveries refused."""

    day: str
    accepted: int
    ignored: int
    refused: int


class HealthShown(Shown):
    """How the connection is doing. ``silent``: nothing has come for longer than usual."""

    last_event_at: str | None
    last_success_at: str | None
    last_failure_at: str | None
    last_failure_code: str | None
    last_failure: str | None
    silent: bool
    needs_credentials: bool
    days: list[DayShown]


class SourceDetails(SourceShown):
    """A source with its secrets, the names of its credentials, and how the connection is doing."""

    secrets: list[SecretShown]
    credentials: list[str]
    credentials_at: str | None
    health: HealthShown


class TriedEvent(Shown):
    """A directory event that a sample would give."""

    kind: Kind
    external_id: str
    occurred_at: str
    complete: bool
    fields: dict[str, str | None]
    attributes: dict[str, str | list[str] | None]
    groups: dict[str, bool]


class TriedIgnored(Shown):
    """An event of a sample that would do nothing, and why."""

    reason: str
    detail: str


class TriedFault(Shown):
    """What is wrong with a sample, or with what the transform makes of it."""

    place: str
    code: str
    detail: str


class Tried(Shown):
    """What a sample would give; nothing of it was stored."""

    events: list[TriedEvent]
    ignored: list[TriedIgnored]
    faults: list[TriedFault]


@router.get("/hubs/<hub_id>/sources", summary="Connected HR systems", tags=["Sources"])
@needs(Permission.ADMIN)
def list_sources(hub_id: str) -> Listed[SourceShown]:
    """Return all sources of the hub, oldest first."""
    items = [SourceShown(**_shown(found)) for found in store.list_sources(hub_id)]
    return Listed[SourceShown](items=items, next_cursor=None)


@router.post("/hubs/<hub_id>/sources", summary="Connect an HR system", tags=["Sources"], status_code=201)
@needs(Permission.ADMIN)
def create_source(hub_id: str, body: NewSource) -> Response[SourceMade]:
    """Connect a source. Its secret is taken if given and made if not; it is shown in this answer only."""
    if body.provider not in registry.PROVIDERS:
        known = ", ".join(sorted(registry.PROVIDERS))
        raise MalformedError([Fault("body.provider", "unknown_provider", f"Choose one of: {known}.")])
    secret = _given_or_new_secret(body.provider, body.secret)
    source = Source(
        hub_id=hub_id,
        source_id=new_id(),
        provider=body.provider,
        name=body.name,
        salt=store.get_hub(hub_id).salt,
        deleted_means=body.deleted_means,
        settings=dict(body.settings),
        policy=_policy(body.policy),
        transform=body.transform,
    )
    _check(source)
    watch(hub_id, source.source_id, now())  # before it is there: one that never comes is looked at once
    upkeep.watch(hub_id, now())
    source = store.create_source(source, secret)
    log.info("source_created", hub_id=hub_id, source_id=source.source_id, provider=source.provider)
    headers: dict[str, str | list[str]] = {
        "Location": f"/hubs/{hub_id}/sources/{source.source_id}",
        "ETag": etags.etag(source.version),
    }
    made = SourceMade(**_shown(source), secret=secret)
    return Response(status_code=201, content_type=JSON, body=made, headers=headers)


@router.get("/hubs/<hub_id>/sources/<source_id>", summary="One HR system", tags=["Sources"])
@needs(Permission.ADMIN)
def get_source(hub_id: str, source_id: str) -> Response[SourceDetails]:
    """Return a source and how its connection is doing; never a secret. Its version is the `ETag`."""
    return _details(_existing(hub_id, source_id))


@router.put("/hubs/<hub_id>/sources/<source_id>", summary="Change a source", tags=["Sources"])
@needs(Permission.ADMIN)
def change_source(hub_id: str, source_id: str, body: SourceSettings) -> Response[SourceDetails]:
    """Change what is named; `If-Match` guards against changes by others. It counts for what comes from now on."""
    headers = router.current_event.headers
    given = body.model_dump(exclude_unset=True, exclude_none=True)
    credentials: dict[str, str] | None = given.pop("credentials", None)
    if body.policy is not None:
        given["policy"] = _policy(body.policy)

    def change() -> Source:
        source = _existing(hub_id, source_id)
        etags.check(headers, source.version)
        updated = replace(source, **given)
        ring = None
        if credentials is not None:
            _check_credentials(source, credentials)
            ring = store.get_keyring(source).with_credentials(credentials)
            updated = replace(updated, credentials_at=to_text(now()) if credentials else None)
        _check(updated)
        if credentials:  # before: a death in between costs the sweep a look, not the events
            event_log.credentials_came(hub_id, source_id, now())
        return store.update_source(updated, seen=source.version, keyring=ring)

    updated = etags.retry(change)
    log.info("source_changed", hub_id=hub_id, source_id=source_id)
    return _details(updated)


@router.delete("/hubs/<hub_id>/sources/<source_id>", summary="Disconnect a source", tags=["Sources"], status_code=204)
@needs(Permission.ADMIN)
def delete_source(hub_id: str, source_id: str) -> Response[None]:
    """Disconnect a source. Nobody is removed by that. `If-Match` guards against changes by others."""
    source = _existing(hub_id, source_id)
    etags.check(router.current_event.headers, source.version)
    store.delete_source(hub_id, source_id)
    log.info("source_deleted", hub_id=hub_id, source_id=source_id)
    return Response(status_code=204, body=None)


@router.post("/hubs/<hub_id>/sources/<source_id>/rotate-secret", summary="Give a source a new secret", tags=["Sources"])
@needs(Permission.ADMIN)
def rotate_secret(hub_id: str, source_id: str, body: Rotation) -> Response[SourceMade]:
    """Give a source a new secret, shown in this answer only.

    The old one stays valid for `keep_old_hours` (24), so that nothing is lost while the sender changes over; when it
    was last used is on the source. With 0 it is refused within five seconds.
    """
    headers = router.current_event.headers
    secret = _given_or_new_secret(_existing(hub_id, source_id).provider, body.secret)
    moment = now()
    new = Secret(new_id(), secret, to_text(moment))

    def change() -> Source:
        source = _existing(hub_id, source_id)
        etags.check(headers, source.version)
        ring = store.get_keyring(source)
        live = ring.live(to_text(moment))
        if any(one.text == secret for one in live):
            detail = "The source has this secret already. Give a new one, or leave it out."
            raise MalformedError([Fault("body.secret", "same_secret", detail)])
        if body.keep_old_hours and len(live) >= MAX_LIVE:
            detail = "This source has many secrets already. Retire those that are no longer used, then try again."
            raise RefusedError(detail, code="too_many_secrets")
        rotated = ring.rotated(new, old_until=to_text(moment + timedelta(hours=body.keep_old_hours)))
        return store.update_source(source, seen=source.version, keyring=rotated)

    updated = etags.retry(change)
    log.info("secret_rotated", hub_id=hub_id, source_id=source_id)
    return _with_etag(SourceMade(**_shown(updated), secret=secret), updated.version)


@router.delete(
    "/hubs/<hub_id>/sources/<source_id>/secrets/<secret_id>", summary="Retire an old secret", tags=["Sources"]
)
@needs(Permission.ADMIN)
def retire_secret(hub_id: str, source_id: str, secret_id: str) -> Response[SourceDetails]:
    """Retire an old secret at once. Look first when it was last used: what is still signed with it will be refused."""
    headers = router.current_event.headers

    def change() -> Source:
        source = _existing(hub_id, source_id)
        etags.check(headers, source.version)
        ring = store.get_keyring(source)
        known = [secret.secret_id for secret in ring.secrets]
        if secret_id not in known:
            raise NotFoundError
        if secret_id == known[0]:
            detail = "This is the newest secret. Give the source a new one first."
            raise RefusedError(detail, code="newest_secret")
        return store.update_source(source, seen=source.version, keyring=ring.without(secret_id))

    updated = etags.retry(change)
    log.info("secret_retired", hub_id=hub_id, source_id=source_id)
    return _details(updated)


@router.post("/hubs/<hub_id>/sources/<source_id>/try", summary="Try a sample", tags=["Sources"])
@needs(Permission.ADMIN)
def try_sample(hub_id: str, source_id: str, body: Sample) -> Tried:
    """Return the events that a body would give, or its faults. Nothing is stored, nobody is changed."""
    source = _existing(hub_id, source_id)
    if body.transform is not None:
        source = replace(source, transform=body.transform)
        _check(source)
    raw = json.dumps(body.sample, ensure_ascii=False).encode("utf-8", "surrogatepass")
    if len(raw) > MAX_BODY:
        raise MalformedError([Fault("body.sample", "too_large", "Try a sample of at most 1 MiB.")])
    try:
        parsed = registry.provider(source.provider).parse(Delivery(raw, {}, now()), source)
    except MalformedError as exc:
        faults = [TriedFault(place=one.place, code=one.code, detail=one.detail) for one in exc.faults]
        return Tried(events=[], ignored=[], faults=faults)
    wanted = [as_the_source_wants(event, source) for event in parsed]
    return Tried(
        events=[_show_event(event) for event in wanted if not isinstance(event, Ignored)],
        ignored=[TriedIgnored(reason=one.reason, detail=one.detail) for one in wanted if isinstance(one, Ignored)],
        faults=[],
    )


def _existing(hub_id: str, source_id: str) -> Source:
    source = store.get_source(hub_id, source_id) if is_ulid(source_id) else None
    if source is None:
        raise NotFoundError
    return source


def _given_or_new_secret(provider: str, given: str | None) -> str:
    module = registry.provider(provider)
    if given is None:
        return module.new_secret()
    if not module.is_secret(given):
        raise MalformedError([Fault("body.secret", "bad_secret", module.SECRET_RULE)])
    return given


def _policy(given: PolicyGiven) -> Policy:
    return read_policy(given.model_dump(mode="json"), "body.policy")


def _check(source: Source) -> None:
    """Refuse settings that the provider does not know: with a slip in a name a source would take everything."""
    known = {*COMMON_SETTINGS, *registry.provider(source.provider).SETTINGS}
    detail = f"Sources of this kind know these settings: {', '.join(sorted(known))}."
    faults = [
        Fault(f"body.settings.{name}", "unknown_setting", detail) for name in sorted(source.settings.keys() - known)
    ]
    if source.transform:
        faults += _transform_faults(source)
    if faults:
        raise MalformedError(faults)


def _transform_faults(source: Source) -> list[Fault]:
    from rollcall.sources.transform import check

    if source.provider not in registry.TRANSFORMERS:
        detail = "Only a client's own system (standard) has a transform: what this system sends is known."
        return [Fault("body.transform", "not_for_this_system", detail)]
    return [replace(fault, place=f"body.{fault.place}") for fault in check(source.transform)]


def _check_credentials(source: Source, given: dict[str, str]) -> None:
    known = registry.provider(source.provider).CREDENTIALS
    if not given:
        return
    if not known:
        detail = "Rollcall needs no credentials for this system: it sends everything itself."
        raise MalformedError([Fault("body.credentials", "not_for_this_system", detail)])
    detail = f"Give exactly these credentials: {', '.join(known)}."
    wrong = sorted(given.keys() ^ set(known))
    if wrong:
        raise MalformedError([Fault(f"body.credentials.{name}", "wrong_credentials", detail) for name in wrong])
    module = registry.asked(source.provider)
    if module and not module.are_credentials(given):
        detail = "These cannot be the vendor's credentials. Paste them exactly, without spaces around them."
        raise MalformedError([Fault("body.credentials", "wrong_credentials", detail)])


def _shown(source: Source) -> dict[str, Any]:
    return {
        "source_id": source.source_id,
        "provider": source.provider,
        "name": source.name,
        "deleted_means": source.deleted_means,
        "settings": dict(source.settings),
        "policy": PolicyShown(**source.policy.to_item()),
        "transform": source.transform,
        "webhook_url": f"{_base_url()}/hubs/{source.hub_id}/sources/{source.source_id}/events",
    }


def _details(source: Source) -> Response[SourceDetails]:
    moment = now()
    ring = store.get_keyring(source)
    health = get_health(source.hub_id, source.source_id, moment)
    shown = SourceDetails(
        **_shown(source),
        secrets=_show_secrets(ring, health, to_text(moment)),
        credentials=sorted(ring.credentials),
        credentials_at=source.credentials_at,
        health=_show_health(source, health),
    )
    return _with_etag(shown, source.version)


def _show_secrets(ring: Keyring, health: Health, at: str) -> list[SecretShown]:
    return [
        SecretShown(
            secret_id=secret.secret_id,
            created_at=secret.created_at,
            expires_at=secret.expires_at,
            last_used_at=health.used.get(used_name(secret.secret_id)),
        )
        for secret in ring.live(at)
    ]


def _show_health(source: Source, health: Health) -> HealthShown:
    wanted_at = health.needs_credentials_at
    return HealthShown(
        last_event_at=health.last_event_at,
        last_success_at=health.last_success_at,
        last_failure_at=health.last_failure_at,
        last_failure_code=health.failure,
        last_failure=health.failure_detail,
        silent=health.silent,
        needs_credentials=wanted_at is not None and wanted_at > (source.credentials_at or ""),
        days=[DayShown(day=d.day, accepted=d.accepted, ignored=d.ignored, refused=d.refused) for d in health.days],
    )


def _show_event(event: DirectoryEvent) -> TriedEvent:
    attributes = event.attributes.items()
    return TriedEvent(
        kind=event.kind,
        external_id=event.external_id,
        occurred_at=event.occurred_at,
        complete=event.complete,
        fields=dict(event.fields),
        attributes={name: list(value) if isinstance(value, tuple) else value for name, value in attributes},
        groups=dict(event.groups),
    )


def _base_url() -> str:
    base = optional("PUBLIC_BASE_URL").rstrip("/")
    if base:
        return base
    context = router.current_event.request_context
    stage = "" if context.stage == "$default" else f"/{context.stage}"
    return f"https://{context.domain_name}{stage}"


def _with_etag(body: Body, version: int) -> Response[Body]:
    headers: dict[str, str | list[str]] = {"ETag": etags.etag(version)}
    return Response(status_code=200, content_type=JSON, body=body, headers=headers)
