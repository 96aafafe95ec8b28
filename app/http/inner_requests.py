"""Requests that the platform sends to itself, for an extension and in the name of whoever sent the outer one.

Such a request goes through the same application as any other, so validation, scopes, ownership, idempotency and the
audit log are the API's own. What belongs to the network is left out: limits, the access log, metrics of requests.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import closing
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any

from flask import Flask, Response, current_app, has_request_context, request
from werkzeug.test import EnvironBuilder

from app.domain.texts import t
from app.http.identity import INNER, identity
from app.http.locale import language
from app.http.request_id import HEADER, request_id
from app.http.streams import EVENT_STREAM
from ordinaut.api import ApiAnswer, ApiContext

MOUNTS = "/ext/"
OURS = re.compile(r"/ext/(?:status|[a-z0-9_]+/(?:health|grants|dead_letters(?:/.+)?|background_tasks(?:/.+)?))")
"""The platform's own among the addresses of extensions."""


@dataclass(frozen=True, slots=True)
class InnerApi(ApiContext):
    """`context.api` in the web process; see `ordinaut.api.ApiContext`."""

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> ApiAnswer:
        """See `ordinaut.api.ApiContext`."""
        if not has_request_context():
            raise RuntimeError(t("The API is called for the sender of a request, and here is none"))
        if not path.startswith("/") or "?" in path or (path.startswith(MOUNTS) and not OURS.fullmatch(path)):
            raise ValueError(t("{path} is no path of the platform's API", path=repr(path[:200])))
        environ = _environ(method, path, query, json, headers or {})
        app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
        # In a copy of this thread's context: what the inner request binds and leaves behind is its own.
        return copy_context().run(_answer, app, environ)


def _environ(
    method: str, path: str, query: Mapping[str, Any] | None, json: Any, headers: Mapping[str, str]
) -> dict[str, Any]:
    sent: dict[str, str] = {
        **headers,
        "Accept-Language": language(),
        HEADER: request_id(),
        "Accept": "application/json",
    }
    builder = EnvironBuilder(
        path=path,
        base_url=request.root_url,
        method=method,
        query_string={name: value for name, value in (query or {}).items() if value is not None},
        headers=list(sent.items()),
        json=json,
        environ_base={"REMOTE_ADDR": request.environ.get("REMOTE_ADDR", "")},
        environ_overrides={INNER: identity()},
    )
    return builder.get_environ()


def _answer(app: Flask, environ: dict[str, Any]) -> ApiAnswer:
    # An application context of its own, since `g` lives in it.
    with app.app_context(), app.request_context(environ):
        try:
            response = app.full_dispatch_request()
        except Exception as error:  # noqa: BLE001 - a request boundary: what is left is answered as anywhere else
            response = app.handle_exception(error)
        with closing(response):
            if response.mimetype == EVENT_STREAM:
                raise ValueError(t("{path} answers with a stream", path=repr(environ["PATH_INFO"])))
            response.direct_passthrough = False  # a file is read, too
            return ApiAnswer(status=response.status_code, data=_data(response), headers=_headers(response))


def _data(response: Response) -> Any:
    if not response.data:
        return None
    return response.get_json() if response.is_json else response.get_data(as_text=True)


def _headers(response: Response) -> dict[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}
