"""OpenAPI 3.1 from the URL map and what the views declared."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from flask import Flask
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from werkzeug.routing import Rule

from app.domain.idempotency import HEADER, LONGEST_KEY, REPLAYED
from app.domain.scopes import PUBLIC
from app.http.api import JSON, Operation, RawBody
from app.http.errors import BODY_LIMIT, KINDS, PROBLEM_JSON
from app.http.streams import EVENT_STREAM

_PLACE = re.compile(r"<(?:(?P<converter>[a-z]+)(?:\([^)]*\))?:)?(?P<name>\w+)>")
_TYPES: Mapping[str, dict[str, Any]] = {
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "uuid": {"type": "string", "format": "uuid"},
}
_TEXT = {"type": "string", "minLength": 1, "pattern": r"^[^\u0000-\u001f\u007f]+$"}
_REFS = "#/components/schemas/{model}"
_WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_CODES = {kind.status: code for code, kind in KINDS.items()}
_LIMIT_HEADERS = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")
_HEADERS: dict[str, Any] = {
    "X-Request-ID": {"description": "The id of this request", "schema": {"type": "string"}},
    "X-RateLimit-Limit": {"description": "Requests in a window", "schema": {"type": "integer"}},
    "X-RateLimit-Remaining": {"description": "Requests left in this window", "schema": {"type": "integer"}},
    "X-RateLimit-Reset": {
        "description": "When the window ends, in seconds since 1970",
        "schema": {"type": "integer"},
    },
    "Retry-After": {"description": "Seconds to wait", "schema": {"type": "integer"}},
    "Allow": {"description": "The methods this address knows", "schema": {"type": "string"}},
    "WWW-Authenticate": {"description": "RFC 6750, section 3", "schema": {"type": "string"}},
    REPLAYED: {"description": "`true` where it was answered before, under this key", "schema": {"type": "string"}},
    "Location": {"description": "The address of what was made", "schema": {"type": "string"}},
}
_KEY: dict[str, Any] = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "description": "Asking again under one key within 24 hours gives the same answer and has no second effect",
    # The bare text or a quoted string, as `key_of` reads them.
    "schema": {
        "type": "string",
        "minLength": 1,
        "maxLength": LONGEST_KEY,
        "pattern": r'^[ \t]*([!#-~]([ -~]*[!-~])?|"([ !#-\[\]-~]|\\["\\])+")[ \t]*$',
    },
}
_SCHEMES: dict[str, Any] = {
    "token": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "An access token of `POST /agents/auth/token`, or an API key `oat_…`. Not asked for while "
        "`ORDINAUT_AUTH=off`.",
    },
}
_PROBLEM: dict[str, Any] = {
    "type": "object",
    "required": ["field", "pointer", "issue", "hint"],
    "properties": {
        "field": {"type": "string", "description": "Dotted name"},
        "pointer": {"type": "string", "description": "JSON pointer (RFC 6901)"},
        "issue": {"type": "string"},
        "hint": {"type": "string"},
        "detail": {"type": "string", "description": "More exactly than `issue`, where there is more to say"},
    },
}
_ERROR: dict[str, Any] = {
    "type": "object",
    "description": "Every refusal. `details` depends on the code; a 400 lists all problems in `errors`.",
    "required": ["error", "message", "details", "request_id", "type", "title", "status", "instance"],
    "properties": {
        "error": {"type": "string", "enum": list(KINDS)},
        "message": {"type": "string"},
        "details": {
            "type": "object",
            "properties": {
                "field": {"type": "string"},
                "issue": {"type": "string"},
                "errors": {"type": "array", "items": {"$ref": "#/components/schemas/Problem"}},
            },
        },
        "request_id": {"type": "string"},
        "type": {"type": "string", "description": "RFC 9457"},
        "title": {"type": "string", "description": "RFC 9457"},
        "status": {"type": "integer", "description": "RFC 9457"},
        "instance": {"type": "string", "description": "RFC 9457"},
    },
}
_EXAMPLES: Mapping[str, dict[str, Any]] = {
    "bad_request": {
        "field": "title",
        "issue": "'title' is required",
        "errors": [{"field": "title", "pointer": "/title", "issue": "'title' is required", "hint": ""}],
    },
    "unauthorized": {"required_scopes": ["tasks:read"]},
    "forbidden": {"required_scopes": ["tasks:create"], "granted_scopes": ["tasks:read"]},
    "method_not_allowed": {"method": "PUT", "allowed": ["GET", "HEAD", "OPTIONS"]},
    "payload_too_large": {"limit_bytes": 1048576},
    "rate_limit_exceeded": {"limit": 600, "window": "60s", "reset_at": "2026-11-24T08:31:00Z"},
    "internal_error": {
        "error_id": "01a20f77-fd58-707f-a931-142e270c2ea3",
        "error_type": "RuntimeError",
        "traceback": "...",
    },
}


@dataclass(frozen=True, slots=True)
class Route:
    """A rule of the URL map with what its view declared."""

    rule: Rule
    operation: Operation
    name: str

    @property
    def path(self) -> str:
        """The rule as OpenAPI writes it: `/runs/{run_id}`."""
        return _PLACE.sub(r"{\g<name>}", self.rule.rule)

    @property
    def methods(self) -> list[str]:
        """What it answers to, beyond what Flask answers by itself."""
        return sorted((self.rule.methods or set()) - {"HEAD", "OPTIONS"})


def declared_routes(app: Flask) -> Iterator[Route]:
    """Every rule whose view is an `api` view, in the order of paths."""
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule):
        view = app.view_functions[rule.endpoint]
        operation = getattr(view, "__api__", None)
        if operation is not None and not rule.websocket:
            yield Route(rule, operation, view.__name__)


def openapi(app: Flask, *, version: str, secured: bool = True) -> dict[str, Any]:
    """The description of everything the application serves; `secured` says whether it asks for tokens."""
    routes = list(declared_routes(app))
    refs, schemas = _schemas(routes)
    paths: dict[str, Any] = {}
    for route in routes:
        for method in route.methods:
            paths.setdefault(route.path, {})[method.lower()] = {
                **_described(route, method, refs),
                **_raw(route.operation, app.config.get(BODY_LIMIT)),
            }
            if secured and route.operation.scope != PUBLIC:
                paths[route.path][method.lower()]["security"] = [{"token": []}]
    tags = sorted({tag for route in routes for tag in route.operation.tags})
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Ordinaut",
            "version": version,
            "description": "Tasks on schedules, run as pipelines of tools, and watched live.",
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": tag} for tag in tags],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": {code: _refusal(code) for code in KINDS},
            "headers": _HEADERS,
            "securitySchemes": _SCHEMES,
        },
    }


def _schemas(routes: Iterable[Route]) -> tuple[dict[Any, Any], dict[str, Any]]:
    """`(model, mode)` -> reference, and the schemas they refer to."""
    wanted: dict[Any, None] = {}
    for route in routes:
        if route.operation.body:
            wanted[route.operation.body, "validation"] = None
        for model in (route.operation.returns, route.operation.preview):
            if _is_model(model):
                wanted[model, "serialization"] = None
    refs, found = models_json_schema(list(wanted), by_alias=True, ref_template=_REFS)
    return dict(refs), {**found.get("$defs", {}), "Error": _ERROR, "Problem": _PROBLEM}


def _described(route: Route, method: str, refs: Mapping[Any, Any]) -> dict[str, Any]:
    operation = route.operation
    described: dict[str, Any] = {
        "operationId": route.name if len(route.methods) == 1 else f"{route.name}_{method.lower()}",
        "summary": operation.summary,
        "tags": list(operation.tags),
        "parameters": [
            *_path_parameters(route.rule),
            *_query_parameters(operation.query),
            *_header_parameters(operation.raw),
        ],
        "responses": _responses(route, method, refs),
    }
    if keyed(operation, method):
        described["parameters"].append(_KEY)
    if operation.scope != PUBLIC:
        described["x-scope"] = operation.scope
    if operation.description:
        described["description"] = operation.description
    if operation.body:
        required = any(member.is_required() for member in operation.body.model_fields.values())
        described["requestBody"] = {
            "required": required,
            "content": {JSON: {"schema": refs[operation.body, "validation"]}},
        }
    return described


def _raw(operation: Operation, limit: int | None) -> dict[str, Any]:
    """The body of an operation that takes any type, and how many bytes of it where that is known."""
    if operation.raw is None:
        return {}
    most = "" if limit is None else f" {limit} bytes at most."
    text = {} if operation.raw.example is None else {"example": operation.raw.example}
    content = {JSON: {"schema": {}, **text}, "*/*": {}}
    return {"requestBody": {"description": operation.raw.description + most, "required": False, "content": content}}


def _header_parameters(raw: RawBody | None) -> Iterator[dict[str, Any]]:
    for name, meaning in ({} if raw is None else raw.headers).items():
        schema = {"type": "string"}
        yield {"name": name, "in": "header", "required": False, "description": meaning, "schema": schema}


def _path_parameters(rule: Rule) -> Iterator[dict[str, Any]]:
    for place in _PLACE.finditer(rule.rule):
        schema = _TYPES.get(place["converter"] or "", _TEXT)
        yield {"name": place["name"], "in": "path", "required": True, "schema": schema}


def _query_parameters(model: type[BaseModel] | None) -> Iterator[dict[str, Any]]:
    if model is None:
        return
    whole = model.model_json_schema(ref_template=_REFS)
    for name, schema in whole.get("properties", {}).items():
        required = name in whole.get("required", [])
        parameter = {"name": name, "in": "query", "required": required, "schema": _without_null(schema)}
        if "description" in schema:
            parameter["description"] = schema["description"]
        yield parameter


def _without_null(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of a value that may be left out: a query cannot say null."""
    kept = {name: part for name, part in schema.items() if name not in {"anyOf", "title", "description"}}
    if kept.get("default", 0) is None:
        del kept["default"]
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    if len(kinds) == 1:
        return {**kinds[0], **kept}
    return {**kept, "anyOf": kinds} if kinds else kept


def _responses(route: Route, method: str, refs: Mapping[Any, Any]) -> dict[str, Any]:
    operation = route.operation
    names = ["X-Request-ID", *(_LIMIT_HEADERS if operation.limited else ())]
    if operation.status == 201:
        names.append("Location")
    if keyed(operation, method):
        names.append(REPLAYED)
    answer: dict[str, Any] = {
        "description": "Done" if method in _WRITES else "What was asked for",
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in names},
    }
    schema = _answer_schema(operation, refs)
    if schema is not None and operation.status != 204:
        answer["content"] = {operation.media: {"schema": schema}}
    responses = {str(status): answer for status in (operation.status, *operation.also)}
    if operation.preview:
        responses["200"] = _with_preview(operation, answer, refs)
    for status in _refusals(operation, method):
        responses.setdefault(str(status), {"$ref": f"#/components/responses/{_CODES[status]}"})
    return dict(sorted(responses.items()))


def _with_preview(operation: Operation, answer: dict[str, Any], refs: Mapping[Any, Any]) -> dict[str, Any]:
    """The answer with 200: that of a preview, beside the usual one where that has the same status."""
    shown = refs[operation.preview, "serialization"]
    if operation.status == 200:
        schema = {"anyOf": [_answer_schema(operation, refs), shown]}
        description = f"{answer['description']}; with `preview=true`, what would be stored"
    else:
        schema, description = shown, "When nothing is to be stored: what would be"
    headers = {name: header for name, header in answer["headers"].items() if name != "Location"}
    return {"description": description, "headers": headers, "content": {operation.media: {"schema": schema}}}


def _answer_schema(operation: Operation, refs: Mapping[Any, Any]) -> dict[str, Any] | None:
    if _is_model(operation.returns):
        schema: dict[str, Any] = refs[operation.returns, "serialization"]
        return schema
    if operation.media == EVENT_STREAM:
        return {}  # neither one text nor one object: readers of 3.1 differ in what the schema is about
    if not operation.media.endswith("json"):
        return {"type": "string"}
    return None if operation.returns is None else {}


def _refusals(operation: Operation, method: str) -> set[int]:
    """Every status that can come back in place of the answer."""
    statuses = {400, 500, 503, *operation.errors}
    if operation.limited:
        statuses.add(429)
    if keyed(operation, method):
        statuses |= {409, 422}
    if method in _WRITES:
        statuses.add(403)
    if operation.scope != PUBLIC:
        statuses |= {401, 403}
    if operation.body:
        statuses |= {413, 415}
    return statuses


def keyed(operation: Operation, method: str) -> bool:
    """Whether the operation honours `Idempotency-Key`."""
    return method == "POST" and operation.scope != PUBLIC and operation.repeats != "never"


def _refusal(code: str) -> dict[str, Any]:
    kind = KINDS[code]
    example = {
        "error": code,
        "message": kind.title,
        "details": _EXAMPLES.get(code, {}),
        "request_id": "01a20f77-fd58-707f-a931-142e270c2ea3",
        "type": f"/problems/{code}",
        "title": kind.title,
        "status": kind.status,
        "instance": "/tasks",
    }
    names = ["X-Request-ID"]
    names += [*_LIMIT_HEADERS, "Retry-After"] if code == "rate_limit_exceeded" else []
    names += ["Retry-After"] if code == "unavailable" else []
    names += ["WWW-Authenticate"] if code == "unauthorized" else []
    names += ["Allow"] if code == "method_not_allowed" else []
    media = {"schema": {"$ref": "#/components/schemas/Error"}, "example": example}
    return {
        "description": kind.title,
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in names},
        "content": {JSON: media, PROBLEM_JSON: media},
    }


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel) and not get_args(kind)
