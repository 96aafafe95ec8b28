"""One log line for each request."""

from __future__ import annotations

import logging
import time

import structlog
from flask import Flask, Response, current_app, g, request

from app.http.identity import is_inner


def configure_request_log(app: Flask) -> None:
    """Log method, path, status and milliseconds; probes only at DEBUG, since they come every few seconds."""
    app.before_request(_begin)
    app.after_request(_log)


def _begin() -> None:
    g.begun = time.perf_counter()


def _log(response: Response) -> Response:
    if is_inner():
        return response
    declared = getattr(current_app.view_functions.get(request.endpoint or ""), "__api__", None)
    quiet = declared is not None and not declared.limited and response.status_code < 500
    structlog.get_logger(__name__).log(
        logging.DEBUG if quiet else logging.INFO,
        "request",
        method=request.method,
        path=request.path,
        status=response.status_code,
        ms=round((time.perf_counter() - g.get("begun", time.perf_counter())) * 1000, 1),
    )
    return response
