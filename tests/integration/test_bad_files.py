"""A file that cannot be read as a whole has no effect: its plan fails with the sentence, and nothing else is there."""

from __future__ import annotations

import pytest

from rollcall.plans import planning
from rollcall.plans.model import PlanState
from rollcall.uploads.model import UploadKind
from tests.support.bad_files import BYTES, EMPTY, HEADERS, OTHER_FILES, SHAPE
from tests.support.plans import changes_of, upload_file
from tests.support.world import World, everything

pytestmark = pytest.mark.usefixtures("aws")


def test_a_file_that_cannot_be_read_fails_its_plan_and_does_nothing() -> None:
    """One of each sort: no part, no invitation, no mail but the one that tells the admin."""
    world = World().build()
    for bad in (EMPTY[0], OTHER_FILES[0], BYTES[1], SHAPE[2], HEADERS[2]):
        _, event = upload_file(world, UploadKind.INVITES, bad.body)
        (plan,) = planning.handle_s3_event(event)
        assert (plan.state, plan.parts, plan.total) == (PlanState.FAILED, 0, 0), bad.name
        assert [fault.code for fault in plan.faults] == [bad.code]
        assert changes_of(plan) == []
    assert everything("INVITATIONS_TABLE") == []
    assert {item["kind"] for item in everything("MAIL_TABLE")} == {"plan_report"}
