"""Plans on the running stack: approved in part, paused, undone, planned again; and 20,000 changes in flat memory."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from demo.hub_client import wait_for

from tests.support.seeding import external_id, seed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from demo.hub_client import HubApi, StandardSource

PART = 200
FEW, MANY = 2_000, 20_000
PAUSES_AFTER = 3 * PART


def _plan(api: HubApi, lines: Iterable[str], *, trial: bool = False, seconds: float = 120) -> dict[str, Any]:
    """Upload a members file and return its plan once it waits."""
    form = api.post("/uploads", {"kind": "members", "filename": "members.csv", "trial": trial})
    text = "\n".join(["email,status", *lines]) + "\n"
    answer = api.http.post(form["url"], data=form["fields"], files={"file": ("members.csv", text.encode())})
    assert answer.status_code < 300, answer.text
    upload = wait_for("the plan", lambda: _has_plan(api, form["upload_id"]), seconds=seconds)
    return _in_state(api, upload["plan_id"], "awaiting_approval", seconds=seconds)


def _has_plan(api: HubApi, upload_id: str) -> dict[str, Any] | None:
    upload: dict[str, Any] = api.get(f"/uploads/{upload_id}")
    return upload if upload["plan_id"] else None


def _in_state(
    api: HubApi, plan_id: str, state: str, *, seconds: float = 120, meanwhile: Callable[[], object] = lambda: None
) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        meanwhile()
        plan: dict[str, Any] = api.get(f"/plans/{plan_id}")
        assert plan["state"] not in {"failed", "expired", "rejected"} - {state}, plan
        return plan if plan["state"] == state else None

    return wait_for(f"the plan's becoming {state}", look, seconds=seconds)


def _approve(api: HubApi, plan: dict[str, Any], **more: Any) -> dict[str, Any]:
    answer: dict[str, Any] = api.post(f"/plans/{plan['plan_id']}/approve", {"hash": plan["hash"], **more})
    return answer


def _address(number: int) -> str:
    return f"{external_id(number)}@example.com"


def _inactive(api: HubApi) -> set[str]:
    return {member["email"] for member in api.all("/members") if member["status"] == "inactive"}


@pytest.mark.timeout(240)
def test_a_plan_is_tried_approved_in_part_and_undone(
    stack: dict[str, Any], api: HubApi, own_system: StandardSource
) -> None:
    """A trial is refused; of 260 changes those that were chosen are made, and undone again, as the warnings said."""
    source_id = own_system.url.split("/")[-2]
    seed(stack, api.hub_id, source_id, 260)
    lines = [f"{_address(number)},inactive" for number in range(260)]
    trial = _plan(api, lines, trial=True)
    answer = api.call("POST", f"/plans/{trial['plan_id']}/approve", {"hash": trial["hash"]})
    assert (answer.status_code, answer.json()["code"]) == (409, "trial")
    plan = _plan(api, lines)
    assert [(one["code"], one["changes"]) for one in plan["warnings"]] == [("suspends", 260)]
    chosen = [change["id"] for change in api.all(f"/plans/{plan['plan_id']}/changes") if change["row"] % 10 == 0]
    _approve(api, plan, only=chosen)
    done = _in_state(api, plan["plan_id"], "applied")
    assert done["counts"] == {"applied": 26, "left_out": 234}
    assert len(_inactive(api)) == 26
    undo = api.post(f"/plans/{plan['plan_id']}/undo")
    undo = _in_state(api, undo["plan_id"], "awaiting_approval")
    assert (undo["kind"], undo["undoes"], undo["counts"]) == ("undo", plan["plan_id"], {"reverse": 26})
    _approve(api, undo)
    assert _in_state(api, undo["plan_id"], "applied")["counts"] == {"reversed": 26}
    assert _inactive(api) == set()


class _Peaks:
    """The most memory that any worker of planning and applying ever held, as the kernel counts it (VmHWM), in MiB."""

    def __init__(self, stack: dict[str, Any]) -> None:
        self._parent = int(stack["ministack_pid"])
        self._names = [stack["functions"]["plan_upload"], stack["functions"]["apply_plan"]]
        self.most = 0.0

    def look(self) -> None:
        """Look at every worker that lives."""
        for folder in Path("/proc").iterdir():
            if not folder.name.isdecimal():
                continue
            try:
                status = dict(
                    line.split(":\t", 1) for line in (folder / "status").read_text().splitlines() if ":\t" in line
                )
                command = (folder / "cmdline").read_text()
            except OSError:
                continue  # it ended in this moment
            if int(status["PPid"]) == self._parent and any(name in command for name in self._names):
                self.most = max(self.most, int(status["VmHWM"].split()[0]) / 1024)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_twenty_thousand_changes_take_the_memory_of_two_thousand(
    stack: dict[str, Any], api: HubApi, own_system: StandardSource
) -> None:
    """Planned and applied in flat memory; a pause begins no further part, and afterwards every change is made once.

    Memory is the peak resident set of the emulator's worker processes of plan_upload and apply_plan.
    """
    seed(stack, api.hub_id, own_system.url.split("/")[-2], MANY)
    figures = {}
    for count, state in ((FEW, "inactive"), (MANY, "other")):
        peaks = _Peaks(stack)
        before = time.monotonic()
        lines = [
            f"{_address(number)},{'inactive' if state == 'inactive' or number >= FEW else 'active'}"
            for number in range(count)
        ]
        plan = _plan(api, lines, seconds=1500)
        peaks.look()
        planned = time.monotonic() - before
        assert plan["counts"] == {"edit": count}
        _approve(api, plan)
        if count == MANY:
            _pause_and_resume(api, plan["plan_id"])
        done = _in_state(api, plan["plan_id"], "applied", seconds=2400, meanwhile=peaks.look)
        assert (done["counts"], done["progress"]) == ({"applied": count}, {"done": count, "total": count})
        figures[count] = peaks.most
        took = time.monotonic() - before - planned
        print(f"{count} changes: planned in {planned:.0f} s, applied in {took:.0f} s, peak {peaks.most:.1f} MiB")
    assert len(_inactive(api)) == MANY - FEW
    assert figures[MANY] <= 1.2 * figures[FEW], figures


def _pause_and_resume(api: HubApi, plan_id: str) -> None:
    """Pause in the middle: parts that were begun end, no other begins."""
    wait_for("the first parts", lambda: api.get(f"/plans/{plan_id}")["progress"]["done"] >= PAUSES_AFTER, seconds=600)
    at_pause = api.post(f"/plans/{plan_id}/pause")["progress"]["done"]

    def still() -> int | None:
        first = api.get(f"/plans/{plan_id}")["progress"]["done"]
        time.sleep(15)
        second: int = api.get(f"/plans/{plan_id}")["progress"]["done"]
        return second if first == second else None

    rests_at = wait_for("the plan's rest", still, seconds=300)
    print(f"paused at {at_pause} changes, rests at {rests_at}")
    # Ten parts are applied at once at the most; the one that each worker had begun it brings to its end.
    assert at_pause <= rests_at <= at_pause + 10 * PART < MANY
    assert api.get(f"/plans/{plan_id}")["state"] == "paused"
    api.post(f"/plans/{plan_id}/resume")
