"""Writes docs/api.md, the reference of every address, from the description the application serves.

Run `python -m scripts.render_api_doc` after changing a view or a schema; a test fails while the page is behind.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from flask import Flask

from app.factory import BLUEPRINTS
from app.http.openapi import openapi

PAGE = Path(__file__).resolve().parent.parent / "docs" / "api.md"
METHODS = ("get", "post", "put", "patch", "delete")
ANYWHERE = frozenset({"400", "403", "413", "415", "429", "500", "503"})
"""Refusals that any request may meet; the introduction tells of them once."""

_INTRO = """# The API

<!-- Made by scripts/render_api_doc.py from the application; change the views, then run it. -->

A running Ordinaut serves this as OpenAPI 3.1 at `/openapi.json` and as a page at `/docs`. What holds everywhere:

- Bodies are JSON in UTF-8, with `Content-Type: application/json`. Members and query parameters that are not listed are
  refused by name. `true` is not a number, and `"5"` is not 5.
- Times come as RFC 3339 in UTC, ending in `Z`.
- Lists answer `{items, total, limit, offset, has_more}`.
- Every answer carries `X-Request-ID`: yours, when you sent one, or one that was made. It is in the log, and on the run.
- Requests are limited for each caller; `X-RateLimit-Limit`, `-Remaining` and `-Reset` say where you stand.
- Refusals have one shape; [errors.md](errors.md) has it. Any request may be refused with 400, 429, 500 or 503, a write
  with 403 (a browser on a foreign page sent it), and one with a body with 413 or 415. Below are the statuses beyond
  these.
- This release has no authentication: [settings.md](settings.md#ordinaut_auth).

"""


def describe() -> dict[str, Any]:
    """The description of the application, without starting one."""
    app = Flask("ordinaut", static_folder=None, template_folder=None)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    return openapi(app, version="")


TAKES = {
    "signed_in": "a [token](access.md), whatever it holds",
    "of_extension": "what the [extension's routes](access.md#extensions-and-x-scopes) take",
}


def render() -> str:
    """The whole page."""
    document = describe()
    operations = [
        (path, method, item[method]) for path, item in document["paths"].items() for method in METHODS if method in item
    ]
    tags = list(dict.fromkeys(tag["name"] for tag in document["tags"]))
    parts = [_INTRO, *_contents(operations, tags)]
    for tag in tags:
        parts.append(f"\n## {tag}\n")
        parts += [_operation(*one, document) for one in operations if tag in one[2]["tags"]]
    parts.append("\n## Shapes\n\nWhat bodies and answers are made of. *Required* members have to be sent.\n")
    parts += [_shape(name, schema) for name, schema in sorted(document["components"]["schemas"].items())]
    return "".join(parts)


def main() -> None:
    """Write the page."""
    PAGE.write_text(render(), encoding="utf-8")


def _contents(operations: list[tuple[str, str, Any]], tags: list[str]) -> Iterator[str]:
    yield "| | | |\n|---|---|---|\n"
    for tag in tags:
        for path, method, operation in operations:
            if tag in operation["tags"]:
                yield f"| `{method.upper()}` | [`{path}`](#{operation['operationId']}) | {operation['summary']} |\n"


def _operation(path: str, method: str, operation: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    lines = [f'\n<a id="{operation["operationId"]}"></a>\n\n### `{method.upper()} {path}`\n\n{operation["summary"]}.']
    lines[0] += f" {operation['description']}\n" if "description" in operation else "\n"
    lines.append(
        f"\nTakes {TAKES.get(scope, f'the scope `{scope}`')}.\n" if (scope := operation.get("x-scope")) else ""
    )
    if operation["parameters"]:
        lines.append("\n| parameter | in | type | default | meaning |\n|---|---|---|---|---|\n")
        lines += [_parameter(one) for one in operation["parameters"]]
    if "requestBody" in operation:
        need = "" if operation["requestBody"]["required"] else " It may be left out."
        told = f" {told}" if (told := operation["requestBody"].get("description")) else need
        lines.append(f"\nBody: {_type(_content(operation['requestBody']))}.{told}\n")
    lines.append(f"\nAnswers: {'; '.join(_answers(operation['responses'], document))}.\n")
    return "".join(lines)


def _parameter(parameter: Mapping[str, Any]) -> str:
    schema = parameter["schema"]
    default = "required" if parameter["required"] else _default(schema)
    meaning = _cell(parameter.get("description", ""))
    return f"| `{parameter['name']}` | {parameter['in']} | {_type(schema)} | {default} | {meaning} |\n"


def _answers(responses: Mapping[str, Any], document: Mapping[str, Any]) -> Iterator[str]:
    for status, response in responses.items():
        if "$ref" not in response:
            schema = _content(response)
            media = next(iter(response.get("content", {})), "")
            yield f"**{status}** {_type(schema) if media == 'application/json' and schema else media}".rstrip()
        elif status not in ANYWHERE:
            code = response["$ref"].rpartition("/")[2]
            yield f"{status} [`{code}`](errors.md#codes)"


def _content(holder: Mapping[str, Any]) -> Mapping[str, Any]:
    media: Mapping[str, Any] = next(iter(holder.get("content", {}).values()), {})
    schema: Mapping[str, Any] = media.get("schema", {})
    return schema


def _shape(name: str, schema: Mapping[str, Any]) -> str:
    text = f'\n<a id="{name.lower()}"></a>\n\n### {_title(name)}\n\n'
    if "description" in schema:
        text += f"{' '.join(schema['description'].split())}\n\n"
    if not schema.get("properties"):
        return f"{text}{_type(schema)}\n"
    text += "| member | type | default | meaning |\n|---|---|---|---|\n"
    required = schema.get("required", ())
    for member, part in schema["properties"].items():
        default = "required" if member in required else _default(part)
        text += f"| `{member}` | {_type(part)} | {default} | {_cell(part.get('description', ''))} |\n"
    return text


def _title(name: str) -> str:
    """`PageOut_RunOut_` is a page of `RunOut`."""
    return name.rstrip("_").replace("_", " of ")


def _type(schema: Mapping[str, Any]) -> str:
    """A schema in a few words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{_title(name)}](#{name.lower()})"
    for choice in ("anyOf", "oneOf", "allOf"):
        if choice in schema:
            return " or ".join(dict.fromkeys(_type(one) for one in schema[choice]))
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return " ".join(f"`{option}`" for option in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}{_bounds(schema, 'minItems', 'maxItems')}"
    return _simple(schema)


def _simple(schema: Mapping[str, Any]) -> str:
    kind = schema.get("type", "any")
    name = " or ".join(kind) if isinstance(kind, list) else str(kind)
    form = f" ({schema['format']})" if "format" in schema else ""
    return name + form + _bounds(schema, "minimum", "maximum") + _bounds(schema, "minLength", "maxLength")


def _bounds(schema: Mapping[str, Any], low: str, high: str) -> str:
    if high in schema:
        return f", {schema[low]}–{schema[high]}" if low in schema else f", ≤ {schema[high]}"
    return f", ≥ {schema[low]}" if low in schema else ""


def _default(schema: Mapping[str, Any]) -> str:
    default = schema.get("default")
    return "" if default in (None, [], {}) else f"`{default if isinstance(default, str) else str(default).lower()}`"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    main()
