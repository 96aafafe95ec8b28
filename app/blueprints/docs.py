"""The API's description, for programs at `/openapi.json`, for people at `/docs`, all from here."""

from __future__ import annotations

import hashlib
import mimetypes
from pathlib import Path
from typing import cast

from flask import Blueprint, Response, current_app, redirect, request, send_from_directory
from werkzeug.exceptions import NotFound

from app.http.api import api
from app.http.errors import KINDS, say
from app.http.identity import auth_is_on
from app.http.json import dump
from app.http.openapi import openapi
from app.http.security import DOCS
from app.schemas.problem_types import ProblemTypeOut
from ordinaut import __version__

bp = Blueprint("docs", __name__)
FOLDER = Path(__file__).resolve().parent.parent / "docs_static"
VENDORED = frozenset({"swagger-ui-bundle.js", "swagger-ui.css", "favicon-32x32.png"})
"""Swagger UI's own files, apart from ours: `vendor/VENDOR.json` says which version they are."""
OURS = frozenset({"start.js", "page.css"})
TAGS = ("docs",)
_KEY = "ordinaut.openapi"


@bp.get("/openapi.json")
@api(returns=dict, tags=TAGS, limited=False, scope="public")
def get_openapi() -> Response:
    """Get this description (OpenAPI 3.1)."""
    content = _description()
    response = Response(content, content_type="application/json")
    response.set_etag(hashlib.sha256(content).hexdigest()[:32])
    return cast(Response, response.make_conditional(request))


@bp.get("/")
@api(tags=TAGS, status=303, media="text/html", limited=False, scope="public")
def get_root() -> Response:
    """Go to the page, since this is the address that `ordinaut up` prints."""
    response = redirect("docs", code=303)
    return cast(Response, response)


@bp.get("/docs")
@api(tags=TAGS, media="text/html", limited=False, scope="public")
def get_docs() -> Response:
    """Get the page that shows this description."""
    return _guarded(send_from_directory(FOLDER, "index.html"))


@bp.get("/docs/<name>")
@api(tags=TAGS, media="application/octet-stream", limited=False, errors=(404,), scope="public")
def get_docs_file(name: str) -> Response:
    """Get a file of that page."""
    if name not in VENDORED | OURS:
        raise NotFound
    # The machine's own table of types differs from place to place; browsers refuse scripts of a wrong type.
    kind = "text/javascript" if name.endswith(".js") else mimetypes.guess_type(name)[0]
    folder = FOLDER / "vendor" if name in VENDORED else FOLDER
    return _guarded(send_from_directory(folder, name, mimetype=kind, max_age=3600))


@bp.get("/problems/<code>")
@api(returns=ProblemTypeOut, tags=TAGS, limited=False, errors=(404,), scope="public")
def get_problem_type(code: str) -> ProblemTypeOut:
    """Get what a kind of error means: where `type` of every refusal points."""
    if code not in KINDS:
        raise NotFound
    return ProblemTypeOut(error=code, status=KINDS[code].status, title=say(KINDS[code].title))


def _description() -> bytes:
    """The description as JSON, made anew only when the URL map has grown."""
    rules = sum(1 for _ in current_app.url_map.iter_rules())
    known = cast(tuple[int, bytes], current_app.extensions.get(_KEY, (-1, b"")))
    if known[0] != rules:
        known = (rules, dump(openapi(current_app, version=__version__, secured=auth_is_on())))
        current_app.extensions[_KEY] = known
    return known[1]


def _guarded(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = DOCS
    return response
