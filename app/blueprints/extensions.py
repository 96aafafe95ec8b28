"""Extensions over HTTP: how they are, their files, and the answer where one of them cannot give its own."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, cast

from flask import Blueprint, Response, request, send_from_directory
from werkzeug.exceptions import NotFound as NoSuchAddress

from app.domain.errors import NotFound, Unavailable
from app.domain.ids import new_id
from app.domain.scopes import OF_EXTENSION, PUBLIC
from app.domain.texts import t
from app.extension_host.manifest import SCHEMA
from app.extension_host.registry import Record, State
from app.http.api import Answer, api
from app.http.errors import answer_defect, say
from app.http.extension_hooks import answer_capability_denied
from app.http.extension_mount import mounts
from app.http.identity import is_public
from app.http.json import dump
from app.http.locale import say_nothing
from app.schemas.extensions import (
    ExtensionGrantsOut,
    ExtensionHealthOut,
    ExtensionStatusOut,
    grants_out,
    health_out,
    status_out,
)
from ordinaut import Capability, CapabilityDenied

bp = Blueprint("extensions", __name__)
TAGS = ("extensions",)
ALL = ("GET", "POST", "PUT", "PATCH", "DELETE")
MAX_AGE = 300
"""Seconds a browser may show a file of an extension before it asks whether that has changed."""
FOR_GOOD = "max-age=31536000, immutable"


@bp.get("/ext/status")
@api(returns=ExtensionStatusOut, tags=TAGS, scope=PUBLIC)
def get_extension_status() -> Answer:
    """Tell how all extensions are.

    Added up over all processes and machines: `failed` where it failed in any of them, `loaded` where any has
    loaded it, `discovered` until somebody needs it.
    """
    host = mounts().host
    return Answer(status_out(host.overview(), say, host.described), headers={"Cache-Control": "no-store"})


@bp.get("/ext/<extension_id>/health")
@api(returns=ExtensionHealthOut, tags=TAGS, also=(503,), errors=(404,), scope=OF_EXTENSION)
def get_extension_health(extension_id: str) -> Answer:
    """Tell how an extension is: 200 when all its checks are healthy, else 503."""
    host = mounts().host
    record = host.record(extension_id)
    report = None if record is None or record.state is State.DISABLED else host.health(extension_id)
    if report is None:
        raise _unknown(extension_id)
    status = 200 if report.healthy else 503
    return Answer(health_out(report, say), status, {"Cache-Control": "no-store"})


@bp.get("/ext/<extension_id>/grants")
@api(returns=ExtensionGrantsOut, tags=TAGS, errors=(404,), scope=OF_EXTENSION)
def get_extension_grants(extension_id: str) -> Answer:
    """Tell what an extension asked for and what it got, after loading it where needed."""
    record = mounts().host.record(extension_id)
    if record is None or record.state is State.DISABLED:
        raise _unknown(extension_id)
    return Answer(grants_out(mounts().host.load(extension_id) or record), headers={"Cache-Control": "no-store"})


@bp.get("/ext/<extension_id>/static/<path:path>")
@api(tags=TAGS, media="application/octet-stream", errors=(404,), scope=OF_EXTENSION)
def get_extension_file(extension_id: str, path: str) -> Response:
    """Get a file of an extension.

    With an `ETag`, and `Cache-Control: private, max-age=300`; `If-None-Match` of the same tag gets 304 without a body,
    and `Range` (RFC 9110, section 14) gets 206 with a part of it. Where the path begins with `~` and the hash of the
    files as they are now, it is for good: `max-age=31536000, immutable`. A folder, or what leads out of the
    extension's own, is 404.
    """
    record = mounts().host.record(extension_id)
    if record is None or record.state is not State.LOADED:
        return answer_absent(extension_id, path)
    folder, files = record.static_folder, mounts().files(extension_id)
    name, for_good = files.split(path) if files else (path, False)
    if folder is None or not _inside(folder, name):
        raise NoSuchAddress
    response = send_from_directory(folder, name, conditional=True, etag=True)
    say_nothing()
    if for_good:
        # Files that anybody may have, any cache may have.
        response.headers["Cache-Control"] = f"{'public' if is_public(request.path) else 'private'}, {FOR_GOOD}"
    elif name != path:
        # The address of another release: what this one has is not to be taken for it.
        response.headers["Cache-Control"] = "private, no-cache"
    else:
        response.headers["Cache-Control"] = f"private, max-age={MAX_AGE}"
    return response


@bp.get("/schemas/extension.json")
@api(returns=dict, tags=TAGS, scope=PUBLIC, limited=False, media="application/schema+json")
def get_extension_schema() -> Response:
    """Get the JSON Schema of `extension.json`, the manifest of an extension."""
    content = dump(dict(SCHEMA))
    response = Response(content, content_type="application/schema+json")
    response.set_etag(hashlib.sha256(content).hexdigest()[:32])
    return cast(Response, response.make_conditional(request))


@bp.route("/ext/<extension_id>", defaults={"path": ""}, methods=ALL)
@bp.route("/ext/<extension_id>/", defaults={"path": ""}, methods=ALL)
@bp.route("/ext/<extension_id>/<path:path>", methods=ALL)
def answer_absent(extension_id: str, path: str) -> Response:
    """Answer for an extension that is not there: it is unknown, broken, switched off, or not loaded yet."""
    record = mounts().host.record(extension_id)
    if record is None or record.state is State.DISABLED:
        raise _unknown(extension_id)
    if record.state is State.FAILED:
        return _failed(record)
    raise Unavailable(t("The extension is being loaded; try again shortly"), extension_id=extension_id)


def answer_absent_socket(extension_id: str, path: str) -> Response:
    """The same for a WebSocket, whose client is answered before any handshake."""
    return answer_absent(extension_id, path)


bp.add_url_rule("/ext/<extension_id>/<path:path>", view_func=answer_absent_socket, websocket=True)


@bp.endpoint("extensions.refuse_routes")
def refuse_routes(extension_id: str, path: str) -> Any:
    """Answer for routes that an extension has and may not serve."""
    record = mounts().host.record(extension_id)
    return answer_capability_denied(CapabilityDenied(Capability.ROUTES, record.grants if record else ()))


def _inside(folder: Path, path: str) -> bool:
    """Whether the path stays in the folder, links followed."""
    try:
        return (folder / path).resolve().is_relative_to(folder.resolve())
    except (OSError, ValueError):
        return False


def _failed(record: Record) -> Response:
    failure = record.failure
    assert failure is not None
    if failure.denied is not None:
        return answer_capability_denied(failure.denied)
    return answer_defect(failure.error_type, failure.traceback or failure.message, error_id=new_id())


def _unknown(extension_id: str) -> NotFound:
    return NotFound(t("Extension not found"), extension_id=extension_id)
