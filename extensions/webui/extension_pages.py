"""Extensions: how each is, what it may do, what it offers, and what its worker side could not take."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from flask import Blueprint, Response

from ordinaut import ApiAnswer

from .shell import Shell, offset

ID = re.compile(r"[a-z][a-z0-9_]{0,63}")
LETTERS = 20
TOOLS = 200
MEANINGS: Mapping[str, str] = {
    "ROUTES": "Addresses of its own, and the API in the name of who looks",
    "TOOLS": "Tools for steps and assistants, and calling those of others",
    "EVENTS_PUB": "Publishing events",
    "EVENTS_SUB": "Reading events, and handling each once",
    "BACKGROUND_TASKS": "Work that runs for long",
    "STATIC": "Files of its own",
}
"""What each capability lets an extension do."""


def add_extension_pages(pages: Blueprint, shell: Shell) -> None:
    """Register them."""
    api = shell.context.api

    @pages.get("/extensions")
    def extensions() -> Response:
        """What is installed, how it is, and what it was asked."""
        found = api.get("/ext/status")
        if not found.ok:
            return shell.refused(found, place="extensions")
        return shell.page("webui/extensions.html", place="extensions", overview=found.data)

    @pages.get("/extensions/<extension_id>")
    def extension(extension_id: str) -> Response:
        """One of them, which is loaded where needed."""
        before = _standing(shell, extension_id)
        if isinstance(before, ApiAnswer):
            return shell.refused(before, place="extensions")
        health = api.get(f"/ext/{extension_id}/health")
        after = _standing(shell, extension_id)
        values = {"one": before if isinstance(after, ApiAnswer) else after, "health": _checks(health)}
        return shell.page("webui/extension.html", place="extensions", **values, **_parts(shell, extension_id))

    _add_work(pages, shell)


def _add_work(pages: Blueprint, shell: Shell) -> None:
    api = shell.context.api

    def done(answer: ApiAnswer, extension_id: str, said: str) -> Response:
        return shell.after(answer, f"/extensions/{extension_id}", said, place="extensions")

    @pages.post("/extensions/<extension_id>/background_tasks/<name>/stop")
    def stop_background_task(extension_id: str, name: str) -> Response:
        """Cancel a background task."""
        if not ID.fullmatch(extension_id):
            return shell.refused(_unknown(shell), place="extensions")
        path = f"/ext/{extension_id}/background_tasks/{quote(name, safe='')}/stop"
        return done(api.post(path), extension_id, "stopping")

    @pages.post("/extensions/<extension_id>/dead_letters/<letter_id>/<any(redeliver, delete):action>")
    def settle(extension_id: str, letter_id: str, action: str) -> Response:
        """Deliver a dead letter once more, or give it up."""
        if not ID.fullmatch(extension_id):
            return shell.refused(_unknown(shell), place="extensions")
        path = f"/ext/{extension_id}/dead_letters/{quote(letter_id, safe='')}"
        if action == "delete":
            return done(api.delete(path), extension_id, "given_up")
        return done(api.post(f"{path}/redeliver"), extension_id, "redelivered")


def _standing(shell: Shell, extension_id: str) -> Mapping[str, Any] | ApiAnswer:
    """What `/ext/status` says of it, or why that cannot be told."""
    found = shell.context.api.get("/ext/status")
    if not found.ok:
        return found
    one: Mapping[str, Any] | None = found.data["extensions"].get(extension_id)
    return _unknown(shell) if one is None else one


def _unknown(shell: Shell) -> ApiAnswer:
    return ApiAnswer(status=404, data={"message": shell.context.translate("Extension not found")})


def _checks(answer: ApiAnswer) -> Mapping[str, Any] | None:
    """The checks, unless the reader may not see them or the extension answers the address in a way of its own."""
    told = answer.data if isinstance(answer.data, Mapping) else {}
    return told if isinstance(told.get("checks"), Mapping) and "status" in told else None


def _parts(shell: Shell, extension_id: str) -> dict[str, Any]:
    """What it may do, what it offers, and its work, as far as the reader may see these."""
    api, path = shell.context.api, f"/ext/{extension_id}"
    grants, tools = api.get(f"{path}/grants"), api.get("/tools", limit=TOOLS)
    work = shell.context.routes.caller().may("admin")
    tasks = api.get(f"{path}/background_tasks") if work else None
    letters = api.get(f"{path}/dead_letters", limit=LETTERS, offset=offset()) if work else None
    prefix = f"ext.{extension_id}."
    return {
        "meanings": MEANINGS,
        "grants": grants.data if grants.ok else None,
        "tools": [one for one in tools.data["items"] if one["name"].startswith(prefix)] if tools.ok else [],
        "tasks": tasks.data["items"] if tasks and tasks.ok else [],
        "letters": letters.data if letters and letters.ok else None,
    }
