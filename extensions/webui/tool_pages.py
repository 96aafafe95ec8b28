"""Tools: the catalogue, and trying one by a form made from its schema or by a text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, request

from .definition import Unreadable, as_yaml, from_yaml
from .schema_forms import fields_of, filled, sent, values_of
from .shell import Shell, problems_of

TOOLS = 200


def add_tool_pages(pages: Blueprint, shell: Shell) -> None:
    """Register them."""
    api = shell.context.api

    @pages.get("/tools")
    def tools() -> Response:
        """The catalogue; `?q=` narrows it."""
        found = api.get("/tools", limit=TOOLS)
        if not found.ok:
            return shell.refused(found, place="tools")
        wanted = request.args.get("q", "").strip().lower()
        kept = [one for one in found.data["items"] if wanted in f"{one['name']} {one['description']}".lower()]
        return shell.page("webui/tools.html", place="tools", tools=kept, query=wanted, total=found.data["total"])

    @pages.get("/tools/<name>")
    def tool(name: str) -> Response:
        """One tool: its schema, an example, and two ways to try it."""
        return _shown(shell, name)

    @pages.post("/tools/<name>")
    def invoke(name: str) -> Response:
        """Call it once, as POST /tools/{name}/invoke does."""
        return _tried(shell, name)


def _shown(shell: Shell, name: str, status: int = 200, **more: Any) -> Response:
    found = shell.context.api.get(f"/tools/{name}")
    if not found.ok:
        return shell.refused(found, place="tools")
    example: Mapping[str, Any] = next(iter(found.data["examples"]), {})
    values = {
        "tool": found.data,
        "fields": fields_of(found.data["input_schema"]),
        "values": values_of(example),
        "text": as_yaml(example),
        "problems": {},
        "output": None,
        "problem": "",
        **more,
    }
    return shell.page("webui/tool.html", place="tools", status=status, **values)


def _tried(shell: Shell, name: str) -> Response:
    api, text = shell.context.api, request.form.get("arguments")
    found = api.get(f"/tools/{name}")
    if not found.ok:
        return shell.refused(found, place="tools")
    members = sent(request.form)
    given: dict[str, Any] = {"values": members} if text is None else {"text": text}
    try:
        arguments = filled(found.data["input_schema"], members) if text is None else from_yaml(text) or {}
    except Unreadable as error:
        return _shown(shell, name, 400, problem=shell.context.translate(str(error)), **given)
    done = api.post(f"/tools/{name}/invoke", {"arguments": arguments})
    if done.ok:
        return _shown(shell, name, output=done.data, **given)
    found_wrong = problems_of(done)
    problems = {field.removeprefix("arguments.").partition(".")[0]: told for field, told in found_wrong}
    told = [f"{field} {what}".strip() for field, what in found_wrong]
    problem = " · ".join(one for one in (done.data["message"], *told) if one)
    return _shown(shell, name, done.status, problem=problem, problems=problems, **given)
