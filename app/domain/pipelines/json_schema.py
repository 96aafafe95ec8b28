"""JSON Schema 2020-12 of a pipeline, for editors; templates are allowed in place of any argument."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from app.domain.pipelines import model

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

_TEMPLATE: Final[Mapping[str, Any]] = {
    "type": "string",
    "pattern": r"\$\{",
    "description": "A template: ${…} is filled in when the step runs.",
}

# What these say of a value cannot be told while parts of it are templates.
_DROPPED: Final = frozenset(
    {"not", "if", "then", "else", "contains", "minContains", "maxContains", "dependentSchemas", "uniqueItems"}
)
_MAPS: Final = frozenset({"properties", "patternProperties"})
_MEMBERS: Final = frozenset({"items", "additionalProperties", "unevaluatedProperties", "unevaluatedItems"})


def pipeline_schema(tools: Iterable[tuple[str, Mapping[str, Any]]]) -> dict[str, Any]:
    """Returns the schema of a list of steps.

    Args:
        tools: Address and JSON Schema of the arguments of every tool; they become the choices of `uses`, and
            `with` follows the tool that is used.
    """
    known = sorted(tools, key=lambda tool: tool[0])
    step = _step_schema()
    if known:
        step["properties"]["uses"]["enum"] = [name for name, _ in known]
        step["allOf"] = [_choice(name, schema) for name, schema in known]
    return {
        "$schema": DIALECT,
        "title": "Ordinaut pipeline",
        "description": "Steps, run in order.",
        "type": "array",
        "maxItems": model.STEPS_LIMIT,
        "items": {"$ref": "#/$defs/step"},
        "$defs": {"step": step},
    }


def _choice(name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    then: dict[str, Any] = {"properties": {"with": relaxed(schema)}}
    if schema.get("required"):
        then["required"] = ["with"]
    if _points_inside(schema):
        # An id of its own makes the tool's "#/$defs/…" point into its own schema still.
        then["properties"]["with"]["$id"] = f"urn:ordinaut:tool:{name}"
    return {"if": {"properties": {"uses": {"const": name}}, "required": ["uses"]}, "then": then}


def relaxed(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a schema that takes a template in place of any value below the top."""
    out: dict[str, Any] = {}
    for key, value in schema.items():
        if key in _DROPPED or key == "$schema" or key == "$id":
            continue
        if key in _MAPS and isinstance(value, Mapping):
            out[key] = {name: _or_template(member) for name, member in value.items()}
        elif key in _MEMBERS:
            out[key] = _or_template(value)
        elif key == "prefixItems":
            out[key] = [_or_template(member) for member in value]
        else:
            out.update(_relaxed_keyword(key, value))
    return out


def _relaxed_keyword(key: str, value: Any) -> dict[str, Any]:
    if key in ("anyOf", "allOf"):
        return {key: [_relaxed_or_same(branch) for branch in value]}
    if key == "oneOf":
        # A template may fit several branches at once.
        return {"anyOf": [_relaxed_or_same(branch) for branch in value]}
    if key == "$defs":
        return {key: {name: _relaxed_or_same(member) for name, member in value.items()}}
    return {key: value}


def _relaxed_or_same(schema: Any) -> Any:
    return relaxed(schema) if isinstance(schema, Mapping) else schema


def _or_template(schema: Any) -> Any:
    if not isinstance(schema, Mapping) or not schema:
        return schema
    inner = relaxed(schema)
    # Editors read titles and descriptions at the place itself, not inside its branches.
    shown = {key: inner.pop(key) for key in ("title", "description", "default", "examples") if key in inner}
    return {**shown, "anyOf": [inner, dict(_TEMPLATE)]}


def _points_inside(schema: Any) -> bool:
    if isinstance(schema, Mapping):
        return str(schema.get("$ref", "")).startswith("#") or any(map(_points_inside, schema.values()))
    return isinstance(schema, list) and any(map(_points_inside, schema))


def _step_schema() -> dict[str, Any]:
    name = {"type": "string", "pattern": model.ID_PATTERN, "maxLength": model.NAME_LIMIT}
    return {
        "type": "object",
        "oneOf": [{"required": ["uses"]}, {"required": ["parallel"]}],
        "additionalProperties": False,
        "properties": {
            "id": {
                **name,
                "description": "Name of the step; its output is at steps.<id>. Default: step_<n>.",
            },
            "uses": {"type": "string", "minLength": 1, "description": "Address of the tool."},
            "with": {
                "type": "object",
                "default": {},
                "description": "Arguments of the tool; templates inside.",
            },
            "save_as": {**name, "type": ["string", "null"], "description": "Second name of the output."},
            "if": {
                "type": ["string", "boolean", "null"],
                "description": 'Condition; false, null, "", [] and {} skip the step.',
            },
            **_spread(),
            **_effort(),
        },
    }


def _spread() -> dict[str, Any]:
    """How a step is done more than once, or several beside each other."""
    branch = {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/step"}}
    return {
        "foreach": {
            "anyOf": [dict(_TEMPLATE), {"type": "array"}],
            "description": "A list: the step, or what is in `parallel`, is done for each item, seen as item and index.",
        },
        "max_parallel": {
            "type": "integer",
            "minimum": 1,
            "maximum": model.PARALLEL_LIMIT,
            "default": 1,
            "description": "So many items at once.",
        },
        "parallel": {
            "type": "array",
            "minItems": 1,
            "maxItems": model.BRANCHES_LIMIT,
            "items": branch,
            "description": "Branches side by side, in place of a tool; all end before the next step.",
        },
    }


def _effort() -> dict[str, Any]:
    """How long and how often a step tries, and what its failure means."""
    error_type = {"type": "string", "pattern": model.ERROR_TYPE_PATTERN, "maxLength": model.NAME_LIMIT}
    return {
        "timeout_seconds": {
            "type": "number",
            "exclusiveMinimum": 0,
            "maximum": model.TIMEOUT_LIMIT,
            "default": model.DEFAULT_TIMEOUT,
            "description": "How long one attempt may take.",
        },
        "max_retries": {
            "type": "integer",
            "minimum": 0,
            "maximum": model.RETRIES_LIMIT,
            "default": 0,
            "description": "Further attempts after a failure.",
        },
        "backoff_strategy": {"enum": list(model.BACKOFF_STRATEGIES), "default": "exponential_jitter"},
        "backoff_seconds": {
            "type": "number",
            "minimum": 0,
            "maximum": model.BACKOFF_LIMIT,
            "default": model.DEFAULT_BACKOFF,
            "description": "Base of the waits between attempts.",
        },
        "retry_on": {
            "type": "array",
            "items": error_type,
            "maxItems": 50,
            "description": "Types of errors to retry; empty for all that another attempt may mend.",
        },
        "on_error": {"enum": list(model.ON_ERROR), "default": "fail"},
        "on_unknown": {
            "enum": list(model.ON_UNKNOWN),
            "description": "What is done about a call in which the worker was lost. Default: by the tool.",
        },
    }
