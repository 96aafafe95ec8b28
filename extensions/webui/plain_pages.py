"""Pages that show what there is: events, workers, health."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, request

from .definition import Unreadable, from_yaml
from .shell import Shell, problems_of

EVENTS = 50


def add_plain_pages(pages: Blueprint, shell: Shell) -> None:
    """Register them."""
    _add_events(pages, shell)
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
            return shown(400, problems={"payload": shell.context.translate(str(error))}, sent=sent)
        if done.ok:
            return shell.done("/events", "published")
        if done.status != 400:
            return shell.refused(done, place="events")
        problems = {field.partition(".")[0]: told for field, told in problems_of(done)}
        return shown(400, problems=problems, sent=sent)


def _add_platform(pages: Blueprint, shell: Shell) -> None:
    api = shell.context.api

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
        answer, crew, status = api.get("/health"), api.get("/processes"), api.get("/ext/status")
        extensions = status.data["extensions"].values() if status.ok else ()
        values = {
            "health": answer.data,
            "crew": Counter(one["role"] for one in crew.data["items"]) if crew.ok else None,
            "seen": crew.data if crew.ok else None,
            "broken": [one for one in extensions if one.get("error")],
        }
        return shell.page("webui/health.html", place="health", **values)


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
