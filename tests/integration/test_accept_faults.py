"""Accepting an invitation while AWS fails, or the process dies, at every call."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any
from unittest.mock import patch

import pytest

from rollcall.hubs import context
from rollcall.hubs import store as hubs
from rollcall.invitations import links
from rollcall.invitations import store as invitations
from rollcall.invitations.accept import PageState, accept
from rollcall.invitations.model import Invitation, InvitationStatus
from rollcall.mapping import store as mapping
from rollcall.members.model import member_id_of
from rollcall.people import store as people
from rollcall.people.events import Kind
from rollcall.runtime import dynamo
from rollcall.runtime.times import now, to_text
from rollcall.segments import store as segments
from tests.support.faults import MODES, injected, until_quiet
from tests.support.world import World, everything

pytestmark = pytest.mark.usefixtures("aws")


def _forget() -> None:
    """Make the next call a cold start, so that secret, catalogue and mapping table are read again."""
    hubs.forget_secrets()
    mapping._kept.clear()
    segments._kept.clear()


def _invite(world: World, name: str) -> str:
    """Tell of a new person, invite them, and return the token of the link."""
    email = f"{name}@example.com"
    said: dict[str, Any] = {"fields": {"email": email, "first_name": name}, "attributes": {"Office": "London"}}
    world.tell(world.event(name, 0, Kind.ADDED, name, **said))
    address_id = world.address_id(email)
    invitation = Invitation(
        address_id=address_id,
        epoch=1,
        status=InvitationStatus.SENT,
        email=email,
        roles=("mentee",),
        expires_at=to_text(now() + timedelta(days=14)),
    )
    dynamo.write([invitations.put_invitation(world.hub.hub_id, invitation)])
    return links.make_token(context.load(world.hub.hub_id).key, world.hub.hub_id, address_id, 1)


def _press(token: str) -> None:
    """Press the button."""
    accept(token)


def _calls(world: World) -> int:
    token = _invite(world, "counted")
    _forget()
    with injected() as injector:
        accept(token)
    return len(injector.calls)


@pytest.mark.parametrize("mode", MODES)
def test_fault_at_any_call_ends_in_one_whole_member(mode: str) -> None:
    """Whatever fails, at whatever call, pressing again ends in one member, linked from everywhere."""
    world = World().build()
    hub_id = world.hub.hub_id
    count = _calls(world)
    assert count >= 8
    for number in range(1, count + 1):
        name = f"person{number}"
        token = _invite(world, name)
        _forget()
        with patch("time.sleep"):
            injector = until_quiet(partial(_press, token), at=number, mode=mode)
        assert len(injector.calls) >= number, "the fault was never reached"
        address_id = world.address_id(f"{name}@example.com")
        person = people.get_person(hub_id, world.person_id(name))
        invitation = invitations.get_invitation(hub_id, address_id)
        assert person is not None
        assert invitation is not None
        found = [item for item in everything("MEMBERS_TABLE") if item["address_id"] == address_id]
        assert len(found) == 1
        shown = found[0]["shown"]
        assert (shown["roles"], shown["segments"]) == (["mentee"], {"location": ["london"]})
        assert invitation.status is InvitationStatus.ACCEPTED
        assert {invitation.member_id, person.member_id} == {member_id_of(found[0])}
        assert people.get_address(hub_id, address_id).member_id == member_id_of(found[0])
        assert accept(token).state is PageState.ALREADY
