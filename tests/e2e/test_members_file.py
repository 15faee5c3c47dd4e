"""On the running stack: the members file goes out, is edited as admins edit it, and comes back."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

import pytest
from demo.hub_client import StandardSource, wait_for

from tests.support import seeding
from tests.support.office import save_as

if TYPE_CHECKING:
    from pathlib import Path

    from demo.hub_client import HubApi

PEOPLE = 12
LEFT = (2, 5)
BACK = "person-0002@example.com"


def _hub_with_two_who_left(stack: dict[str, Any], api: HubApi) -> None:
    made = api.post("/sources", {"provider": "standard", "name": "Payroll"})
    source = StandardSource(made["webhook_url"], made["secret"])
    seeding.seed(stack, api.hub_id, made["source_id"], PEOPLE)
    with source.http:
        answer = source.send([seeding.event(number, "person.deactivated") for number in LEFT])
    assert answer.is_success, answer.text
    wait_for("two leaving", lambda: sorted(_statuses(api).values()).count("inactive") == len(LEFT))


def _statuses(api: HubApi) -> dict[str, str]:
    return {member["email"]: member["status"] for member in api.all("/members")}


def _download(api: HubApi, **asked: Any) -> bytes:
    export = api.post("/exports", {"kind": "members", "delivery": "link", **asked})["export_id"]
    wait_for("the export", lambda: api.get(f"/exports/{export}")["state"] == "done")
    return api.download(f"/exports/{export}/file")


def _reactivate(api: HubApi, file: bytes) -> None:
    """Upload the edited file, look, approve; only the one whose cell was edited is active again."""
    before = _statuses(api)
    plan = api.planned(api.upload("members", "members.csv", file))
    assert (plan["state"], plan["counts"]) == ("awaiting_approval", {"edit": 1, "unchanged": PEOPLE - 1})
    (change,) = [one for one in api.all(f"/plans/{plan['plan_id']}/changes") if one["outcome"] == "edit"]
    assert [(edit["field"], edit["old"], edit["new"]) for edit in change["edits"]] == [
        ("status", ["inactive"], ["active"])
    ]
    assert _statuses(api) == before
    assert api.approve(plan)["counts"] == {"applied": 1, "unchanged": PEOPLE - 1}
    assert _statuses(api) == before | {BACK: "active"}


def _with_python(file: bytes, delimiter: str) -> bytes:
    rows = list(csv.DictReader(io.StringIO(file.decode("utf-8-sig"), newline="")))
    next(row for row in rows if row["email"] == BACK)["status"] = "active"
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, rows[0].keys(), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode("utf-8-sig")


def test_one_whose_status_is_edited_in_the_file_is_active_again_and_only_they(
    stack: dict[str, Any], api: HubApi
) -> None:
    """Export, `inactive` → `active` in a file as a European Excel saves it, upload, look, approve."""
    _hub_with_two_who_left(stack, api)
    _reactivate(api, _with_python(_download(api), ";"))
    rows = csv.DictReader(io.StringIO(_download(api, status="inactive").decode("utf-8-sig")))
    assert [row["email"] for row in rows] == ["person-0005@example.com"]


def test_a_people_file_loads_a_directory_and_a_members_file_its_community(api: HubApi) -> None:
    """A hub that exists before its HR system is connected: the list, then the members, who follow the list."""
    source_id = api.post("/sources", {"provider": "standard", "name": "Payroll"})["source_id"]
    form = api.post("/uploads", {"kind": "people", "filename": "all.csv", "source_id": source_id})
    text = "external_id;email;first_name;last_name;Office\nE-1;maya@example.com;Maya;Okafor;London\nE-2;;Bo;Li;\n"
    answer = api.http.post(form["url"], data=form["fields"], files={"file": ("all.csv", text.encode())})
    assert answer.is_success, answer.text
    plan = api.planned(form["upload_id"])
    assert plan["counts"] == {"create": 2}
    assert api.approve(plan)["counts"] == {"created": 2}
    (role,) = [one["label"] for one in api.get("/roles")["items"]]
    brought = [{"email": "maya@example.com", "roles": role}, {"email": "ana@example.com", "roles": role}]
    assert api.add_members(brought)["counts"] == {"created": 2}
    assert [(person["external_id"], bool(person["member_id"])) for person in api.all("/people?state=member")] == [
        ("E-1", True)
    ]
    export = api.post("/exports", {"kind": "people", "source_id": source_id, "delivery": "link"})["export_id"]
    wait_for("the export", lambda: api.get(f"/exports/{export}")["state"] == "done")
    rows = list(csv.DictReader(io.StringIO(api.download(f"/exports/{export}/file").decode("utf-8-sig"))))
    assert {row["external_id"]: row["HRIS: Office"] for row in rows} == {"E-1": "London", "E-2": ""}


# --- LibreOffice -----------------------------------------------------------------------------------------------------

# Opened as text, saved as a spreadsheet document, edited there, saved as CSV: what somebody does by hand.
_OPEN = "--infilter=CSV:44,34,76,1,,0,false,true,false"  # comma, quotation mark, UTF-8, every column as it stands
_SAVE = "csv:Text - txt - csv (StarCalc):59,34,76,1,,0,false,true,false"  # semicolon


def _edited(document: bytes) -> bytes:
    """Change the one cell in the spreadsheet document itself (flat OpenDocument, XML)."""
    text = document.decode()
    row = text.index(f"<text:p>{BACK}</text:p>")
    cell = text.index("<text:p>inactive</text:p>", row)
    assert cell < text.index("</table:table-row>", row)
    return (text[:cell] + text[cell:].replace("inactive", "active", 1)).encode()


@pytest.mark.long
@pytest.mark.timeout(900)
def test_one_whose_status_is_edited_in_libreoffice_is_active_again_and_only_they(
    stack: dict[str, Any], api: HubApi, tmp_path: Path
) -> None:
    """The file is opened in LibreOffice Calc, one cell is changed, and it is saved as CSV with semicolons."""
    _hub_with_two_who_left(stack, api)
    file, document = tmp_path / "members.csv", tmp_path / "members.fods"
    file.write_bytes(_download(api))
    document.write_bytes(_edited(save_as(file, "fods", tmp_path / "opened", _OPEN)))
    _reactivate(api, save_as(document, _SAVE, tmp_path / "saved"))
