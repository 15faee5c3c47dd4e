"""A big hub on the running stack, quickly: a directory of people, all of them members."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from demo.hub_client import HubApi, StandardSource

AT_ONCE = 500


def external_id(number: int) -> str:
    """Return the id that the directory gives to the n-th person."""
    return f"E-{number:05d}"


def address(number: int) -> str:
    """Return the e-mail address of the n-th person."""
    return f"person-{number:05d}@example.com"


def event(number: int, kind: str = "person.added", **said: Any) -> dict[str, Any]:
    """Return the canonical event that the n-th person is there; ``said`` goes into its data."""
    names = {"email": address(number), "first_name": f"Person {number:05d}", "last_name": "Okafor"}
    data = {"external_id": external_id(number), **(names if kind == "person.added" else {}), **said}
    return {"type": kind, "timestamp": datetime.now(UTC).isoformat(), "data": data}


def seed(api: HubApi, source: StandardSource, count: int, role: str, **said: Any) -> dict[str, str]:
    """Make a hub with so many active members, each known to the directory, and return external id → member id.

    Parameters
    ----------
    role
        Label of a role that the hub has.
    said
        More for the data of each person's event, such as ``attributes``.
    """
    for start in range(0, count, AT_ONCE):
        answer = source.send([event(number, **said) for number in range(start, min(start + AT_ONCE, count))])
        assert answer.is_success, answer.text
    plan = api.add_members({"email": address(number), "roles": role} for number in range(count))
    assert (plan["state"], plan["counts"]) == ("applied", {"created": count}), plan
    return linked(api, count)


def linked(api: HubApi, count: int, *, seconds: float = 300) -> dict[str, str]:
    """Wait until so many persons of the directory are members, and return external id → member id."""
    from demo.hub_client import wait_for

    def look() -> dict[str, str] | None:
        found = {person["external_id"]: person["member_id"] for person in api.all("/people?state=member")}
        return found if len(found) >= count else None

    return wait_for(f"{count} persons becoming members", look, seconds=seconds)
