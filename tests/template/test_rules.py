"""Relations between resources that no ready-made linter looks at (docs/decisions/0001, reliability rules)."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rollcall.exports import writing
from rollcall.mail.send import IN_DOUBT

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
Template = dict[str, Any]
FOURTEEN_DAYS = 14 * 24 * 3600


def of_type(template: Template, kind: str) -> dict[str, Any]:
    """Return name → properties of all resources of that type; at least one."""
    found = {name: r.get("Properties", {}) for name, r in template["Resources"].items() if r["Type"] == kind}
    assert found, f"there is no {kind}"
    return found


def target(value: Any) -> str:
    """Return the logical id a reference points to."""
    if "Ref" in value:
        return str(value["Ref"])
    found = value["Fn::GetAtt"]
    return str(found[0] if isinstance(found, list) else found.split(".")[0])


def mappings(template: Template, source: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield (source's logical id, function's logical id, properties) of event source mappings of a kind of source."""
    for properties in of_type(template, "AWS::Lambda::EventSourceMapping").values():
        arn = properties["EventSourceArn"]
        if template["Resources"][target(arn)]["Type"] == source:
            yield target(arn), target(properties["FunctionName"]), properties


def source_queues(template: Template) -> dict[str, Any]:
    """Return the queues that work is taken from (not the dead letters)."""
    return {name: q for name, q in of_type(template, "AWS::SQS::Queue").items() if "RedrivePolicy" in q}


def alarms_on(template: Template, metric: str) -> set[str]:
    """Return the logical ids of what is watched by an alarm on that metric."""
    return {
        target(dimension["Value"])
        for alarm in of_type(template, "AWS::CloudWatch::Alarm").values()
        if alarm["MetricName"] == metric
        for dimension in alarm["Dimensions"]
    }


def test_every_work_queue_has_one_function_that_empties_it(translated: Template) -> None:
    """No queue fills up unread, and none is read by two."""
    read = [queue for queue, _, _ in mappings(translated, "AWS::SQS::Queue")]
    assert sorted(read) == sorted(source_queues(translated))


def test_every_queue_hides_a_message_six_times_as_long_as_its_function_may_run(translated: Template) -> None:
    """A message in work does not reappear while a throttled batch still waits to be tried."""
    for queue, function, mapping in mappings(translated, "AWS::SQS::Queue"):
        timeout = translated["Resources"][function]["Properties"]["Timeout"]
        needed = 6 * timeout + mapping.get("MaximumBatchingWindowInSeconds", 0)
        assert translated["Resources"][queue]["Properties"]["VisibilityTimeout"] >= needed, queue


def test_every_batch_reports_its_failed_records_alone(translated: Template) -> None:
    """One bad record does not make its neighbours run again: queues and streams."""
    for properties in of_type(translated, "AWS::Lambda::EventSourceMapping").values():
        assert properties["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def test_every_queue_takes_no_more_concurrency_than_its_function_has(translated: Template) -> None:
    """Pollers do not run into throttles, which would use up a message's tries."""
    for queue, function, mapping in mappings(translated, "AWS::SQS::Queue"):
        condition, reserved, _ = translated["Resources"][function]["Properties"]["ReservedConcurrentExecutions"][
            "Fn::If"
        ]
        assert condition == "ReservesConcurrency"
        workers = mapping["ScalingConfig"]["MaximumConcurrency"]
        at_most = max(workers["Fn::If"][1:]) if isinstance(workers, dict) else workers
        assert at_most <= reserved, queue


def test_every_work_queue_gives_up_after_five_tries_into_its_own_dead_letters(translated: Template) -> None:
    """A throttle or a deploy does not use up the tries, and no two queues share dead letters."""
    queues = source_queues(translated)
    assert all(queue["RedrivePolicy"]["maxReceiveCount"] >= 5 for queue in queues.values())
    dead = [target(queue["RedrivePolicy"]["deadLetterTargetArn"]) for queue in queues.values()]
    assert len(set(dead)) == len(dead)


def test_dead_letters_are_kept_fourteen_days_and_longer_than_their_source(translated: Template) -> None:
    """A message's age counts from its first enqueue: the dead letters must outlast it."""
    for name, queue in source_queues(translated).items():
        dead = translated["Resources"][target(queue["RedrivePolicy"]["deadLetterTargetArn"])]["Properties"]
        assert dead["MessageRetentionPeriod"] == FOURTEEN_DAYS > queue["MessageRetentionPeriod"], name


def test_dead_letters_take_only_from_their_own_queue(translated: Template) -> None:
    """RedriveAllowPolicy names the one source, by the name that the source really has."""
    for queue in source_queues(translated).values():
        dead = translated["Resources"][target(queue["RedrivePolicy"]["deadLetterTargetArn"])]["Properties"]
        policy = dead["RedriveAllowPolicy"]
        assert policy["redrivePermission"] == "byQueue"
        (arn,) = policy["sourceQueueArns"]
        assert arn["Fn::Sub"].endswith(f":{queue['QueueName']['Fn::Sub']}")


def test_every_dead_letter_queue_rings_at_the_first_message(translated: Template) -> None:
    """Dead letters never come without their alarm."""
    dead = {name for name in of_type(translated, "AWS::SQS::Queue") if name not in source_queues(translated)}
    assert alarms_on(translated, "ApproximateNumberOfMessagesVisible") == dead
    for alarm in of_type(translated, "AWS::CloudWatch::Alarm").values():
        if alarm["MetricName"] == "ApproximateNumberOfMessagesVisible":
            assert (alarm["Threshold"], alarm["ComparisonOperator"]) == (1, "GreaterThanOrEqualToThreshold")


def test_every_work_queue_rings_when_its_oldest_message_is_old(translated: Template) -> None:
    """Work that waits is noticed before somebody complains."""
    assert alarms_on(translated, "ApproximateAgeOfOldestMessage") == set(source_queues(translated))


def test_a_mail_in_doubt_rings(translated: Template) -> None:
    """The alarm watches the metric that the sweep emits, under the name that the sweep gives it."""
    (alarm,) = [one for one in of_type(translated, "AWS::CloudWatch::Alarm").values() if one["MetricName"] == IN_DOUBT]
    told = translated["Resources"]["Sweep"]["Properties"]["Environment"]["Variables"]
    assert alarm["Namespace"] == told["POWERTOOLS_METRICS_NAMESPACE"]
    assert alarm["Dimensions"] == [{"Name": "service", "Value": told["POWERTOOLS_SERVICE_NAME"]}]
    assert (alarm["Threshold"], alarm["ComparisonOperator"]) == (1, "GreaterThanOrEqualToThreshold")


def test_every_alarm_tells_somebody(translated: Template) -> None:
    """An alarm without an action is a decoration."""
    for name, alarm in of_type(translated, "AWS::CloudWatch::Alarm").items():
        assert [target(action) for action in alarm["AlarmActions"]] == ["AlarmTopic"], name
        assert alarm.get("ActionsEnabled", True), name


def test_every_function_logs_to_a_group_of_its_own_for_thirty_days_at_most(translated: Template) -> None:
    """No log group springs up by itself and stays for ever."""
    groups = of_type(translated, "AWS::Logs::LogGroup")
    assert all(group["RetentionInDays"] <= 30 for group in groups.values())
    used = [target(f["LoggingConfig"]["LogGroup"]) for f in of_type(translated, "AWS::Lambda::Function").values()]
    assert len(set(used)) == len(used)
    assert set(used) <= set(groups)


def test_access_log_names_the_route_and_never_the_path(translated: Template) -> None:
    """Paths hold invitation tokens; addresses of callers are personal data."""
    (stage,) = of_type(translated, "AWS::ApiGatewayV2::Stage").values()
    variables = set(re.findall(r"\$context\.([A-Za-z.]+)", stage["AccessLogSettings"]["Format"]))
    assert "routeKey" in variables
    assert variables <= {"requestId", "routeKey", "status", "responseLatency", "responseLength", "error.responseType"}


def test_buckets_refuse_an_open_line_everywhere_but_on_one_machine(translated: Template) -> None:
    """Each bucket denies requests without TLS; the emulator, which has none, is the only exception."""
    buckets = set(of_type(translated, "AWS::S3::Bucket"))
    refused = set()
    for name, policy in of_type(translated, "AWS::S3::BucketPolicy").items():
        assert translated["Resources"][name].get("Condition") in {None, "IsOnAws"}
        for statement in policy["PolicyDocument"]["Statement"]:
            if statement.get("Condition") == {"Bool": {"aws:SecureTransport": False}}:
                assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", "s3:*")
                refused.add(target(policy["Bucket"]))
    assert refused == buckets
    assert translated["Conditions"]["IsOnAws"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "Stage"}, "local"]}]}


def test_files_of_people_are_deleted_within_fourteen_days(translated: Template) -> None:
    """Uploads and exports, their older versions and unfinished uploads do not lie about."""
    rules = of_type(translated, "AWS::S3::Bucket")["Files"]["LifecycleConfiguration"]["Rules"]
    for prefix in ("uploads/", "exports/"):
        (rule,) = [rule for rule in rules if rule.get("Prefix") == prefix]
        assert rule["Status"] == "Enabled"
        assert rule["ExpirationInDays"] + rule["NoncurrentVersionExpiration"]["NoncurrentDays"] <= 15
        assert rule["ExpirationInDays"] <= 14
    assert any("AbortIncompleteMultipartUpload" in rule and "Prefix" not in rule for rule in rules)


def test_tables_can_be_restored_for_fourteen_days_and_not_longer(translated: Template) -> None:
    """Long enough to mend a mistake, short enough for erasure; each with the stack's key."""
    for name, table in of_type(translated, "AWS::DynamoDB::Table").items():
        recovery = table["PointInTimeRecoverySpecification"]
        assert recovery == {"PointInTimeRecoveryEnabled": True, "RecoveryPeriodInDays": 14}, name
        assert target(table["SSESpecification"]["KMSMasterKeyId"]) == "Key", name


def test_what_holds_data_outlives_its_stack(translated: Template) -> None:
    """Deleting the stack by mistake deletes no table, file, key, secret or login."""
    kinds = (
        "AWS::DynamoDB::Table",
        "AWS::S3::Bucket",
        "AWS::KMS::Key",
        "AWS::SecretsManager::Secret",
        "AWS::Cognito::UserPool",
    )
    for name, resource in translated["Resources"].items():
        if resource["Type"] in kinds:
            assert resource["DeletionPolicy"] == "RetainExceptOnCreate", name
            assert resource["UpdateReplacePolicy"] == "Retain", name


def test_only_people_and_members_have_a_stream(translated: Template) -> None:
    """Activity is recorded from these two; any other stream would be a copy of data nobody reads."""
    tables = of_type(translated, "AWS::DynamoDB::Table")
    assert {name for name, table in tables.items() if "StreamSpecification" in table} == {"PeopleTable", "MembersTable"}
    for _, _, mapping in mappings(translated, "AWS::DynamoDB::Table"):
        assert mapping["BisectBatchOnFunctionError"] is True
        assert mapping["MaximumRetryAttempts"] >= 5
        assert target(mapping["DestinationConfig"]["OnFailure"]["Destination"]) == "ActivityDeadLetters"


def test_every_function_has_a_role_of_its_own(translated: Template) -> None:
    """Least privilege is per function: no shared role, no managed policy."""
    functions = of_type(translated, "AWS::Lambda::Function")
    roles = [target(function["Role"]) for function in functions.values()]
    assert len(set(roles)) == len(functions)
    for role in roles:
        assert not translated["Resources"][role]["Properties"].get("ManagedPolicyArns")


def test_no_role_has_a_wildcard_where_a_resource_can_be_named(translated: Template) -> None:
    """`*` as a resource stands only for the actions of services that have no resources; no action is a wildcard."""
    nameless = {
        "xray:PutTraceSegments",
        "xray:PutTelemetryRecords",
        "dynamodb:ListStreams",
        "ses:DeleteSuppressedDestination",
        "ses:GetAccount",
    }
    for name, role in of_type(translated, "AWS::IAM::Role").items():
        for policy in role.get("Policies", []):
            for statement in policy["PolicyDocument"]["Statement"]:
                assert not any("*" in action for action in statement["Action"]), name
                if statement["Resource"] == "*":
                    assert set(statement["Action"]) <= nameless, name


def test_every_function_may_use_exactly_the_tables_it_is_told_of(translated: Template) -> None:
    """A `..._TABLE` variable and the permission come and go together."""
    for name, function in of_type(translated, "AWS::Lambda::Function").items():
        told = {target(value) for key, value in function["Environment"]["Variables"].items() if key.endswith("_TABLE")}
        role = translated["Resources"][target(function["Role"])]["Properties"]
        allowed = {
            table
            for policy in role["Policies"]
            for statement in policy["PolicyDocument"]["Statement"]
            if statement["Action"][0].startswith("dynamodb:") and "dynamodb:GetRecords" not in statement["Action"]
            for table in re.findall(r"(\w+Table)\b", json.dumps(statement["Resource"]))
        }
        assert told == allowed, name


def test_whoever_reads_a_list_without_whole_items_may_read_the_items_many_at_a_time(translated: Template) -> None:
    """Lists of people, members and events hold keys: what is shown of them is read from the table."""
    lean = {
        (table, index["IndexName"])
        for table, properties in of_type(translated, "AWS::DynamoDB::Table").items()
        for index in properties.get("GlobalSecondaryIndexes", [])
        if index["Projection"]["ProjectionType"] != "ALL" and index["IndexName"] in {"by_name", "by_hub"}
    }
    assert {("PeopleTable", "by_name"), ("MembersTable", "by_name"), ("EventsTable", "by_hub")} <= lean
    readers = 0
    for name in of_type(translated, "AWS::IAM::Role"):
        allowed = {(str(action), str(resource)) for action, resource in _allowed(translated, name)}
        for table, index in lean:
            if any(one == "dynamodb:Query" and f"{table}.Arn}}/index/{index}" in where for one, where in allowed):
                readers += 1
                assert any(
                    one == "dynamodb:BatchGetItem" and table in where and "/index/" not in where
                    for one, where in allowed
                ), f"{name} reads {index} of {table}"
    assert readers >= len(lean)


def test_every_setting_a_handler_asks_for_is_in_its_environment(translated: Template) -> None:
    """A function that needs a table, queue, bucket or secret is told of it in the template."""
    setting = re.compile(r"[A-Z][A-Z0-9_]*_(?:TABLE|URL|ARN|BUCKET|PREFIX|ADDRESS|SET)")
    asked = 0
    for function in of_type(translated, "AWS::Lambda::Function").values():
        told = function["Environment"]["Variables"]
        tree = ast.parse((ROOT / "functions" / told["POWERTOOLS_SERVICE_NAME"] / "app.py").read_text())
        strings = {
            node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
        names = {name for name in strings if setting.fullmatch(name)}
        assert names <= set(told), told["POWERTOOLS_SERVICE_NAME"]
        asked += len(names)
    assert asked


def test_only_the_listed_routes_need_no_token(translated: Template) -> None:
    """A new admin route cannot be left open by mistake, and there is no catch-all."""
    routes = of_type(translated, "AWS::ApiGatewayV2::Route").values()
    open_routes = {route["RouteKey"] for route in routes if route["AuthorizationType"] == "NONE"}
    assert open_routes == {
        "POST /hubs/{hub_id}/sources/{source_id}/events",
        "GET /hubs/{hub_id}/sources/{source_id}/events",
        "GET /health",
        "GET /openapi.json",
        "GET /invitations/{token}",
        "POST /invitations/{token}/accept",
        "POST /invitations/{token}/decline",
        "GET /invitations/{token}/unsubscribe",
        "POST /invitations/{token}/unsubscribe",
    }
    for route in routes:
        assert re.fullmatch(r"(GET|PUT|POST|PATCH|DELETE) /[a-z_{}./-]+", route["RouteKey"])
        if route["RouteKey"] not in open_routes:
            assert (route["AuthorizationType"], target(route["AuthorizerId"])) == ("JWT", "AdminAuthorizer")


def test_only_our_own_account_can_call_functions_and_fill_queues(translated: Template) -> None:
    """No confused deputy: every resource policy for a service names the source."""
    for name, permission in of_type(translated, "AWS::Lambda::Permission").items():
        assert "SourceArn" in permission, name
    for name, policy in of_type(translated, "AWS::SQS::QueuePolicy").items():
        for statement in policy["PolicyDocument"]["Statement"]:
            assert "aws:SourceAccount" in statement["Condition"]["StringEquals"], name


def test_every_resource_of_ours_says_why_it_exists(source: Template) -> None:
    """One line of comment stands on each resource."""
    text = (ROOT / "template.yaml").read_text()
    for name in source["Resources"]:
        assert re.search(rf"^  {name}: # \w", text, re.MULTILINE), name


def _allowed(template: Template, role: str) -> set[tuple[str, str]]:
    """Return (action, resource) of everything a role may do."""
    (policy,) = template["Resources"][role]["Properties"]["Policies"]
    return {
        (action, json.dumps(resource, sort_keys=True))
        for statement in policy["PolicyDocument"]["Statement"]
        for action in statement["Action"]
        for resource in (statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]])
    }


def test_apply_plan_may_do_what_applying_an_event_takes(translated: Template) -> None:
    """Rows of a people file are applied as sync_member applies events: what it is given goes to both functions.

    But for its own queue and log, and for the credentials with which it looks people up: a row says everything.
    """
    own = ("SyncMemberLog", "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "/sources/*")
    needed = {one for one in _allowed(translated, "SyncMemberRole") if not any(name in " ".join(one) for name in own)}
    assert len(needed) > 10
    assert needed <= _allowed(translated, "ApplyPlanRole"), needed - _allowed(translated, "ApplyPlanRole")
    functions = of_type(translated, "AWS::Lambda::Function")
    stores = ("_TABLE", "_QUEUE_URL", "_BUCKET")
    given = {name: functions[name]["Environment"]["Variables"] for name in ("SyncMember", "ApplyPlan")}
    assert {name for name in given["SyncMember"] if name.endswith(stores)} <= given["ApplyPlan"].keys()


def test_export_csv_may_wake_itself_and_give_up_what_it_began(translated: Template) -> None:
    """A file of several runs: the next one is woken, and an upload that nobody goes on with is found and aborted."""
    allowed = {(str(action), str(resource)) for action, resource in _allowed(translated, "ExportCsvRole")}
    for action, resource in (
        ("sqs:SendMessage", "ExportsQueue"),
        ("s3:ListBucketMultipartUploads", "Files"),
        ("s3:AbortMultipartUpload", "/exports/*"),
    ):
        assert any(one == action and resource in where for one, where in allowed), action
    (function,) = [one for name, one in of_type(translated, "AWS::Lambda::Function").items() if name == "ExportCsv"]
    assert function["Environment"]["Variables"]["EXPORTS_QUEUE_URL"] == {"Ref": "ExportsQueue"}
    assert function["Timeout"] >= 2 * writing.RUN_SECONDS


def test_stand_in_for_vendors_is_reached_by_a_local_stack_only(translated: Template) -> None:
    """Whatever the parameter says, a stack on AWS asks the vendors themselves."""
    variables = translated["Resources"]["SyncMember"]["Properties"]["Environment"]["Variables"]
    assert variables["STAGE"] == {"Ref": "Stage"}
    condition, value, otherwise = variables["VENDOR_API_BASE"]["Fn::If"]
    assert (value, otherwise) == ({"Ref": "VendorApiBase"}, {"Ref": "AWS::NoValue"})
    assert {"Fn::Equals": [{"Ref": "Stage"}, "local"]} in translated["Conditions"][condition]["Fn::And"]
    assert translated["Parameters"]["VendorApiBase"]["Default"] == ""
    named = [
        name
        for name, function in of_type(translated, "AWS::Lambda::Function").items()
        if "VENDOR_API_BASE" in str(function)
    ]
    assert named == ["SyncMember"]
