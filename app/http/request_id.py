"""One id for each request: taken from `X-Request-ID` or made, sent back, logged, handed on to runs."""

from __future__ import annotations

import re

import structlog
from flask import Flask, Response, g, has_request_context, request

from app.domain.ids import new_id

HEADER = "X-Request-ID"
_SAFE = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")


def request_id() -> str:
    """The id of the current request; `""` outside of one."""
    if not has_request_context():
        return ""
    if "request_id" not in g:
        offered = request.headers.get(HEADER, "")
        g.request_id = offered if _SAFE.fullmatch(offered) else new_id()
    return str(g.request_id)


def configure_request_id(app: Flask) -> None:
    """Give every request its id before anything else looks at it."""
    app.before_request(_bind)
    app.after_request(_send_back)


def _bind() -> None:
    # Threads are reused: what an earlier request bound must not colour this one's log lines.
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=request_id())


def _send_back(response: Response) -> Response:
    response.headers[HEADER] = request_id()
    return response
