"""Bulk invites on the running stack: whoever should have one invitation has one, whatever happens meanwhile."""

from __future__ import annotations

import csv
import io
import os
import random
import signal
import subprocess
import time
import uuid
from collections import Counter
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from demo.hub_client import AnswerError, HubApi, wait_for

from tests.e2e import tokens
from tests.e2e.conftest import STATE
from tests.support.office import save_as

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from demo.hub_client import Json, StandardSource

PEOPLE, LEAVERS = 12, 3
MIDWAY = 120
# 20,000 (ROLLCALL_INVITE_ROWS) take three quarters of an hour on two cores.
MANY, EVERY_BAD = int(os.environ.get("ROLLCALL_INVITE_ROWS", "1000")), 20
KILLS = 10
HOUR = 3600


def _csv(rows: Iterable[dict[str, str]]) -> bytes:
    rows = list(rows)
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, rows[0])
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode("utf-8-sig")


def _read(file: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(file.decode("utf-8-sig"), newline="")))


def _role(api: HubApi) -> str:
    return str(api.get("/roles")["items"][0]["label"])


def _hire(api: HubApi, source: StandardSource, name: str, count: int) -> None:
    """Let the directory tell of people who could be invited, and wait until they are there."""
    events = [_event(f"{name}-{number}", "person.added", 0) for number in range(count)]
    answer = source.send(events)
    assert answer.is_success, answer.text
    wait_for("the people", lambda: sum(1 for _ in api.all("/people")) == count)


def _event(external_id: str, kind: str, minute: int) -> dict[str, Any]:
    stamp = f"2026-10-05T08:{minute:02d}:00.000Z"
    data = {"external_id": external_id, "email": f"{external_id}@example.com", "first_name": "Maya", "last_name": "Ek"}
    return {"type": kind, "timestamp": stamp, "data": data}


def _export(api: HubApi, **asked: Any) -> bytes:
    export = _exported(api, **asked)
    return api.download(f"/exports/{export}/file")


def _exported(api: HubApi, **asked: Any) -> str:
    export = str(api.post("/exports", {"kind": "invites", "delivery": "link", **asked})["export_id"])
    wait_for("the export", lambda: api.get(f"/exports/{export}")["state"] == "done")
    return export


def _invite_mails(stack: dict[str, Any], api: HubApi) -> Counter[str]:
    """Return how many invitations to this hub the recorder took, by address."""
    found = api.http.get(f"{stack['recorder_url']}/messages", timeout=120).json()["messages"]
    mine = [one for one in found if one["tags"].get("hub") == api.hub_id and one["tags"].get("kind") == "invitation"]
    return Counter(one["to"][0] for one in mine)


def _apply(api: HubApi, file: bytes, *, seconds: float = 120) -> dict[str, Any]:
    plan: dict[str, Any] = api.settled(
        api.planned(api.upload("invites", "invites.csv", file))["plan_id"], seconds=seconds
    )
    assert plan["state"] == "applied", plan
    return plan


@pytest.mark.timeout(300)
def test_one_file_from_two_admins_while_people_leave_brings_one_mail_to_who_should_have_one(
    stack: dict[str, Any], api: HubApi, own_system: StandardSource, aws_client: Callable[[str], Any]
) -> None:
    """Twice by one admin, once by another, all at once; three people leave after all was planned, before it is sent."""
    name = f"bulk{uuid.uuid4().hex[:8]}"
    api.put("", {"invite_review": True})
    _hire(api, own_system, name, PEOPLE)
    rows = [{**row, "role": _role(api)} for row in _read(_export(api))]
    assert len(rows) == PEOPLE
    other = HubApi(api.api_url, api.hub_id, tokens.of_another_admin(stack, aws_client, api.hub_id), api.http)
    uploads = [(one, one.upload("invites", "invites.csv", _csv(rows))) for one in (api, other, api)]
    plans = [(one, one.planned(upload)) for one, upload in uploads]
    assert [(plan["state"], plan["counts"]) for _, plan in plans] == [("awaiting_approval", {"invite": PEOPLE})] * 3
    assert len({plan["created_by"] for _, plan in plans}) == 2
    _leave(api, own_system, [f"{name}-{number}" for number in range(LEAVERS)])
    for one, plan in plans:
        one.post(f"/plans/{plan['plan_id']}/approve", {"hash": plan["hash"]})
    settled = [one.settled(plan["plan_id"]) for one, plan in plans]
    assert [plan["state"] for plan in settled] == ["applied"] * 3
    stays = {f"{name}-{number}@example.com" for number in range(LEAVERS, PEOPLE)}
    wait_for("the mails", lambda: stays <= _invite_mails(stack, api).keys())
    assert _open(api) == stays
    assert sum(plan["counts"].get("invited", 0) for plan in settled) == len(stays)
    assert _invite_mails(stack, api) == Counter(stays)


def _leave(api: HubApi, source: StandardSource, leavers: list[str]) -> None:
    """Let the directory say that people left, and wait until that is so."""
    assert source.send([_event(leaver, "person.deactivated", 1) for leaver in leavers]).is_success
    wait_for("leaving", lambda: sum(1 for _ in api.all("/people?state=deactivated")) == len(leavers), seconds=120)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_people_who_leave_while_their_mails_are_sent_get_none_afterwards(
    stack: dict[str, Any], api: HubApi, own_system: StandardSource, figure: Callable[[str], None]
) -> None:
    """Every other one leaves once the first mails have gone: one mail to all who stay, none to leavers from then on."""
    name = f"mid{uuid.uuid4().hex[:8]}"
    _hire(api, own_system, name, MIDWAY)
    rows = [{**row, "role": _role(api)} for row in _read(_export(api))]
    plan_id = api.planned(api.upload("invites", "invites.csv", _csv(rows)))["plan_id"]
    wait_for("the first mail", lambda: _invite_mails(stack, api) or None, seconds=120)
    leavers = {f"{name}-{number}" for number in range(0, MIDWAY, 2)}
    at_once = sum(_invite_mails(stack, api).values())
    _leave(api, own_system, sorted(leavers))
    # A mail that was claimed in the moment before is on its way to the recorder.
    time.sleep(5)
    before = _invite_mails(stack, api)
    assert api.settled(plan_id, seconds=300)["state"] == "applied"
    stays = {f"{name}-{number}@example.com" for number in range(MIDWAY)} - {f"{one}@example.com" for one in leavers}
    wait_for("the mails", lambda: stays <= _invite_mails(stack, api).keys(), seconds=300)
    wait_for("the withdrawals", lambda: _open(api) == stays)
    mails = _invite_mails(stack, api)
    assert set(mails.values()) == {1}
    assert mails.keys() - stays == before.keys() - stays
    late = MIDWAY - len(stays) - len(mails.keys() - stays)
    assert late > 0, "all had their mail before anybody left"
    figure(
        f"{MIDWAY} invited, {len(leavers)} of them left after the first {at_once} mails: {len(mails)} mails, "
        f"none twice, {late} leavers got none"
    )


def _open(api: HubApi) -> set[str]:
    return {one["email"] for one in api.all("/invitations") if one["status"] in {"queued", "sent", "delivered"}}


@pytest.mark.timeout(300)
def test_report_that_is_corrected_finishes_the_rest_and_only_the_rest(
    stack: dict[str, Any], api: HubApi, own_system: StandardSource
) -> None:
    """The file as it came, with one bad role: the report has its columns, and invites that one person."""
    name = f"again{uuid.uuid4().hex[:8]}"
    _hire(api, own_system, name, 4)
    first, *others = [{**row, "role": _role(api), "T-shirt": "M"} for row in _read(_export(api))]
    plan = _apply(api, _csv([{**first, "role": "Mentro"}, *others]))
    assert (plan["counts"], plan["unread_columns"]) == ({"error": 1, "invited": 3}, ["T-shirt"])
    report = _read(api.download(f"/plans/{plan['plan_id']}/report"))
    assert list(report[0]) == [*first, "result", "reason"]
    assert [row["result"] for row in report] == ["error", "invited", "invited", "invited"]
    again = _apply(api, _csv([{**row, "role": _role(api)} for row in report]))
    assert again["counts"] == {"already_invited": 3, "invited": 1}
    wait_for("the mails", lambda: sum(_invite_mails(stack, api).values()) == 4)
    assert _open(api) == {row["email"] for row in report}
    # Nobody is new since, everybody is known, and what may be written is told.
    everybody = _exported(api, everybody=True)
    assert len(_read(api.download(f"/exports/{everybody}/file"))) == 4
    assert _read(_export(api, only_new=True)) == []
    assert ("role", _role(api)) in {
        (row["column"], row["value"]) for row in _read(api.download(f"/exports/{everybody}/values"))
    }


@pytest.mark.long
@pytest.mark.timeout(600)
def test_export_saved_by_libreoffice_invites_the_same_people(
    api: HubApi, own_system: StandardSource, tmp_path: Path
) -> None:
    """Export, open and save by LibreOffice with semicolons as a European spreadsheet does, upload: the same people."""
    _hire(api, own_system, f"office{uuid.uuid4().hex[:8]}", PEOPLE)
    file, folder = tmp_path / "invites.csv", tmp_path / "saved"
    file.write_bytes(_csv({**row, "role": _role(api)} for row in _read(_export(api))))
    folder.mkdir()
    # Opened as its dialogue proposes; saved with semicolons and quotation marks, in UTF-8 (LibreOffice help, "Filter
    # Options for CSV").
    saved = save_as(file, "csv:Text - txt - csv (StarCalc):59,34,76,1", folder, "--infilter=CSV:44,34,76")
    assert b";" in saved.splitlines()[0]
    assert _apply(api, saved)["counts"] == {"invited": PEOPLE}
    assert _open(api) == {row["email"] for row in _read(file.read_bytes())}


def _rows(name: str, role: str) -> tuple[bytes, set[str]]:
    """Return a file of many rows of which every twentieth has a fault, and the addresses of the good ones."""
    lines, good = ["email,first_name,last_name,role"], set()
    for number in range(MANY):
        address = f"{name}-{number:05d}@example.com"
        if number % EVERY_BAD:
            good.add(address)
            lines.append(f"{address},Maya,Okafor {number},{role}")
        else:
            lines.append(
                f"{address if number % 40 else 'nowhere'},Maya,Okafor,{role if number % 40 == 0 else 'Mentro'}"
            )
    return ("\r\n".join(lines) + "\r\n").encode("utf-8-sig"), good


def _kill_one(stack: dict[str, Any], chance: random.Random) -> str:
    """Kill a random worker of the emulator, with SIGKILL; return which function's it was."""
    listed = subprocess.run(
        ["/bin/ps", "-ww", "-o", "pid=", "-o", "stat=", "-o", "args=", "--ppid", str(stack["ministack_pid"])],
        capture_output=True,
        text=True,
        check=False,
    )
    rows = [line.split(maxsplit=2) for line in listed.stdout.splitlines()]
    alive = [(int(pid), args) for pid, state, args in rows if "ministack-lambda" in args and "Z" not in state]
    if not alive:
        return ""
    pid, args = chance.choice(sorted(alive))
    os.kill(pid, signal.SIGKILL)
    return next((function for function, name in stack["functions"].items() if name in args), "another")


def _asked(look: Callable[[], Json]) -> Json:
    """Ask the API; nothing if the worker that answers was killed, or takes too long."""
    try:
        return look()
    except (AnswerError, httpx.HTTPError):
        return None


@pytest.mark.long
@pytest.mark.timeout(4 * HOUR)
def test_large_file_becomes_invitations_once_each_though_ten_workers_die(
    stack: dict[str, Any], hub: dict[str, Any], api: HubApi, figure: Callable[[str], None]
) -> None:
    """Invitations are those of the good rows; progress is seen; nobody is mailed twice; a doubtful mail is listed."""
    name, chance = f"many{uuid.uuid4().hex[:8]}", random.Random(MANY)
    file, good = _rows(name, _role(api))
    begun = time.monotonic()
    upload = api.upload("invites", "many.csv", file)
    progress: set[int] = set()
    killed: list[str] = []

    def log_in_again() -> None:
        api.token = tokens.renewed(hub["admin_token"], state=STATE, pool_id=stack["user_pool_id"])

    def applied() -> dict[str, Any] | None:
        log_in_again()
        shown = _asked(lambda: api.get(f"/uploads/{upload}"))
        plan = _asked(lambda: api.get(f"/plans/{shown['plan_id']}")) if shown and shown["plan_id"] else None
        if plan and plan["progress"]["done"]:
            progress.add(plan["progress"]["done"])
        if len(killed) < KILLS and (hit := _kill_one(stack, chance)):
            killed.append(hit)
        time.sleep(2)
        return plan if plan and plan["state"] == "applied" else None

    plan = wait_for("applying every row", applied, seconds=2 * HOUR)
    took = time.monotonic() - begun
    assert plan["counts"] == {"error": MANY - len(good), "invited": len(good)}
    assert len(killed) == KILLS
    assert progress - {MANY}, progress
    log_in_again()
    held = {one["email"] for one in api.all("/invitations")}
    assert held == good
    mails: Counter[str] = Counter()

    def quiet() -> bool:
        mails.clear()
        mails.update(_invite_mails(stack, api))
        time.sleep(5 + MANY // 500)
        return sum(mails.values()) >= len(good) - KILLS * 5 and mails == _invite_mails(stack, api)

    wait_for("the mails", quiet, seconds=2 * HOUR)
    assert set(mails.values()) == {1}
    assert mails.keys() <= good
    figure(
        f"{MANY:,} rows: applied in {took:.0f} s with {len(progress)} steps seen, {KILLS} workers killed "
        f"({', '.join(sorted(set(killed)))}), {len(held)} invitations, {sum(mails.values())} mails, none twice"
    )
