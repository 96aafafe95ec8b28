"""Every no the platform says over HTTP, in one shape: the founding members plus those of RFC 9457."""

from __future__ import annotations

import ipaddress
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, cast
from urllib.parse import quote

import structlog
from flask import Flask, Response, current_app, g, request
from gunicorn.http.errors import ParseException
from werkzeug.exceptions import HTTPException, MethodNotAllowed
from werkzeug.routing import WebsocketMismatch

from app.domain.clock import rfc3339
from app.domain.errors import InvalidInput, OrdinautError, Problem, StillInProgress
from app.domain.ids import new_id
from app.domain.texts import t
from app.http.json import dump
from app.http.locale import speak
from app.http.request_id import request_id

JSON = "application/json"
PROBLEM_JSON = "application/problem+json"
DEVELOPMENT = "ORDINAUT_DEVELOPMENT"
"""Key in `Flask.config`: True where a 500 may carry its real traceback."""
BODY_LIMIT = "ORDINAUT_MAX_BODY_BYTES"
"""Key in `Flask.config`: bytes a body may have."""
EXTENSION = "ordinaut.extension"
"""Key in the WSGI environment: the id of the extension whose address was asked for."""
TOOL_OF = "tool_of_extension"
"""Name in `g`: the id of the extension whose tool is being called."""
RETRY_AFTER_SECONDS = 2


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of error: its status and what it is called."""

    status: int
    title: str


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "bad_request": Kind(400, t("Invalid request parameters")),
        "unauthorized": Kind(401, t("Authentication required")),
        "forbidden": Kind(403, t("Insufficient permissions")),
        "not_found": Kind(404, t("Not found")),
        "method_not_allowed": Kind(405, t("This address does not know that method")),
        "conflict": Kind(409, t("The request conflicts with the current state")),
        "gone": Kind(410, t("No longer there")),
        "precondition_failed": Kind(412, t("The resource was changed by someone else since it was read")),
        "payload_too_large": Kind(413, t("The body is too large")),
        "unsupported_media_type": Kind(415, t("The body must be application/json, not compressed")),
        "unprocessable": Kind(422, t("The request is well formed but cannot be followed")),
        "rate_limit_exceeded": Kind(429, t("Rate limit exceeded")),
        "internal_error": Kind(500, t("Something went wrong on our side")),
        "unavailable": Kind(503, t("A service this request needs does not answer; try again shortly")),
    }
)
_CODES = {kind.status: code for code, kind in KINDS.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorAnswer:
    """What is to be said; `status` stands only where it differs from the one its code has."""

    code: str
    message: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int | None = None


def say(text: str) -> str:
    """The text in the reader's language: the one door through which every message leaves."""
    return speak(text)


def error_response(answer: ErrorAnswer) -> Response:
    """The answer as JSON; `application/problem+json` when the client names that type in `Accept`."""
    kind = KINDS[answer.code]
    status = answer.status or kind.status
    body = {
        "error": answer.code,
        "message": say(answer.message or kind.title),
        "details": dict(answer.details),
        "request_id": request_id(),
        "type": f"/problems/{answer.code}",
        "title": say(kind.title),
        "status": status,
        "instance": quote(request.path),
    }
    wants_problem = PROBLEM_JSON in [mime.lower() for mime in request.accept_mimetypes.values()]
    response = Response(dump(body), status, content_type=PROBLEM_JSON if wants_problem else JSON)
    response.headers.extend(answer.headers)
    return response


def configure_errors(app: Flask, *, development: bool) -> None:
    """Answer every exception in the one shape; `development` lets loopback clients see real tracebacks."""
    app.config[DEVELOPMENT] = development
    app.register_error_handler(OrdinautError, answer_domain_error)
    app.register_error_handler(HTTPException, answer_http_error)
    app.register_error_handler(ParseException, answer_garbled)
    app.register_error_handler(Exception, answer_unexpected)


def answer_domain_error(error: OrdinautError) -> Response:
    """A refusal of the domain, by its code."""
    if error.code not in KINDS or error.code == "internal_error":
        return answer_unexpected(error)
    details: Mapping[str, Any] = error.details
    if isinstance(error, InvalidInput):
        details = {**error.details, **problem_details(error.problems)}
    shortly = error.code == "unavailable" or isinstance(error, StillInProgress)
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} if shortly else {}
    if (seconds := details.get("retry_after_seconds")) is not None and error.code == "rate_limit_exceeded":
        g.retry_after = str(seconds)
        moment = datetime.now(UTC) + timedelta(seconds=seconds)
        details = {**details, "reset_at": rfc3339(moment.replace(microsecond=0))}
    if error.code == "unauthorized":
        details = {"required_scopes": [], **details}
        headers = {"WWW-Authenticate": _challenge()}
    return error_response(ErrorAnswer(code=error.code, message=error.message, details=details, headers=headers))


def _challenge() -> str:
    """What RFC 6750, section 3, answers: why a token that was shown is not good stays between us and the log."""
    return 'Bearer realm="ordinaut"' + (', error="invalid_token"' if "Authorization" in request.headers else "")


def answer_http_error(error: HTTPException) -> Response:
    """A refusal of Flask or Werkzeug: unknown address, wrong method, body too large."""
    if error.response is not None or (error.code or 500) < 400:
        return cast(Response, Response.force_type(error.get_response(request.environ)))
    status = error.code or 500
    if status == 500:
        return answer_unexpected(getattr(error, "original_exception", None) or error)
    details, headers = _http_facts(error)
    code = _CODES.get(status) or ("bad_request" if status < 500 else "unavailable")
    return error_response(ErrorAnswer(code=code, details=details, headers=headers, status=status))


def answer_garbled(error: Exception) -> Response:
    """A body whose chunks make no sense (RFC 9112, section 7.1): gunicorn says so only when it is read."""
    problem = Problem("", "The chunks of the body cannot be read")
    return error_response(ErrorAnswer(code="bad_request", details=problem_details((problem,))))


def answer_unexpected(error: BaseException) -> Response:
    """A defect: logged whole under an id, told to the client by that id alone."""
    error_id = new_id()
    structlog.get_logger(__name__).error("unexpected_error", error_id=error_id, exc_info=error)
    return answer_defect(type(error).__name__, "".join(traceback.format_exception(error)), error_id=error_id)


def answer_defect(error_type: str, story: str, *, error_id: str) -> Response:
    """The 500 of a defect; its traceback goes to developers on this machine alone."""
    g.error_type = error_type
    shown = story if current_app.config[DEVELOPMENT] and _from_this_machine() else "..."
    details = {"error_type": error_type, "traceback": shown, "error_id": error_id}
    extension_id = request.environ.get(EXTENSION) or g.get(TOOL_OF)
    if extension_id is None:
        return error_response(ErrorAnswer(code="internal_error", details=details))
    details = {"extension_id": extension_id, **details}
    return error_response(ErrorAnswer(code="internal_error", message=t("Extension execution failed"), details=details))


def problem_details(problems: tuple[Problem, ...]) -> dict[str, Any]:
    """`field` and `issue` of the first problem, and all of them under `errors`."""
    errors = [_told(problem) for problem in problems]
    first = {"field": errors[0]["field"], "issue": errors[0]["issue"]} if errors else {}
    return {**first, "errors": errors}


def _told(problem: Problem) -> dict[str, str]:
    told = {
        "field": problem.field or "body",
        "pointer": problem.pointer,
        "issue": say(problem.kind or problem.message),
        "hint": say(problem.hint),
    }
    return {**told, "detail": say(problem.message)} if problem.kind else told


def _http_facts(error: HTTPException) -> tuple[dict[str, Any], dict[str, str]]:
    """Details and headers that go with an error of Werkzeug's own."""
    if isinstance(error, MethodNotAllowed):
        allowed = sorted(error.valid_methods or ())
        return {"method": request.method, "allowed": allowed}, {"Allow": ", ".join(allowed)}
    if isinstance(error, WebsocketMismatch) and "Upgrade" not in request.headers:
        return {"issue": say(t("This address is a WebSocket: it expects an upgrade (RFC 6455)"))}, {}
    match error.code:
        case 404:
            return {"path": request.path}, {}
        case 413:
            return {"limit_bytes": current_app.config.get(BODY_LIMIT)}, {}
        case 415:
            return {"expected": JSON, "issue": error.description or ""}, {}
        case _:
            return {"issue": error.description} if error.description else {}, {}


def _from_this_machine() -> bool:
    """True only when both the TCP peer and whatever it claims to speak for are loopback addresses."""
    if "X-Forwarded-For" in request.headers and "werkzeug.proxy_fix.orig" not in request.environ:
        return False
    before = request.environ.get("werkzeug.proxy_fix.orig", {}).get("REMOTE_ADDR")
    addresses = {request.remote_addr, before} - {None}
    try:
        return bool(addresses) and all(ipaddress.ip_address(str(one)).is_loopback for one in addresses)
    except ValueError:
        return False
