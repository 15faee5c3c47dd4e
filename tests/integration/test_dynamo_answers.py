"""Answers with many items are taken as the JSON they are: the same as botocore makes of them."""

from __future__ import annotations

from typing import Any

import botocore.session
import pytest
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st

from rollcall.people.events import DirectoryEvent, Kind
from rollcall.people.merge import lift
from rollcall.people.model import attribute_names, person_to_item
from rollcall.runtime import clients, dynamo
from rollcall.runtime.errors import TransientError
from rollcall.runtime.settings import env
from tests.support.aws import stack
from tests.support.faults import injected
from tests.support.world import SOURCE, World

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.text() | st.floats(-1e9, 1e9).map(float),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(value=PLAIN)
def test_stored_form_and_back_is_the_same(value: Any) -> None:
    """Every value that we store comes back as it was, whole items too."""
    item = {"pk": "a", "value": value}
    assert dynamo.from_item(dynamo.to_item(item)) == item


def test_answers_are_those_of_botocore_itself() -> None:
    """A page, its end, and a batch: values of every type, line for line what the client gives without our shortcut."""
    with stack():
        items: list[dict[str, Any]] = [
            {
                "pk": "one",
                "sk": f"{number}",
                "text": "Zoë \u2028 \"'",
                "none": None,
                "yes": True,
                "n": 1.5,
                "l": [[], {}],
            }
            for number in range(3)
        ]
        for item in items:
            dynamo.write([dynamo.put_action("PLANS_TABLE", item)])
        bare: Any = botocore.session.get_session().create_client("dynamodb")
        ours: Any = clients.dynamodb()
        asked = {
            "TableName": env("PLANS_TABLE"),
            "KeyConditionExpression": "pk = :pk",
            "ExpressionAttributeValues": {":pk": {"S": "one"}},
            "Limit": 2,
        }
        keys = [{"pk": {"S": "one"}, "sk": {"S": f"{number}"}} for number in range(3)]
        batch = {"RequestItems": {env("PLANS_TABLE"): {"Keys": keys}}}
        for name, request in (("query", asked), ("batch_get_item", batch)):
            found, expected = (getattr(client, name)(**request) for client in (ours, bare))
            for answer in (found, expected):
                del answer["ResponseMetadata"]
            assert found == expected
        assert list(dynamo.query_all("PLANS_TABLE", "one")) == items


@pytest.mark.usefixtures("aws")
def test_refusals_come_through_as_before() -> None:
    """What DynamoDB refuses is raised with its code."""
    world = World().build()
    with injected(1, "throttle"), pytest.raises(TransientError):
        dynamo.query("PEOPLE_TABLE", f"{world.hub.hub_id}#0", index="by_name")
    with pytest.raises(ClientError, match="ValidationException"):
        clients.dynamodb().query(TableName=env("PEOPLE_TABLE"), KeyConditionExpression="nonsense")


NAMES = st.dictionaries(st.sampled_from(["Office", "Grade", "group"]), st.sampled_from(["", "x", None, ("y",), ()]))


@given(attributes=NAMES, groups=st.dictionaries(st.sampled_from(["Sales", "IT"]), st.booleans()))
@settings(max_examples=50)
def test_names_of_a_stored_person_are_those_of_the_person(attributes: Any, groups: Any) -> None:
    """Read from the item alone, they are the same as of the whole person."""
    at = "2026-10-05T08:00:00.000Z"
    person = lift(DirectoryEvent("e", SOURCE, "E-1", Kind.ADDED, at, attributes=attributes, groups=groups))
    item = person_to_item(person)
    assert attribute_names(item, with_groups=True) == set(person.values())
    assert attribute_names(item) == {name for name, cell in person.attributes.items() if cell.value}


def test_what_a_busy_table_leaves_out_is_asked_again_after_a_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """DynamoDB answers with a part, and no error: each further ask waits, and at last it is given up."""
    waits: list[float] = []
    monkeypatch.setattr("time.sleep", waits.append)
    with stack():
        client, asked = clients.dynamodb(), [("a", "-"), ("b", "-")]
        for pk, sk in asked:
            dynamo.write([dynamo.put_action("HUBS_TABLE", {"pk": pk, "sk": sk})])
        plain = client.batch_get_item

        def one_at_a_time(**asked: Any) -> Any:
            ((name, wanted),) = asked["RequestItems"].items()
            first, *rest = wanted["Keys"]
            answer = plain(RequestItems={name: wanted | {"Keys": [first]}})
            return {**answer, "UnprocessedKeys": {name: wanted | {"Keys": rest}} if rest else {}}

        monkeypatch.setattr(client, "batch_get_item", one_at_a_time)
        assert set(dynamo.get_many("HUBS_TABLE", asked)) == set(asked)
        assert len(waits) == 1
        monkeypatch.setattr(client, "batch_get_item", lambda **asked: {"UnprocessedKeys": asked["RequestItems"]})
        with pytest.raises(TransientError):
            dynamo.get_many("HUBS_TABLE", asked)
        assert len(waits) == dynamo.MAX_READS
