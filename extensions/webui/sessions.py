"""Signing in and out: the platform gives a token, a cookie keeps it, and no script ever sees it."""

from __future__ import annotations

from urllib.parse import quote

from flask import Blueprint, Response, make_response, redirect, request

from .shell import SESSION, Shell, after


def add_sessions(pages: Blueprint, shell: Shell) -> None:
    """Register them."""
    api = shell.context.api

    @pages.post("/session")
    def sign_in() -> Response:
        """Begin a session, and go where the reader wanted to go."""
        agent, secret = request.form.get("agent", "").strip(), request.form.get("secret", "")
        done = api.post("/agents/auth/session", {"secret": secret} | ({"agent_id": agent} if agent else {}))
        if not done.ok and done.status not in (400, 401):
            return shell.refused(done, place="overview")
        if not done.ok:
            return shell.closed("unauthorized", place="overview", wrong=True)
        answer = make_response(redirect(shell.home + after(), 303))
        answer.set_cookie(
            SESSION,
            done.data["token"],
            max_age=done.data["expires_in"],
            path="/ext/",
            httponly=True,
            secure=request.is_secure,
            samesite="Lax",
        )
        return answer

    @pages.post("/session/end")
    def sign_out() -> Response:
        """End the session everywhere; an API key that was used to sign in stays good."""
        token = request.cookies.get(SESSION, "")
        if token:
            api.post("/agents/auth/revoke", {"token": token})
        answer = make_response(redirect(f"{shell.home}/", 303))
        answer.delete_cookie(SESSION, path="/ext/")
        return answer

    pages.after_request(lambda response: _door(response, shell.home))


def _door(response: Response, home: str) -> Response:
    """A reader who has to sign in first does so, and comes back afterwards."""
    wants_page = request.accept_mimetypes.best_match(["application/json", "text/html"]) == "text/html"
    if response.status_code != 401 or request.method != "GET" or not wants_page:
        return response
    path = request.path.removeprefix(home)
    return make_response(redirect(f"{home}/?next={quote(path)}", 303))
