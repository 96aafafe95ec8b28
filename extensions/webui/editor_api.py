"""What the editor of pipelines asks for while one writes: what is wrong and where, and which words there are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, request

from ordinaut import RequestRefused

from .definition import Unreadable, from_yaml, place_of
from .shell import Shell

TOOLS = 200


def add_editor_api(pages: Blueprint, shell: Shell) -> None:
    """Register them."""

    @pages.post("/api/lint")
    def lint() -> dict[str, Any]:
        """The problems of the pipeline in `{text}`, as POST /pipelines/validate finds them, each with its place.

        `{problems: [{from, to, message, severity}]}`; places are counted in characters from 0.
        """
        body = request.get_json(silent=True)
        text = body.get("text") if isinstance(body, dict) else None
        if not isinstance(text, str):
            raise RequestRefused("bad_request", field="text", issue="It must be a text")
        return {"problems": _problems(shell, text)}

    @pages.get("/api/words")
    def words() -> dict[str, Any]:
        """The keys of a step and the tools with their arguments, each with what it is for."""
        return _words(shell)


def _problems(shell: Shell, text: str) -> list[dict[str, Any]]:
    try:
        pipeline = from_yaml(text)
    except Unreadable as error:
        return [_problem(error.at, min(error.at + 1, len(text)), shell.context.translate(str(error)), "error")]
    if pipeline is None:
        return []
    found = shell.context.api.post("/pipelines/validate", {"pipeline": pipeline})
    if not found.ok:
        told = found.data.get("details", {}).get("issue") or found.data["message"]
        return [_problem(0, len(text), str(told), "error")]
    kinds = (("errors", "error"), ("warnings", "warning"))
    return [_placed(text, one, kind) for name, kind in kinds for one in found.data[name]]


def _words(shell: Shell) -> dict[str, Any]:
    api = shell.context.api
    schema, tools = api.get("/schemas/pipeline.json"), api.get("/tools", limit=TOOLS)
    keys = schema.data["$defs"]["step"]["properties"] if schema.ok else {}
    known = {
        tool["name"]: {
            "about": tool["description"],
            "arguments": _described(tool["input_schema"].get("properties", {})),
        }
        for tool in (tools.data["items"] if tools.ok else ())
    }
    return {"keys": _described(keys), "tools": known}


def _described(properties: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(one.get("description", "")) for name, one in properties.items()}


def _placed(text: str, problem: Mapping[str, Any], severity: str) -> dict[str, Any]:
    start, end = place_of(text, problem["pointer"].removeprefix("/pipeline"))
    hint = problem.get("hint")
    return _problem(start, end, f"{problem['message']} ({hint})" if hint else problem["message"], severity)


def _problem(start: int, end: int, message: str, severity: str) -> dict[str, Any]:
    return {"from": start, "to": max(start, end), "message": message, "severity": severity}
