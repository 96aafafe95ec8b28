"""What assistants can read without a call: guides, and tasks and runs by their address."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mcp_types as types
from mcp.server import ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS

from ordinaut import ApiAnswer, ExtensionContext

GUIDES: Mapping[str, str] = {
    "pipelines": "How the steps of a task are written",
    "schedules": "Kinds of schedules, with an example each",
    "templates": "What ${…} in the arguments of a step can say",
}
FOLDER = Path(__file__).parent / "guides"
SCHEME = "ordinaut://"
GUIDES_TTL_MS = 600_000
NEWEST = 50
OLD_CODE = -32002
"""What an unknown resource had for a code before 2026-07-28."""
Context = ServerRequestContext[Any, Any]


class Resources:
    """The three requests about resources."""

    def __init__(self, context: ExtensionContext) -> None:
        self._context = context

    async def listed(self, _: Context, __: types.PaginatedRequestParams | None) -> types.ListResourcesResult:
        """The guides, and the newest tasks that the caller may see."""
        guides = [_resource(f"docs/{name}", name, text, "text/markdown") for name, text in GUIDES.items()]
        found = self._context.api.get("/tasks", limit=NEWEST)
        tasks = [
            _resource(f"tasks/{one['id']}", one["title"], str(one["description_text"]), "application/json")
            for one in (found.data["items"] if found.ok else ())
        ]
        return types.ListResourcesResult(resources=[*guides, *tasks], ttl_ms=0, cache_scope="private")

    async def templates(self, _: Context, __: types.PaginatedRequestParams | None) -> types.ListResourceTemplatesResult:
        """Tasks, runs and logs by id."""
        shapes = (
            ("tasks/{task_id}", "task", "A task: its schedule, its steps, its policies"),
            ("runs/{run_id}", "run", "A run with its steps, their input, output and errors"),
            ("runs/{run_id}/logs", "run_logs", "The newest log lines of a run"),
        )
        templates = [
            types.ResourceTemplate(uri_template=SCHEME + uri, name=name, description=text, mime_type="application/json")
            for uri, name, text in shapes
        ]
        return types.ListResourceTemplatesResult(
            resource_templates=templates, ttl_ms=GUIDES_TTL_MS, cache_scope="public"
        )

    async def read(self, asked: Context, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
        """One of them; what the caller may not see is not there."""
        uri = str(params.uri)
        root, _, rest = uri.removeprefix(SCHEME).partition("/")
        if root == "docs" and rest in GUIDES:
            text = (FOLDER / f"{rest}.md").read_text(encoding="utf-8")
            return _contents(uri, text, "text/markdown", GUIDES_TTL_MS, "public")
        found = self._found(uri)
        if found is None or not found.ok:
            code = INVALID_PARAMS if asked.protocol_version >= "2026-07-28" else OLD_CODE
            raise MCPError(code, "Resource not found", {"uri": uri})
        return _contents(uri, json.dumps(found.data, ensure_ascii=False), "application/json", 0, "private")

    def readable(self, uri: str) -> bool:
        """Whether the caller may read it now."""
        found = self._found(uri)
        return uri in (f"{SCHEME}docs/{name}" for name in GUIDES) or (found is not None and found.ok)

    def _found(self, uri: str) -> ApiAnswer | None:
        """What the API answers; None for what is none of ours."""
        root, _, rest = uri.removeprefix(SCHEME).partition("/")
        path = _path(root, rest)
        return self._context.api.get(path) if path and uri.startswith(SCHEME) else None


def _path(root: str, rest: str) -> str | None:
    """The address in the API; None for what is none of ours."""
    name, _, part = rest.partition("/")
    if root not in ("tasks", "runs") or not name or "?" in rest or (part and (root, part) != ("runs", "logs")):
        return None
    return f"/{root}/{rest}"


def _resource(path: str, name: str, text: str, mime_type: str) -> types.Resource:
    return types.Resource(uri=SCHEME + path, name=name, description=text, mime_type=mime_type)


def _contents(uri: str, text: str, mime_type: str, ttl_ms: int, scope: Any) -> types.ReadResourceResult:
    content = types.TextResourceContents(uri=uri, mime_type=mime_type, text=text)
    return types.ReadResourceResult(contents=[content], ttl_ms=ttl_ms, cache_scope=scope)
