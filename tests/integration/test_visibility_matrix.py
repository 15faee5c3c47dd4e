"""Every permission of the API by everything that leaves: no private or hidden value reaches who may not see it.

The routes are those of the OpenAPI document, so a new one is in the matrix, or fails here for an id that nobody filled
in. Each is asked by each kind of admin; whatever comes back, an error or a file behind a link too, is searched for the
words that only some may read.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import pytest

from rollcall.activity.record import record_change
from rollcall.activity.store import put_entries
from rollcall.exports.run import run_export
from rollcall.hubs.model import PERMISSIONS, Permission
from rollcall.people.events import Kind
from rollcall.runtime import clients
from rollcall.runtime.settings import env
from rollcall.uploads.model import UploadKind
from tests.integration.test_api_visibility import (
    FIELDS,
    HIDDEN_RULE,
    INVITES,
    MAIL,
    OPEN_RULES,
    SHEET,
    ask,
    drain,
    hide,
    invite,
    planned,
)
from tests.support.admin import Answer, call
from tests.support.world import SOURCE, World, everything

if TYPE_CHECKING:
    from rollcall.plans.model import Plan

ROLES = (*PERMISSIONS, "none")
# What stands in private and hidden segments, in profile fields and in HRIS attributes that no rule makes public.
WORDS = {
    Permission.VIEW_PRIVATE: ("Languages", "French", "Quokka", "Band 9"),
    Permission.VIEW_HIDDEN: ("At risk", "Yes please"),
}
PROFILE_RULE = ",Job title,*,,Profile field,Job title,*,"
# Bodies that come near to what is out of sight, so that errors which tell too much are noticed.
BODIES: dict[str, Any] = {
    "PATCH /hubs/{hub_id}/members/{member_id}": {"segments": {"At rsk": ["Yes pleas"], "Languages": ["Frensh"]}},
    "POST /hubs/{hub_id}/segments": {"name": "At  Risk"},
    "POST /hubs/{hub_id}/segments/{segment_id}/options": {"options": ["Yes pleas", "yes PLEASE"]},
    "PUT /hubs/{hub_id}/segments/{segment_id}": {"name": "At rsk", "visibility": "public"},
    "PATCH /hubs/{hub_id}/segments/{segment_id}/options/{option_id}": {"label": "Yes pleas"},
    "POST /hubs/{hub_id}/exports": {"kind": "members", "segments": {"At rsk": ["Yes pleas"]}},
    "POST /hubs/{hub_id}/mapping/rules": {
        "rules": [
            {
                "field": "Health",
                "value": "Bad",
                "hub_type": "Segment",
                "hub_field": "At rsk",
                "hub_attribute": "Yes pleas",
            }
        ]
    },
    "POST /hubs/{hub_id}/plans/{plan_id}/approve": {"hash": "another"},
    "POST /hubs/{hub_id}/plans/{plan_id}/reject": {"reason": "No"},
}
# These take things away: asked last.
LAST = re.compile(r"^DELETE|erase|restore|merge-into|suspend|undo|reject|stop|rotate|PUT .*(admins|sources)")


@pytest.fixture
def world(aws: None) -> World:
    return World().build()


def content(answer: Answer) -> str:
    """Return all that somebody gets: headers, body, and the file behind a link."""
    found = json.dumps(answer.headers) + answer.text
    where = answer.headers.get("location", "")
    if answer.status == 302:
        found += stored(unquote(urlsplit(where).path).split(env("FILES_BUCKET") + "/")[-1].lstrip("/"))
    return found


def stored(key: str) -> str:
    """Return a file as text; a workbook unpacked."""
    body = clients.s3().get_object(Bucket=env("FILES_BUCKET"), Key=key)["Body"].read()
    if body.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(body)) as book:
            body = b"".join(book.read(name) for name in book.namelist())
    return body.decode("utf-8", "replace")


def told(text: str) -> set[Permission]:
    """Return the permissions that reading this text takes."""
    return {needed for needed, words in WORDS.items() if any(word in text for word in words)}


class Matrix:
    """What was looked at, what came out where it should not, and who saw something that not all may see."""

    def __init__(self) -> None:
        self.cells = 0
        self.leaks: list[str] = []
        self.seen: set[tuple[str, Permission]] = set()

    def look(self, role: str, surface: str, text: str) -> None:
        """Look at what one kind of admin gets at one place."""
        self.cells += 1
        for needed in told(text):
            if needed in PERMISSIONS.get(role, frozenset()):
                self.seen.add((surface, needed))
            else:
                self.leaks.append(f"{role}: {surface}: {needed}: {[w for w in WORDS[needed] if w in text]}")


def furnish(world: World) -> dict[str, Any]:
    """Fill the hub with somebody who has private and hidden values everywhere. Returns the ids for the paths."""
    hide(world)
    lines = (*OPEN_RULES, HIDDEN_RULE, PROFILE_RULE)
    table = planned(world, UploadKind.MAPPING, SHEET, *lines)
    assert ask(world, f"/plans/{table.plan_id}/approve", method="POST", body={"hash": table.hash}).status == 202
    drain()
    said = {
        "Office": "London",
        "Languages": "French",
        "Job title": "Quokka",
        "Salary band": "Band 9",
        "Health": "Poor",
    }
    event = world.event("added", 0, Kind.ADDED, fields=FIELDS, attributes=said)
    world.tell(event)
    invite(world)
    member_id = world.enrol(roles=("mentor",))
    for item in everything("MEMBERS_TABLE") + everything("PEOPLE_TABLE"):
        put_entries(record_change("change", None, {**item, "cause": f"event:{event.event_id}"}))
    (stream,) = everything("MEMBERS_TABLE")
    before = {**stream, "shown": {**stream["shown"], "segments": {}, "profile": {}}}
    put_entries(record_change("later", before, stream))
    for segment_id in ("risk", "languages"):
        described = {"description": "Ask before you use it."}
        assert ask(world, f"/segments/{segment_id}", "admin", "PUT", described).status == 200
    ids = {
        "hub_id": world.hub.hub_id,
        "source_id": SOURCE,
        "member_id": member_id,
        "person_id": world.person_id(),
        "event_id": event.event_id,
        "invitation_id": world.address_id(MAIL),
        "role_id": "mentor",
        "segment_id": ["risk", "languages"],
        "option_id": ["yes", "fr"],
        "into": "en",
        "version": ["1", "2", "3"],
        "secret_id": "01ARZ3NDEKTSV4RRFFQ69G5FAV",
        "erasure_id": "0" * 32,
        "replay_id": "01ARZ3NDEKTSV4RRFFQ69G5FAV",
    }
    plans = [*files(world), table]
    drain()
    return ids | {"plan_id": [plan.plan_id for plan in plans], "upload_id": [plan.upload_id for plan in plans]}


def files(world: World) -> list[Plan]:
    """Return the plans of a file of each kind, with faults that name what is out of sight."""
    rows = f"{INVITES},At risk", "new@example.com,X,Y,Mentee,London,Frensh,Band 9,Yes pleas"
    good = f"{INVITES},At risk", "other@example.com,X,Y,Mentee,London,French,Band 9,Yes please"
    edits = "email,Languages,At risk,profile: Job title", f"{MAIL},English; French,(clear),Quokka Chief"
    people = "external_id,email,Salary band,Job title", f"E-1,{MAIL},Band 9,Quokka Head"
    table = SHEET, *OPEN_RULES, ",Health,Bad,,Segment,At risk,Yes please,Hidden"
    return [
        planned(world, UploadKind.INVITES, *rows),
        planned(world, UploadKind.INVITES, *good),
        planned(world, UploadKind.MEMBERS, *edits),
        planned(world, UploadKind.PEOPLE, *people),
        planned(world, UploadKind.MAPPING, *table),
        planned(world, UploadKind.MAPPING, SHEET, ",Health,Bad,,Segment,At risk,Yes pleas,Purple", ",,,,Segment,,,"),
    ]


def paths(template: str, ids: dict[str, Any]) -> list[str]:
    """Return the paths of a route, one for each of several ids; an id that nobody filled in is an error."""
    names = re.findall(r"{(\w+)}", template)
    for name in names:
        assert name in ids, f"{template}: a new route with {{{name}}}: give it an id here, so that it is looked at"
    several = {name: ids[name] for name in names if isinstance(ids[name], list)}
    count = max(map(len, several.values()), default=1)
    return [template.format(**ids | {name: values[n] for name, values in several.items()}) for n in range(count)]


def routes() -> list[tuple[str, str]]:
    """Return method and path of every route that wants a token, those that take something away last."""
    listed = [
        (method.upper(), path)
        for path, operations in call("GET", "/openapi.json").json["paths"].items()
        for method, operation in operations.items()
        if operation["security"] and "{hub_id}" in path
    ]
    return sorted(listed, key=lambda route: (route[0] != "GET", bool(LAST.search(" ".join(route))), route))


def export_all(world: World, matrix: Matrix) -> list[str]:
    """Let every admin who may export every kind, and look into the files. Returns the ids of the admin's own."""
    own: list[str] = []
    files: list[dict[str, Any]] = [
        *({"kind": kind} for kind in ("invites", "members", "mapping")),
        {"kind": "people", "source_id": SOURCE},
        {"kind": "mapping", "format": "csv"},
        {"kind": "invites", "everybody": True},
    ]
    for role in ROLES:
        for wanted in files:
            answer = ask(world, "/exports", role, "POST", wanted)
            matrix.look(role, f"export of {wanted}", content(answer))
            if answer.status != 202:
                continue
            export_id = answer.json["export_id"]
            run_export(world.hub.hub_id, export_id)
            matrix.look(role, f"file of {wanted}", content(ask(world, f"/exports/{export_id}/file", role)))
            own += [export_id] if role == "admin" else []
    return own


def test_no_private_or_hidden_value_reaches_who_may_not_see_it(world: World, figure: Any) -> None:
    """Every route, each file, and the mails to admins; those who may see the values do, so the search can find."""
    ids, matrix = furnish(world), Matrix()
    ids["export_id"] = export_all(world, matrix)
    for method, template in routes():
        route = f"{method} {template}"
        body = BODIES.get(route, {} if method in {"POST", "PUT", "PATCH"} else None)
        for path in paths(template, ids):
            for role in ROLES:
                answer = ask(world, path.removeprefix(f"/hubs/{world.hub.hub_id}"), role, method, body)
                matrix.look(role, route, content(answer))
    mails = [item for item in everything("MAIL_TABLE") if "#O#" in item["pk"]]
    for item in mails:
        matrix.look("none", f"mail {item['kind']}", json.dumps(item, default=str))
    assert matrix.leaks == []
    for surface in ("members/{member_id}", "members/{member_id}/why", "activity", "plans/{plan_id}/changes", "mapping"):
        assert {needed for place, needed in matrix.seen if place == f"GET /hubs/{{hub_id}}/{surface}"} == set(WORDS)
    assert ("file of {'kind': 'members'}", Permission.VIEW_HIDDEN) in matrix.seen
    assert mails
    figure(f"visibility: {matrix.cells} cells, {len(routes())} routes × {len(ROLES)} kinds of admins, files and mails")
