"""The description is valid, and complete."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import pytest
from flask import Flask
from openapi_spec_validator import OpenAPIV31SpecValidator
from pydantic import BaseModel

from app.domain.signatures import PRESETS, Incoming, Scheme, delivery_of
from app.http.openapi import declared_routes
from app.schemas.runs import RunDetailOut, RunOut, RunWaitedOut
from tests.fakes.http_app import make_app


@pytest.fixture(scope="module")
def app() -> Flask:
    return make_app()


@pytest.fixture(scope="module")
def described(app: Flask) -> dict[str, Any]:
    content: dict[str, Any] = app.test_client().get("/openapi.json").get_json()
    return content


def operations(described: dict[str, Any]) -> list[dict[str, Any]]:
    """Every operation."""
    return [operation for path in described["paths"].values() for operation in path.values()]


def test_it_is_valid_openapi_3_1(described: dict[str, Any]) -> None:
    assert described["openapi"] == "3.1.0"
    OpenAPIV31SpecValidator(described).validate()


def test_every_route_is_in_it(app: Flask, described: dict[str, Any]) -> None:
    routes = list(declared_routes(app))
    missing = {rule.rule for rule in app.url_map.iter_rules()} - {route.rule.rule for route in routes}
    # The addresses of extensions are theirs; the platform answers there only where there is none.
    of_extensions = {"/ext/<extension_id>", "/ext/<extension_id>/", "/ext/<extension_id>/<path:path>"}
    assert missing == {"/probes/undecorated", *of_extensions}
    for route in routes:
        assert {method.lower() for method in route.methods} <= described["paths"][route.path].keys()


def test_operation_ids_are_unique(described: dict[str, Any]) -> None:
    ids = [operation["operationId"] for operation in operations(described)]
    assert len(ids) == len(set(ids))


def test_every_operation_says_what_it_does_and_how_it_fails(described: dict[str, Any]) -> None:
    for operation in operations(described):
        assert operation["summary"], operation["operationId"]
        assert {"400", "500", "503"} <= operation["responses"].keys()


def test_limits_and_bodies_bring_their_statuses(described: dict[str, Any]) -> None:
    body = described["paths"]["/probes/body"]["post"]["responses"]
    assert {"201", "400", "401", "403", "409", "413", "415", "422", "429", "500", "503"} == body.keys()
    assert "429" not in described["paths"]["/health"]["get"]["responses"]


def test_previews_are_described(described: dict[str, Any]) -> None:
    created = described["paths"]["/tasks"]["post"]["responses"]
    assert _schema(created["201"]) == {"$ref": "#/components/schemas/TaskOut"}
    assert _schema(created["200"]) == {"$ref": "#/components/schemas/TaskPreviewOut"}
    assert "Location" in created["201"]["headers"] and "Location" not in created["200"]["headers"]
    for method in ("put", "patch"):
        changed = described["paths"]["/tasks/{task_id}"][method]["responses"]
        assert _schema(changed["200"])["anyOf"] == [
            {"$ref": "#/components/schemas/TaskOut"},
            {"$ref": "#/components/schemas/TaskPreviewOut"},
        ]


def _schema(response: dict[str, Any]) -> dict[str, Any]:
    content: dict[str, Any] = response["content"]["application/json"]["schema"]
    return content


def test_optional_parameters_cannot_be_null(described: dict[str, Any]) -> None:
    parameters = {one["name"]: one for one in described["paths"]["/runs"]["get"]["parameters"]}
    assert parameters["task_id"]["schema"]["type"] == "string"
    assert parameters["limit"]["schema"]["maximum"] == 200
    assert not any(one["required"] for one in parameters.values())


def test_it_has_an_entity_tag(app: Flask) -> None:
    tag = app.test_client().get("/openapi.json").headers["ETag"]
    assert app.test_client().get("/openapi.json", headers={"If-None-Match": tag}).status_code == 304


@pytest.mark.parametrize("model", [RunOut, RunDetailOut, RunWaitedOut])
def test_examples_are_what_would_be_answered(model: type[BaseModel]) -> None:
    schema = model.model_json_schema(mode="serialization")
    for example in schema["examples"]:
        jsonschema_rs.validate(schema, example)


def test_a_delivery_may_be_anything_and_is_signed_in_one_of_many_ways(described: dict[str, Any]) -> None:
    operation = described["paths"]["/hooks/{slug}"]["post"]
    body = operation["requestBody"]
    assert list(body["content"]) == ["application/json", "*/*"]
    assert body["description"].endswith("4096 bytes at most.")
    headers = {one["name"].lower() for one in operation["parameters"] if one["in"] == "header"}
    asked: set[str] = set()

    class Noted(Incoming):
        def header(self, name: str) -> str:
            asked.add(name)
            return ""

    for preset in PRESETS:
        delivery_of(Scheme(preset=preset), Noted({}, b""), ["s"], 0)
    assert headers == {name.lower() for name in asked}
