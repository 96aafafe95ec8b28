"""Who may call: agents with their keys, and what was changed by whom."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, request

from .shell import Shell, offset, problems_of

SCOPES = (
    *("tasks:read", "tasks:read:all", "tasks:create", "tasks:update", "tasks:delete", "tasks:run"),
    *("runs:read", "runs:cancel", "events:read", "events:publish", "approvals:decide"),
    *("webhooks:read", "webhooks:manage", "agents:read", "agents:create", "agents:update", "agents:delete"),
    *("budgets:manage", "audit:read", "secrets:use", "secrets:manage", "tools:read", "tools:invoke", "admin"),
)
KINDS = (
    *(("task", "Tasks"), ("run", "Runs"), ("approval", "Approvals"), ("agent", "Agents"), ("session", "Sessions")),
    *(("secret", "Secrets"), ("webhook", "Webhooks"), ("hook", "Inbound hooks"), ("event", "Events")),
    *(("backfill", "Backfills"), ("incident", "Incidents")),
)
"""What the audit log tells of."""
PAGES: Mapping[str, str] = {"task": "tasks", "run": "runs", "agent": "agents", "webhook": "webhooks"}
"""Kinds of things that have a page of their own."""
_ONCE: Mapping[str, Any] = {"key": None, "secret": None, "problem": ""}
MOST = 200
ROWS = 50


def add_access_pages(pages: Blueprint, shell: Shell) -> None:
    """Register them."""
    _add_agents(pages, shell)
    _add_agent(pages, shell)
    _add_switches(pages, shell)
    _add_audit(pages, shell)


def _add_agents(pages: Blueprint, shell: Shell) -> None:
    api = shell.context.api

    def shown(status: int = 200, **more: Any) -> Response:
        found = api.get("/agents", limit=MOST)
        if not found.ok:
            return shell.refused(found, place="agents")
        caller = shell.context.routes.caller()
        scopes = [scope for scope in SCOPES if caller.may(scope)]
        values = {"agents": found.data["items"], "scopes": scopes, "problems": {}, "made": None, "sent": {}, **more}
        return shell.page("webui/agents.html", place="agents", status=status, **values)

    @pages.get("/agents")
    def agents() -> Response:
        """Who may call."""
        return shown()

    @pages.post("/agents")
    def create_agent() -> Response:
        """Make an agent, and show its secret this once."""
        sent = {"name": request.form.get("name", "").strip(), "description": request.form.get("description", "")}
        done = api.post("/agents", {**sent, "scopes": request.form.getlist("scopes")})
        if done.ok:
            return shown(201, made=done.data)
        if done.status not in (400, 409):
            return shell.refused(done, place="agents")
        problems = dict(problems_of(done)) if done.status == 400 else {"name": done.data["message"]}
        return shown(done.status, problems=problems, sent=sent)


def _add_agent(pages: Blueprint, shell: Shell) -> None:
    api = shell.context.api

    def shown(agent_id: str, status: int = 200, **more: Any) -> Response:
        found, keys = api.get(f"/agents/{agent_id}"), api.get(f"/agents/{agent_id}/keys")
        if not found.ok or not keys.ok:
            return shell.refused(keys if found.ok else found, place="agents")
        held = api.get(f"/agents/{agent_id}/sessions")
        sessions = [one for one in held.data["items"] if one["client_id"]] if held.ok else []
        values = {"one": found.data, "keys": keys.data["items"], "programs": sessions, **_ONCE, **more}
        return shell.page("webui/agent.html", place="agents", status=status, **values)

    @pages.get("/agents/<agent_id>")
    def agent(agent_id: str) -> Response:
        """One agent, with its keys."""
        return shown(agent_id)

    @pages.post("/agents/<agent_id>/keys")
    def create_key(agent_id: str) -> Response:
        """Make an API key, and show it this once."""
        done = api.post(f"/agents/{agent_id}/keys", {"name": request.form.get("name", "").strip()})
        if done.ok:
            return shown(agent_id, 201, key=done.data["key"])
        if done.status not in (400, 409):
            return shell.refused(done, place="agents")
        told = " · ".join(text for _, text in problems_of(done) if text)
        return shown(agent_id, done.status, problem=told or done.data["message"])

    @pages.post("/agents/<agent_id>/renew")
    def renew(agent_id: str) -> Response:
        """A new secret, shown this once; the old one counts no more."""
        done = api.post(f"/agents/{agent_id}/credentials", {})
        return shown(agent_id, secret=done.data["agent_secret"]) if done.ok else shell.refused(done, place="agents")


def _add_switches(pages: Blueprint, shell: Shell) -> None:
    api = shell.context.api

    @pages.post("/agents/<agent_id>/keys/<key_id>/revoke")
    def revoke_key(agent_id: str, key_id: str) -> Response:
        """Revoke a key."""
        done = api.delete(f"/agents/{agent_id}/keys/{key_id}")
        return shell.after(done, f"/agents/{agent_id}", "revoked", place="agents")

    @pages.post("/agents/<agent_id>/sessions/<session_id>/end")
    def end_session(agent_id: str, session_id: str) -> Response:
        """Let a program act no more."""
        done = api.delete(f"/agents/{agent_id}/sessions/{session_id}")
        return shell.after(done, f"/agents/{agent_id}", "revoked", place="agents")

    @pages.post("/agents/<agent_id>/<any(disable, enable):action>")
    def switch(agent_id: str, action: str) -> Response:
        """Let it in, or keep it out."""
        done = api.patch(f"/agents/{agent_id}", {"status": "active" if action == "enable" else "disabled"})
        return shell.after(done, f"/agents/{agent_id}", f"{action}d", place="agents")


def _add_audit(pages: Blueprint, shell: Shell) -> None:
    api = shell.context.api

    @pages.get("/audit")
    def audit() -> Response:
        """Who changed what, newest first."""
        asked = {name: request.args.get(name, "").strip()[:100] for name in ("kind", "actor", "target")}
        named = {name: value for name, value in asked.items() if value}
        found = api.get("/audit", limit=ROWS, offset=offset(), **named)
        if not found.ok:
            return shell.refused(found, place="audit")
        values = {"page": found.data, "asked": asked, "kinds": KINDS, "pages": PAGES, "query": urlencode(named)}
        return shell.page("webui/audit.html", place="audit", **values)
