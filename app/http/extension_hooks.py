"""What the platform does around every request to an extension: access, counting, and the one shape of refusals."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol, cast

from flask import Flask, Response, current_app, g, request

from app.domain.metrics import UNMATCHED
from app.http.errors import EXTENSION, ErrorAnswer, error_response, say
from app.http.identity import is_inner, require_extension_scope
from app.telemetry import emit
from ordinaut import CapabilityDenied, RequestRefused, ToolFailed

_KEY = "ordinaut.extension_recorder"
_SAYS = "ordinaut.extension_says"
Says = Callable[[str, str], str]
HEALTH = "extensions.get_extension_health"
"""Its 503 is an answer: a probe that asks every few seconds is no error every few seconds."""
_READ = ("issue", "hint", "detail")


class Recorder(Protocol):
    """Counts; `app.services.extension_meters` in the product. `endpoint` is the rule of a route."""

    def record_extension_request(
        self, extension: str, endpoint: str, method: str, status: int, seconds: float | None
    ) -> None: ...

    def extension_error(self, extension: str, endpoint: str, error_type: str) -> None: ...

    def connection_opened(self, extension: str, endpoint: str) -> None: ...

    def connection_closed(self, extension: str, endpoint: str) -> None: ...


def configure_extension_hooks(app: Flask, recorder: Recorder | None, says: Says | None = None) -> None:
    """Guard and count the requests to extensions, and answer what their code may raise.

    Args:
        says: What an extension says, in the reader's language: its id and the text.
    """
    app.extensions[_KEY] = recorder
    app.extensions[_SAYS] = says
    app.before_request(_enter)
    app.after_request(_leave)
    app.register_error_handler(CapabilityDenied, answer_capability_denied)
    app.register_error_handler(RequestRefused, answer_refused)
    app.register_error_handler(ToolFailed, answer_tool_failed)


def answer_capability_denied(error: CapabilityDenied) -> Response:
    """403: something was used that was not granted."""
    details = {
        "required_capability": error.required.value,
        "granted_capabilities": [one.value for one in error.granted],
    }
    return error_response(ErrorAnswer(code="forbidden", details=details))


def answer_refused(error: RequestRefused) -> Response:
    """An extension's own refusal, under one of the platform's codes."""
    words = _words()
    message = words(error.message) if error.message else None
    return error_response(ErrorAnswer(code=error.code, message=message, details=_said(error.details, words)))


def answer_tool_failed(error: ToolFailed) -> Response:
    """422: a tool that a view called could not do it."""
    details = {"type": error.type, "retryable": error.retryable, "details": _said(error.details, _words())}
    return error_response(ErrorAnswer(code="unprocessable", message=error.message, details=details))


def _said(details: Mapping[str, Any], words: Callable[[str], str]) -> dict[str, Any]:
    """The details with what a person reads in them in the reader's language: of the input, and of each mistake."""
    said = {
        name: words(value) if name in _READ and isinstance(value, str) else value for name, value in details.items()
    }
    if isinstance(said.get("errors"), list):
        said["errors"] = [_said(one, words) if isinstance(one, Mapping) else one for one in said["errors"]]
    return said


def _words() -> Callable[[str], str]:
    """The way into the reader's language: through the catalogue of the extension that answers, if one does."""
    extension_id, says = request.environ.get(EXTENSION), current_app.extensions.get(_SAYS)
    return say if extension_id is None or says is None else lambda text: str(says(extension_id, text))


@contextmanager
def connection() -> Iterator[None]:
    """Count a long connection of the current request for as long as the block lasts."""
    close = opened()
    try:
        yield
    finally:
        close()


def opened() -> Any:
    """Count a long connection of the current request; the function that is given ends it."""
    recorder, extension_id = _recorder(), request.environ.get(EXTENSION)
    if recorder is None or extension_id is None:
        return lambda: None
    endpoint = _endpoint()
    g.extension_stream = True
    recorder.connection_opened(extension_id, endpoint)
    return lambda: recorder.connection_closed(extension_id, endpoint)


def broken(error: BaseException) -> None:
    """Log and count what an extension raised when its answer had begun already."""
    extension_id = request.environ.get(EXTENSION, "")
    emit("extension.connection_failed", extension=extension_id, route=_endpoint(), error=error)
    recorder = _recorder()
    if recorder is not None:
        recorder.extension_error(extension_id, _endpoint(), type(error).__name__)


def _enter() -> None:
    extension_id = request.environ.get(EXTENSION)
    if extension_id is not None:
        g.extension_began = time.perf_counter()
        require_extension_scope(extension_id)


def _leave(response: Response) -> Response:
    recorder, extension_id = _recorder(), request.environ.get(EXTENSION)
    if recorder is None or extension_id is None or is_inner():
        return response
    endpoint, status = _endpoint(), response.status_code
    long = g.get("extension_stream", False)
    if long and request.url_rule is not None and request.url_rule.websocket:
        status = 101  # what the client saw long ago
    seconds = None if long else time.perf_counter() - g.get("extension_began", time.perf_counter())
    recorder.record_extension_request(extension_id, endpoint, request.method, status, seconds)
    if status >= 500 and request.endpoint != HEALTH:
        recorder.extension_error(extension_id, endpoint, g.get("error_type") or f"http_{status}")
    return response


def _endpoint() -> str:
    """The rule, unless it is the one for addresses that nobody has."""
    rule = request.url_rule
    return UNMATCHED if rule is None or "<extension_id>" in rule.rule else rule.rule


def _recorder() -> Recorder | None:
    return cast(Recorder | None, current_app.extensions.get(_KEY))
