"""Routes of the template, of the code and of the OpenAPI document are the same set."""

from __future__ import annotations

import importlib.util
from importlib import import_module
from pathlib import Path
from typing import Any

from rollcall.api.app import CAPABILITIES, capability_of, whole_app
from rollcall.api.openapi import make_document, public_paths

ROOT = Path(__file__).resolve().parents[2]
Template = dict[str, Any]


def routes_of(template: Template, integration: str = "") -> dict[str, Any]:
    """Return route key → properties, of all routes or of those of one integration."""
    found = [r["Properties"] for r in template["Resources"].values() if r["Type"] == "AWS::ApiGatewayV2::Route"]
    return {route["RouteKey"]: route for route in found if f"{integration}Integration" in str(route["Target"])}


def document() -> dict[str, Any]:
    app = whole_app()
    return make_document(app, app.declared)


def operations() -> dict[str, dict[str, Any]]:
    return {
        f"{method.upper()} {path}": operation
        for path, found in document()["paths"].items()
        for method, operation in found.items()
    }


def references(value: Any) -> set[str]:
    if isinstance(value, list):
        return set().union(*(references(inner) for inner in value))
    if not isinstance(value, dict):
        return set()
    own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
    return own.union(*(references(inner) for inner in value.values()))


def test_template_routes_are_those_of_the_document(translated: Template) -> None:
    """Nothing is documented that does not exist, nothing exists that is not documented."""
    assert set(routes_of(translated)) == set(operations())


def test_template_routes_of_the_admin_api_are_those_of_its_code(translated: Template) -> None:
    """The gateway hands the admin API exactly what it answers."""
    coded = {f"{route.method} {route.path}" for route in whole_app().declared}
    assert set(routes_of(translated, "AdminApi")) == coded


def test_public_paths_are_those_of_the_other_two_functions(translated: Template) -> None:
    """What is documented for the webhook and the invitation pages is what these two functions are given."""
    documented = {f"{method.upper()} {path}" for path, found in public_paths().items() for method in found}
    others = {*routes_of(translated, "ReceiveWebhook"), *routes_of(translated, "AcceptInvitation")}
    assert documented == others


def test_invitation_function_answers_its_routes(translated: Template) -> None:
    """The pages of invitations have the routes that the template gives them."""
    spec = importlib.util.spec_from_file_location("accept_app", ROOT / "functions" / "accept_invitation" / "app.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert set(module._ROUTES) == set(routes_of(translated, "AcceptInvitation"))


def test_routes_that_want_a_token_are_those_behind_the_authorizer(translated: Template) -> None:
    """What the document says of logins is what the gateway does."""
    behind = {key for key, route in routes_of(translated).items() if route["AuthorizationType"] == "JWT"}
    assert behind == {key for key, operation in operations().items() if operation["security"]}
    assert len(behind) >= 38


def test_every_operation_says_what_it_does_and_which_errors_it_has() -> None:
    """Summary, tag, a unique id and problem details on every operation."""
    found = operations()
    assert len({operation["operationId"] for operation in found.values()}) == len(found)
    for key, operation in found.items():
        assert operation["summary"], key
        assert operation["tags"], key
        if "/invitations/{token}" not in key:
            contents = [c for r in operation["responses"].values() for c in r.get("content", {})]
            assert "application/problem+json" in contents, key
        assert "422" not in operation["responses"], key


def test_every_reference_of_the_document_leads_somewhere() -> None:
    """No schema is named that is not there."""
    made = document()
    assert made["openapi"].startswith("3.1")
    schemas = {f"#/components/schemas/{name}" for name in made["components"]["schemas"]}
    assert references(made) <= schemas


def test_bodies_refuse_what_they_do_not_know() -> None:
    """Every JSON body of the admin API takes its own fields and no others."""
    made = document()
    for key, operation in operations().items():
        content = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if content and not key.endswith("/events"):
            name = content["schema"]["$ref"].rpartition("/")[2]
            assert made["components"]["schemas"][name]["additionalProperties"] is False, key


def test_every_route_is_found_by_its_path_alone() -> None:
    """A cold start loads the module of the path and no other: each module answers for each of its own routes."""
    modules = {*CAPABILITIES.values()}
    found = {
        (name, route[0]): capability_of(route[0].replace("<", "").replace(">", ""))
        for name in modules
        for route in import_module(f"rollcall.{name}").router._routes
    }
    assert found == {(name, path): name for name, path in found}
    assert len(found) >= 60
    assert [capability_of(path) for path in ("/health", "/openapi.json", "/", "/hubs/h/nothing")] == [None] * 4
