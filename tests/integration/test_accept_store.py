"""Accepting an invitation, against the stores."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import pytest

from rollcall.hubs import context
from rollcall.hubs import store as hubs
from rollcall.invitations import accept as use_case
from rollcall.invitations import links
from rollcall.invitations import store as invitations
from rollcall.invitations.accept import PageState, accept, decline, look
from rollcall.invitations.model import Invitation, InvitationStatus
from rollcall.mapping.table import OptionTarget, RoleTarget, Rule
from rollcall.members.model import member_id_of
from rollcall.people import store as people
from rollcall.people.events import Kind
from rollcall.people.model import Address
from rollcall.runtime import dynamo
from rollcall.runtime.times import now, to_text
from tests.support.faults import injected
from tests.support.world import RULES, World, everything

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.usefixtures("aws")

MAIL = "maya.okafor@example.com"


def _world() -> World:
    """Return a hub whose directory knows Maya, in London, senior."""
    world = World().build()
    said: dict[str, Any] = {
        "fields": {"email": MAIL, "first_name": "Maya", "last_name": "Okafor"},
        "attributes": {"Office": "London", "Grade": "Senior"},
    }
    world.tell(world.event("added", 0, Kind.ADDED, **said))
    return world


def _invite(world: World, email: str = MAIL, **changed: Any) -> str:
    """Put an invitation and return the token of its link."""
    ctx = context.load(world.hub.hub_id)
    address_id = world.address_id(email)
    invitation = Invitation(
        address_id=address_id,
        epoch=1,
        status=InvitationStatus.SENT,
        email=email,
        first_name="Maya",
        last_name="Okafor",
        segments={"languages": ("fr",)},
        created_at=to_text(now()),
        expires_at=to_text(now() + timedelta(days=14)),
    )
    invitation = replace(invitation, **changed)
    dynamo.write([invitations.put_invitation(world.hub.hub_id, invitation)])
    return links.make_token(ctx.key, world.hub.hub_id, address_id, 1)


def _stored() -> list[dict[str, Any]]:
    tables = ("PEOPLE_TABLE", "MEMBERS_TABLE", "INVITATIONS_TABLE")
    return sorted((item for table in tables for item in everything(table)), key=lambda item: str(item["pk"]))


def _members() -> list[dict[str, Any]]:
    return everything("MEMBERS_TABLE")


def test_open_link_looked_at_changes_nothing() -> None:
    """A mail scanner that opens the link leaves every table as it was."""
    world = _world()
    token = _invite(world)
    before = _stored()
    with injected() as calls:
        page = look(token)
    assert (page.state, page.status) == (PageState.OPEN, 200)
    assert _stored() == before
    assert set(calls.calls) <= {"GetItem", "Query", "GetObject", "GetSecretValue"}


def test_accepting_makes_a_member_of_row_and_mapping_table() -> None:
    """The member has the directory's roles and segments and those of the row; invitation, address, person know it."""
    world = _world()
    page = accept(_invite(world, roles=("mentee",)))
    assert page.state is PageState.ACCEPTED
    (member,) = _members()
    assert member["shown"]["roles"] == ["mentee", "mentor"]
    assert member["shown"]["segments"] == {"location": ["london"], "languages": ["fr"]}
    assert (member["shown"]["email"], member["shown"]["status"]) == (MAIL, "active")
    assert member["cause"] == f"accept:{world.address_id(MAIL)}"
    hub_id, member_id = world.hub.hub_id, member_id_of(member)
    invitation = invitations.get_invitation(hub_id, world.address_id(MAIL))
    person = people.get_person(hub_id, world.person_id())
    assert invitation is not None
    assert person is not None
    assert (invitation.status, invitation.member_id) == (InvitationStatus.ACCEPTED, member_id)
    assert people.get_address(hub_id, world.address_id(MAIL)).member_id == member_id
    assert person.member_id == member_id
    assert member["slices"][person.person.source_id]["person_rev"] == person.rev


def test_accepted_member_follows_the_next_event() -> None:
    """What an update says after the acceptance reaches the member, so the person is linked and its slice in order."""
    world = _world()
    accept(_invite(world))
    world.tell(world.event("moved", 60, attributes={"Office": "Toronto"}))
    assert _members()[0]["shown"]["segments"]["location"] == ["toronto"]


def test_second_acceptance_shows_already_and_changes_nothing() -> None:
    """Pressing the button twice makes one member, and the second answer says so."""
    token = _invite(_world())
    accept(token)
    before = _stored()
    page = accept(token)
    assert (page.state, page.status) == (PageState.ALREADY, 200)
    assert _stored() == before


def test_invited_address_nobody_holds_becomes_a_member_with_a_default_role() -> None:
    """Somebody whom the admin added to the file becomes a member with the catalogue's first role."""
    world = _world()
    accept(_invite(world, "guest@example.com", first_name="Zoë", last_name=""))
    (member,) = _members()
    assert member["slices"] == {}
    assert member["shown"]["roles"] == ["mentor"]
    assert member["shown"]["first_name"] == "Zoë"


def test_no_role_from_anywhere_takes_the_default_role_of_the_hub() -> None:
    """A member has at least one role: the hub's default where neither row nor table gives one."""
    world = _world()
    hubs.update_hub(replace(world.hub, default_role="mentee"), seen=world.hub.version)
    accept(_invite(world, "guest@example.com"))
    assert _members()[0]["shown"]["roles"] == ["mentee"]


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (InvitationStatus.DECLINED, PageState.DECLINED),
        (InvitationStatus.EXPIRED, PageState.EXPIRED),
        (InvitationStatus.REVOKED, PageState.REVOKED),
        (InvitationStatus.WITHDRAWN, PageState.WITHDRAWN),
        (InvitationStatus.BOUNCED, PageState.WITHDRAWN),
    ],
)
@pytest.mark.parametrize("act", [look, accept])
def test_closed_invitation_opens_its_page_and_makes_no_member(
    act: Callable[[str], use_case.Page], status: InvitationStatus, state: PageState
) -> None:
    """A link whose invitation is over is 410, says why, and accepting it does nothing."""
    token = _invite(_world(), status=status)
    page = act(token)
    assert (page.state, page.status) == (state, 410)
    assert _members() == []


def test_time_over_before_the_sweep_is_expired() -> None:
    """An invitation whose time is over cannot be accepted, even if no sweep has said so."""
    token = _invite(_world(), expires_at=to_text(now() - timedelta(seconds=1)))
    assert accept(token).state is PageState.EXPIRED
    assert _members() == []


def test_person_deactivated_after_the_mail_finds_it_withdrawn() -> None:
    """Who left meanwhile does not become a member."""
    world = _world()
    token = _invite(world)
    world.tell(world.event("left", 60, Kind.DEACTIVATED))
    page = accept(token)
    assert (page.state, page.status) == (PageState.WITHDRAWN, 410)
    assert _members() == []


def test_barred_address_without_a_withdrawn_invitation_is_refused() -> None:
    """The address decides even where the invitation itself is still open."""
    world = _world()
    token = _invite(world, "gone@example.com")
    erased = Address(world.address_id("gone@example.com"), erased=True)
    dynamo.write([people.put_address(world.hub.hub_id, erased)])
    assert look(token).state is PageState.WITHDRAWN
    assert accept(token).state is PageState.WITHDRAWN
    assert _members() == []


def test_link_of_an_earlier_epoch_is_void() -> None:
    """A new invitation at the same address makes the links of the former ones void."""
    token = _invite(_world(), epoch=2)
    assert (look(token).state, accept(token).status, decline(token).status) == (PageState.VOID, 404, 404)
    assert _members() == []


def test_forged_link_is_void() -> None:
    """A link with a proof that is not ours opens nothing and tells nothing about the hub."""
    world = _world()
    token = _invite(world)
    other = links.make_token(
        replace(context.load(world.hub.hub_id).key, _secret=b"0" * 32), world.hub.hub_id, world.address_id(MAIL), 1
    )
    assert other != token
    assert accept(other) == use_case.Page(PageState.VOID)
    assert _members() == []


@pytest.mark.parametrize("token", ["", "x", "é", "A" * 500, "../../hubs", "MDFKQQ=="])
def test_text_that_is_no_token_is_void(token: str) -> None:
    """Whatever stands in the path, the answer is the same 404."""
    assert (look(token).status, accept(token).status, decline(token).status) == (404, 404, 404)


def test_declining_closes_the_invitation() -> None:
    """Saying no makes no member, a second no says the same, and a later yes is refused."""
    world = _world()
    token = _invite(world)
    assert (decline(token).status, decline(token).status) == (200, 200)
    invitation = invitations.get_invitation(world.hub.hub_id, world.address_id(MAIL))
    assert invitation is not None
    assert invitation.status is InvitationStatus.DECLINED
    assert accept(token).status == 410
    assert _members() == []


def test_declining_after_accepting_changes_nothing() -> None:
    """One who is a member already stays one, and is told so."""
    token = _invite(_world())
    accept(token)
    before = _stored()
    assert decline(token).state is PageState.ALREADY
    assert _stored() == before


def test_address_with_a_member_marks_only_the_invitation() -> None:
    """Who is a member already does not become a second one."""
    world = _world()
    token = _invite(world)
    member_id = world.enrol()
    assert accept(token).state is PageState.ACCEPTED
    invitation = invitations.get_invitation(world.hub.hub_id, world.address_id(MAIL))
    assert invitation is not None
    assert invitation.member_id == member_id
    assert [member_id_of(member) for member in _members()] == [member_id]


def test_table_published_during_acceptance_reaches_the_member() -> None:
    """A mapping table published between reading and writing is what the member ends up with."""
    world = _world()
    token = _invite(world)
    write = dynamo.write
    rules = (*RULES[1:], Rule("Office", "London", OptionTarget("location", "toronto"), 9))

    def publish_first(actions: list[dynamo.Action]) -> None:
        dynamo.write = write
        world.publish(2, rules)
        write(actions)

    with patch.object(dynamo, "write", publish_first):
        accept(token)
        dynamo.write = write
    (member,) = _members()
    assert member["shown"]["segments"]["location"] == ["toronto"]


def test_repetition_after_a_death_takes_the_newer_table() -> None:
    """A process that died before it could look at the versions again is made up for by the second press."""
    world = _world()
    token = _invite(world)
    accept(token)
    world.publish(2, (Rule("Office", "London", RoleTarget("mentee"), 2),))
    assert accept(token).state is PageState.ALREADY
    assert _members()[0]["shown"]["roles"] == ["mentee"]
    before = _stored()
    accept(token)
    assert _stored() == before
