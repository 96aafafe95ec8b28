"""The pages on which somebody signs in and decides what a program may do in their name."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from urllib.parse import urlsplit

from flask import Response, request
from markupsafe import Markup

from app.domain.errors import Unauthorized
from app.domain.oauth import OFFERED, OAuthClient, is_loopback
from app.domain.texts import t
from app.http.locale import speak
from app.http.plain_pages import plain_page
from app.http.services import services
from app.http.tokens import ACCESS, PAGE_SECONDS, issue_for_page, read
from app.services.auth import TokenClaims
from ordinaut import Caller

COOKIE = "ordinaut_consent"
"""Who has signed in here; it is sent to these pages alone."""
ADDRESS = "/authorize"
AUDIENCE = "ordinaut:consent"
"""Whom the token in that cookie is for: it is good for nothing else."""


def signed_in() -> Caller | None:
    """Whoever signed in with this browser; None where nobody did, or it counts no more."""
    claims = _claims()
    try:
        return None if claims is None else services().auth.token_caller(claims)
    except Unauthorized:
        return None


def remember(response: Response, token: str) -> Response:
    """Keep somebody signed in on these pages."""
    path = request.script_root + ADDRESS
    response.set_cookie(
        COOKIE, token, max_age=PAGE_SECONDS, path=path, secure=request.is_secure, httponly=True, samesite="Lax"
    )
    return response


def forget(response: Response) -> Response:
    """Sign whoever is signed in on these pages out."""
    claims = _claims()
    if claims is not None:
        services().auth.revoke(claims)
    response.delete_cookie(COOKIE, path=request.script_root + ADDRESS, secure=request.is_secure, httponly=True)
    return response


def _claims() -> TokenClaims | None:
    """What stands in the cookie; a token that was made for anything else is none."""
    try:
        claims = read(request.cookies.get(COOKIE, ""), ACCESS, of_program=None)
    except Unauthorized:
        return None
    return claims if claims.audience == AUDIENCE else None


def is_ours(proof: str) -> bool:
    """Whether a form was made by `asking` for this browser: no other site can read what stands there."""
    return hmac.compare_digest(proof.encode(), _proof().encode())


def signing_in(client: OAuthClient, problem: str = "") -> Response:
    """Who are you?"""
    parts = [_introduced(client)]
    if problem:
        parts.append(Markup('<p class="wrong" role="alert">{}</p>').format(speak(problem)))
    agent = Markup('<label>{}<input name="agent" autocomplete="username" required maxlength="200"></label>')
    secret = Markup(
        '<label>{}<input name="secret" type="password" autocomplete="current-password" required maxlength="256">'
        "</label>"
    )
    button = Markup('<button type="submit">{}</button>').format(speak(t("Sign in")))
    form = Markup('<form method="post" action="{}/sign-in?{}">{}{}{}</form>').format(
        request.script_root + ADDRESS,
        request.query_string.decode("latin-1"),
        agent.format(speak(t("Agent, by name or id"))),
        secret.format(speak(t("Its secret"))),
        button,
    )
    status = 401 if problem else 200
    return plain_page(speak(t("Sign in to decide")), Markup("").join([*parts, form]), status)


def asking(client: OAuthClient, caller: Caller, scopes: Iterable[str], redirect_uri: str) -> Response:
    """May it? One box for each right, all of them ticked."""
    boxes = [_box(scope) for scope in scopes if caller.may(scope)]
    beyond = [scope for scope in scopes if not caller.may(scope)]
    parts = [_introduced(client), _destination(redirect_uri)]
    intro = t("You are signed in as {agent}. It would act in your name, and may:", agent=_named(caller))
    parts.append(Markup("<p>{}</p>").format(speak(intro if boxes else t("You hold none of the rights it asks for."))))
    parts += boxes
    if boxes and beyond:
        more = t("It also asks for what you do not hold yourself: {scopes}", scopes=", ".join(beyond))
        parts.append(Markup("<p>{}</p>").format(speak(more)))
    button = Markup('<button type="submit" name="decision" value="{}">{}</button>')
    buttons = [button.format("allow", speak(t("Allow")))] if boxes else []
    buttons += [button.format("deny", speak(t("Deny"))), button.format("other", speak(t("Sign in as somebody else")))]
    form = Markup('<form method="post" action="{}?{}"><input type="hidden" name="proof" value="{}">{}{}</form>').format(
        request.script_root + ADDRESS,
        request.query_string.decode("latin-1"),
        _proof(),
        Markup("").join(parts[2:]),
        Markup("").join(buttons),
    )
    title = speak(t("May {program} act in your name?", program=client.name))
    return plain_page(title, Markup("").join([*parts[:2], form]), 200, leads_on=True)


def refused(message: str, status: int, back: str = "") -> Response:
    """Why nobody is asked; the browser is not sent anywhere by itself, since nobody knows where it would end.

    Args:
        back: The program's own address, where it has one.
    """
    text = Markup('<p class="wrong" role="alert">{}</p>').format(speak(message))
    link = Markup('<p><a href="{}" rel="noreferrer">{}</a> <code>{}</code></p>')
    text += link.format(back, speak(t("Back to the program")), back) if back else ""
    return plain_page(speak(t("This program cannot be let in")), text, status)


def begin(agent: str, secret: str) -> str:
    """A token for whoever signs in.

    Raises:
        Unauthorized: The secret is not the agent's.
    """
    granted = services().auth.login(agent, secret, scopes=None, seconds=PAGE_SECONDS)
    return issue_for_page(granted, AUDIENCE).access


def _introduced(client: OAuthClient) -> Markup:
    """Who asks, and how far what they say of themselves can be believed."""
    if client.fetched_at is not None:
        who = t("{program} is described at {address}", program=client.name, address=client.id)
    else:
        who = t("{program} has registered itself; nobody has checked its name.", program=client.name)
    return Markup("<p>{}</p>").format(speak(who))


def _destination(redirect_uri: str) -> Markup:
    parts = urlsplit(redirect_uri)
    host = parts.hostname or ""
    # Whoever has a scheme of their own may write any name behind it.
    elsewhere = parts.scheme in ("http", "https") and not is_loopback(host)
    where = host if elsewhere else t("a program on this computer")
    said = speak(t("Your answer goes to {place}:", place=where))
    return Markup("<p>{} <code>{}</code></p>").format(said, redirect_uri)


def _box(scope: str) -> Markup:
    box = Markup(
        '<label class="check"><input type="checkbox" name="granted" value="{}" checked><span>{} <code>{}</code></span>'
        "</label>"
    )
    meaning = OFFERED.get(scope) or t("use the extension of that name")
    return box.format(scope, speak(meaning), scope)


def _named(caller: Caller) -> str:
    agent: str = services().agents.get(caller.agent_id).name
    return agent


def _proof() -> str:
    return hashlib.sha256(f"consent {request.cookies.get(COOKIE, '')}".encode()).hexdigest()
