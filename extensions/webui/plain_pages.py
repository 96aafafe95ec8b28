"""Pages that show what there is: events, tools, extensions, health."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, request

from .definition import Unreadable, from_yaml
from .shell import Shell, problems_of

EVENTS = 50
TOOLS = 200


def add_plain_pages(pages: Blueprint, shell: Shell) -> None:
    """Register them."""
    _add_events(pages, shell)
    _add_tools(pages, shell)
    _add_platform(pages, shell)


def _add_events(pages: Blueprint, shell: Shell) -> None:
    api = shell.context.api

    def shown(status: int = 200, **more: Any) -> Response:
        topic = request.args.get("topic") or None
        found = api.get("/events/stream/recent", count=EVENTS, topic=topic)
        if not found.ok and found.status != 400:
            return shell.refused(found, place="events")
        events = found.data["items"][::-1] if found.ok else []
        values = {"events": events, "topic": topic or "", "problems": {}, "sent": {}, **more}
        return shell.page("webui/events.html", place="events", status=status, **values)

    @pages.get("/events")
    def events() -> Response:
        """The newest events; `?topic=` is a pattern."""
        return shown()

    @pages.post("/events")
    def publish() -> Response:
        """Send a test event."""
        topic, text = request.form.get("topic", "").strip(), request.form.get("payload", "")
        sent = {"topic": topic, "payload": text}
        try:
            done = api.post("/events", {"topic": topic, "payload": from_yaml(text) or {}})
        except Unreadable as error:
            return shown(400, problems={"payload": str(error)}, sent=sent)
        if done.ok:
            return shell.done("/events", "published")
        if done.status != 400:
            return shell.refused(done, place="events")
        problems = {field.partition(".")[0]: told for field, told in problems_of(done)}
        return shown(400, problems=problems, sent=sent)


def _add_tools(pages: Blueprint, shell: Shell) -> None:
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

    def shown(name: str, status: int = 200, **more: Any) -> Response:
        found = api.get(f"/tools/{name}")
        if not found.ok:
            return shell.refused(found, place="tools")
        values = {"tool": found.data, "text": "", "output": None, "problem": "", **more}
        return shell.page("webui/tool.html", place="tools", status=status, **values)

    @pages.get("/tools/<name>")
    def tool(name: str) -> Response:
        """One tool: its schema, an example, and a form to try it."""
        return shown(name)

    @pages.post("/tools/<name>")
    def invoke(name: str) -> Response:
        """Call it once, as POST /tools/{name}/invoke does."""
        text = request.form.get("arguments", "")
        try:
            arguments = from_yaml(text) or {}
        except Unreadable as error:
            return shown(name, 400, text=text, problem=str(error))
        done = api.post(f"/tools/{name}/invoke", {"arguments": arguments})
        if done.ok:
            return shown(name, text=text, output=done.data)
        told = [f"{field} {what}" for field, what in problems_of(done)]
        problem = " · ".join(one for one in (done.data["message"], *told) if one.strip())
        return shown(name, done.status, text=text, problem=problem)


def _add_platform(pages: Blueprint, shell: Shell) -> None:
    api = shell.context.api

    @pages.get("/extensions")
    def extensions() -> Response:
        """What is installed, how it is, and what it may do."""
        found = api.get("/ext/status")
        if not found.ok:
            return shell.refused(found, place="extensions")
        return shell.page("webui/extensions.html", place="extensions", status=200, overview=found.data)

    @pages.get("/workers")
    def workers() -> Response:
        """Which processes there are, and what each works on."""
        found = api.get("/processes")
        if not found.ok:
            return shell.refused(found, place="workers")
        return shell.page("webui/workers.html", place="workers", **_crews(found.data))

    @pages.get("/health")
    def health() -> Response:
        """How the platform is."""
        answer = api.get("/health")
        return shell.page("webui/health.html", place="health", health=answer.data, well=answer.ok)


def _crews(answer: Mapping[str, Any]) -> dict[str, Any]:
    """The processes of each worker, those beside them, and how many of the pool have something to do."""
    crews: dict[str, list[Mapping[str, Any]]] = {}
    others = []
    for one in answer["items"]:
        if one["worker"] is None:
            others.append(one)
        else:
            crews.setdefault(one["worker"], []).append(one)
    pool = [one for one in answer["items"] if one["role"] == "pool"]
    busy = sum(one["run"] is not None for one in pool)
    return {"crews": crews, "others": others, "pool": len(pool), "busy": busy, "seen": answer}
