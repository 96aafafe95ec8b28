"""What every page is put into: who looks, in which language, under which policy, and how refusals look."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flask import Response, make_response, redirect, render_template, request

from ordinaut import ApiAnswer, ExtensionContext

from .view import read_view
from .words import Words

POLICY = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Nothing inline, and nothing from anywhere else."""
SESSION = "ordinaut_session"
"""The cookie that the platform takes for a token below `/ext/`."""
LOOPBACK = ("127.", "localhost", "[::1]")
PLACES = (
    ("overview", "Overview", "layout-dashboard", "/"),
    ("tasks", "Tasks", "list-checks", "/tasks"),
    ("runs", "Runs", "history", "/runs"),
    ("approvals", "Approvals", "shield-check", "/approvals"),
    ("events", "Events", "zap", "/events"),
)
"""Where one can go: its name, its title, its sign, its address below the page's own."""
BUILD = (
    ("workers", "Workers", "cpu", "/workers"),
    ("tools", "Tools", "puzzle", "/tools"),
    ("extensions", "Extensions", "workflow", "/extensions"),
    ("webhooks", "Webhooks", "webhook", "/webhooks"),
    ("incidents", "Incidents", "triangle-alert", "/incidents"),
    ("agents", "Agents", "key-round", "/agents"),
    ("secrets", "Secrets", "lock", "/secrets"),
    ("audit", "Audit log", "book-open", "/audit"),
    ("health", "Health", "activity", "/health"),
)
SHEET = (
    (("Ctrl K",), "Search or jump to"),
    (("/",), "Find in this list"),
    (("J", "K"), "Next and previous row"),
    (("Enter",), "Open it"),
    (("R",), "Run the task of this row"),
    (("P",), "Pause the task of this row, or resume it"),
    (("N",), "New task"),
    (("G O", "G T", "G R", "G A", "G E"), "Overview, tasks, runs, approvals, events"),
    (("Ctrl Enter",), "Save the form"),
    (("?",), "These keys"),
)
"""What `static/js/keys.js` does."""
SAID: Mapping[str, str] = {
    "canceled": "The run is being canceled.",
    "started": "A run has been asked for.",
    "rerun": "The run is repeated by this one.",
    "marked": "The step is taken as you say.",
    "paused": "The task is paused.",
    "resumed": "The task is active again.",
    "snoozed": "The task rests for a while.",
    "created": "The task is made.",
    "saved": "The task is saved.",
    "deleted": "The task is deleted.",
    "decided": "Your decision stands; the run goes on.",
    "granted": "The task may do that from now on.",
    "refused": "The task may not do that.",
    "published": "The event is published.",
    "revoked": "The key counts no more.",
    "disabled": "It is switched off.",
    "enabled": "It is switched on.",
    "sent": "It is on its way.",
    "kept": "It is kept in this browser.",
    "filter_kept": "The filter is kept in this browser.",
    "filter_forgotten": "The filter is forgotten.",
    "stored": "The secret is stored.",
    "replaced": "The secret has a new value.",
    "secret_deleted": "The secret is deleted.",
    "stopping": "The background task is being stopped.",
    "redelivered": "The event will be delivered once more.",
    "given_up": "The event is given up.",
    "seen": "Others see that you have seen it.",
}
"""What a page may say after something was done: only these words, whatever the address holds."""


@dataclass(frozen=True, slots=True)
class Shell:
    """The frame of all pages of one extension."""

    context: ExtensionContext

    @property
    def home(self) -> str:
        """The address of the first page, without a slash at its end."""
        return self.context.mount_path

    @property
    def signed_in(self) -> bool:
        """Whether the reader has shown who they are to this page."""
        return SESSION in request.cookies and self.context.routes.caller().agent_id != "anonymous"

    def page(self, template: str, *, place: str, status: int = 200, **values: Any) -> Response:
        """A whole page.

        Args:
            place: Which of `PLACES` it belongs to.
            values: For the template, beside those that every page has.
        """
        answer = make_response(render_template(template, **self._common(place), **values), status)
        answer.headers["Content-Security-Policy"] = POLICY
        answer.headers["Cache-Control"] = "no-store"
        return answer

    def refused(self, refusal: ApiAnswer, *, place: str) -> Response:
        """A page in place of what cannot be shown; with the API's own status and words."""
        data = refusal.data if isinstance(refusal.data, dict) else {}
        problems = [(field, told) for field, told in problems_of(refusal) if told]
        return self.page("webui/refused.html", place=place, status=refusal.status, refusal=data, problems=problems)

    def lacking(self, scope: str, *, place: str) -> Response:
        """A page in place of a form that the reader could fill in for nothing."""
        data = {"message": self.context.translate("You may not do this"), "details": {"required_scopes": [scope]}}
        return self.page("webui/refused.html", place=place, status=403, refusal=data, problems=[])

    def closed(self, code: str, *, place: str, wrong: bool = False) -> Response:
        """The page that asks who is there, or says why nothing can be shown now.

        Args:
            code: `unauthorized`, `forbidden` or `unavailable`.
            wrong: Somebody has just tried to sign in, and could not.
        """
        status = 503 if code == "unavailable" else 401 if wrong else 200
        return self.page("webui/closed.html", place=place, status=status, code=code, wrong=wrong, after=after())

    def done(self, path: str, said: str) -> Response:
        """Off to another page, which says what was done."""
        return make_response(redirect(f"{self.home}{path}{'&' if '?' in path else '?'}said={said}", 303))

    def after(self, answer: ApiAnswer, path: str, said: str, *, place: str) -> Response:
        """Off to another page when it was done, else the refusal."""
        return self.done(path, said) if answer.ok else self.refused(answer, place=place)

    def words(self) -> Words:
        """Times and lengths of time, seen from now."""
        return Words(self.context.translate, datetime.now(UTC), read_view().zone, self.context.translate("en"))

    def _common(self, place: str) -> dict[str, Any]:
        caller = self.context.routes.caller()
        return {
            "_": self.context.translate,
            "_n": self.context.translate_count,
            "words": self.words(),
            "view": read_view(),
            "here": request.full_path.removeprefix(self.home).rstrip("?") if request.method == "GET" else "/",
            "place": place,
            "places": PLACES,
            "build": BUILD,
            "neighbours": self.context.navigation(),
            "sheet": SHEET,
            "file": self.context.routes.static_url,
            "home": f"{self.home}/",
            "at": self.home,
            "host": request.host,
            "root": request.host_url,
            "agent": caller.agent_id,
            "may": caller.may,
            "pretty": pretty,
            "signed_in": self.signed_in,
            "said": SAID.get(request.args.get("said", "")),
            "exposed": caller.agent_id == "local" and not request.host.startswith(LOOPBACK),
        }


def pretty(value: Any) -> str:
    """A value for people to read: texts as they are, all else as JSON with indents."""
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)


def problems_of(refusal: ApiAnswer) -> list[tuple[str, str]]:
    """Field and sentence of everything that is wrong: what, and how to mend it."""
    details = refusal.data.get("details", {}) if isinstance(refusal.data, dict) else {}
    found = details.get("errors") or [details]
    return [(str(one.get("field", "")), _sentence(one)) for one in found]


def _sentence(problem: Mapping[str, Any]) -> str:
    what = str(problem.get("detail") or problem.get("issue") or "")
    return f"{what} ({problem['hint']})" if problem.get("hint") else what


def offset() -> int:
    """How many rows of a list the address skips."""
    text = request.args.get("offset", "0")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 8 else 0


def after() -> str:
    """Where to go after signing in: a path of this page's own, whatever the address says."""
    wanted = request.values.get("next", "/")
    return wanted if wanted.startswith("/") and not wanted.startswith("//") and "\\" not in wanted else "/"
