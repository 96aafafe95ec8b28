"""Secrets: their names, and putting values in. No value ever comes out: not in a page, an address or the log."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from flask import Blueprint, Response, request

from .shell import Shell, problems_of

MOST = 200
LOOKED_THROUGH = 1000
"""Tasks that are looked through for those that use a secret, newest first."""
PAGE = 200
_USED = re.compile(r"\bsecrets\.([A-Za-z_][A-Za-z0-9_]*)")
_STRANGE = re.compile(r"[^\w]")


def add_secret_pages(pages: Blueprint, shell: Shell) -> None:
    """Register them."""
    api = shell.context.api

    def shown(status: int = 200, **more: Any) -> Response:
        found = api.get("/secrets", limit=MOST)
        if not found.ok:
            return shell.refused(found, place="secrets")
        users, whole = _users(shell)
        values = {"secrets": found.data, "users": users, "whole": whole, "looked": LOOKED_THROUGH}
        return shell.page("webui/secrets.html", place="secrets", status=status, **values, **{**_NOTHING_WRONG, **more})

    @pages.get("/secrets")
    def secrets() -> Response:
        """Their names, and which tasks use them."""
        return shown()

    @pages.post("/secrets")
    def put_secret() -> Response:
        """Store one, or replace it; what was written comes back only if it is a name."""
        name = request.form.get("name", "").strip()
        # Browsers send lines of a form as CR LF; a key in PEM has plain ones.
        value = request.form.get("value", "").replace("\r\n", "\n")
        done = api.put(f"/secrets/{_STRANGE.sub('-', name) or '-'}", {"value": value})
        if done.ok:
            return shell.done("/secrets", "stored" if done.data["created"] else "replaced")
        if done.status != 400:
            return shell.refused(done, place="secrets")
        return shown(400, problems=dict(problems_of(done)), name=name)

    @pages.post("/secrets/<name>/delete")
    def delete_secret(name: str) -> Response:
        """Delete one; steps that name it fail from now on."""
        done = api.delete(f"/secrets/{_STRANGE.sub('-', name)}")
        return shell.after(done, "/secrets", "secret_deleted", place="secrets")


_NOTHING_WRONG: Mapping[str, Any] = {"problems": {}, "name": ""}


def _users(shell: Shell) -> tuple[Mapping[str, Sequence[Mapping[str, Any]]], bool]:
    """Name of a secret -> the tasks that the reader may see and that use it; and whether all have been looked at."""
    users: dict[str, list[Mapping[str, Any]]] = {}
    for start in range(0, LOOKED_THROUGH, PAGE):
        found = shell.context.api.get("/tasks", limit=PAGE, offset=start)
        if not found.ok:
            return {}, True
        for task in found.data["items"]:
            for name in set(_USED.findall(json.dumps(task["payload"]["pipeline"]))):
                users.setdefault(name, []).append(task)
        if not found.data["has_more"]:
            return users, True
    return users, False
