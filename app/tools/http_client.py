"""One request and its answer, over checked addresses, with redirects that are checked anew."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from urllib.parse import urljoin

from app.domain.texts import t
from app.tools.http_body import read_body
from app.tools.http_connection import IdleConnections, PinnedConnection, Watch
from app.tools.http_safety import (
    HttpPolicy,
    Resolver,
    Target,
    parse_target,
    safe_addresses,
    system_addresses,
)
from ordinaut.tools import ToolFailed

MAX_BODY = 1_048_576
"""Bytes of an answer's body that are read, packed and unpacked."""
MAX_REDIRECTS = 3
_MAX_HEADERS = 65_536
_RESOLVE_SECONDS = 10.0
_REDIRECTS = (301, 302, 303, 307, 308)
_REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
# Headers that may follow a redirect to another origin; whatever else a caller set may be a credential.
_MAY_TRAVEL = frozenset({"accept", "accept-encoding", "accept-language", "content-type", "user-agent"})


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """What to send; `headers` are complete but for Host and Content-Length.

    Attributes:
        follow: Whether a redirect is followed, at most three in a row, unless `expected(status)`.
        expected: Which statuses are an answer the caller asked for.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None = None
    follow: bool = True
    expected: Callable[[int], bool] = lambda status: 200 <= status < 300


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAnswer:
    """What came back; header names in lower case, repeated ones joined by a comma (RFC 9110 section 5.3)."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    host: str


class HttpClient:
    """Sends requests where the policy lets them go; safe to use from several threads and after a fork.

    Environment proxies play no part, cookies are not kept, and connections are kept only for methods
    whose repetition is harmless, for a kept connection may turn out to be dead after the request was sent.
    """

    def __init__(self, *, policy: HttpPolicy, resolve: Resolver = system_addresses, max_body: int = MAX_BODY) -> None:
        self._policy = policy
        self._resolve = resolve
        self._max_body = max_body
        self._idle = IdleConnections()

    def close(self) -> None:
        """Close the connections that are kept."""
        self._idle.close()

    def send(self, request: HttpRequest, watch: Watch) -> HttpAnswer:
        """Send and read the answer to its end, following redirects.

        Raises:
            ToolFailed: `invalid_url`, `address_refused`, `connect_error`, `tls_error`, `timeout`, `stopped`,
                `redirect_refused`, `response_too_large` or `invalid_response`. No status is an error here.
        """
        target = parse_target(request.url)
        for _ in range(MAX_REDIRECTS + 1):
            answer = self._once(request, target, watch)
            location = answer.headers.get("location")
            final = answer.status not in _REDIRECTS or not request.follow or request.expected(answer.status)
            if final or not location:
                return answer
            request, target = _redirected(request, target, answer.status, location)
        raise _redirect_refused(t("More than {limit} redirects in a row", limit=MAX_REDIRECTS))

    def _once(self, request: HttpRequest, target: Target, watch: Watch) -> HttpAnswer:
        seconds = watch.remaining(_RESOLVE_SECONDS)
        addresses = safe_addresses(self._policy, target, resolve=self._resolve, seconds=seconds)
        repeatable = request.method in _REPEATABLE
        kept = self._idle.take(target, addresses) if repeatable else None
        connection = kept or PinnedConnection(target, addresses, watch)
        connection.watch = watch
        try:
            response = self._head(request, target, connection, fresh=kept is None)
        except (http.client.RemoteDisconnected, ConnectionError) as error:
            connection.close()
            if kept is None:
                raise _failure(error, target) from error
            # The kept connection was closed under our feet: the request was not answered, so it is sent anew.
            connection = PinnedConnection(target, addresses, watch)
            response = self._head(request, target, connection, fresh=True)
        return self._read(response, target, connection, keep=addresses if repeatable else ())

    def _head(
        self, request: HttpRequest, target: Target, connection: PinnedConnection, *, fresh: bool
    ) -> http.client.HTTPResponse:
        headers = {"Host": target.netloc, **request.headers}
        if request.body is not None:
            headers["Content-Length"] = str(len(request.body))
        elif request.method in ("POST", "PUT", "PATCH"):
            headers["Content-Length"] = "0"
        try:
            if fresh:
                connection.connect()
            return connection.exchange(request.method, target.path, headers, request.body)
        except ToolFailed:
            connection.close()
            raise
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            if not fresh and isinstance(error, ConnectionError):
                raise
            raise _failure(error, target) from error

    def _read(
        self,
        response: http.client.HTTPResponse,
        target: Target,
        connection: PinnedConnection,
        *,
        keep: tuple[str, ...],
    ) -> HttpAnswer:
        whole = False
        try:
            headers = _joined(response)
            body = read_body(response, self._max_body)
            whole = response.isclosed() and not response.will_close
        except (OSError, http.client.HTTPException) as error:
            raise _failure(error, target) from error
        finally:
            response.close()
            if whole and keep:
                self._idle.give(target, keep, connection)
            else:
                connection.close()
        return HttpAnswer(status=response.status, headers=headers, body=body, host=target.host)


def _redirected(request: HttpRequest, origin: Target, status: int, location: str) -> tuple[HttpRequest, Target]:
    """The request that follows a redirect: 303, and 301 and 302 of a POST, turn into GET (RFC 9110 15.4)."""
    written = location.encode("latin-1", "replace").decode("utf-8", "replace")
    target = parse_target(urljoin(origin.url, written))
    if origin.scheme == "https" and target.scheme == "http":
        raise _redirect_refused(t("{host} redirects from https to http", host=origin.host))
    headers = dict(request.headers)
    if target.origin != origin.origin:
        headers = {name: value for name, value in headers.items() if name.lower() in _MAY_TRAVEL}
    changes = request.method not in ("GET", "HEAD") and status == 303
    changes = changes or (request.method == "POST" and status in (301, 302))
    if changes:
        headers = {name: value for name, value in headers.items() if name.lower() != "content-type"}
        return replace(request, method="GET", body=None, headers=headers, url=target.url), target
    if request.body and target.origin != origin.origin:
        raise _redirect_refused(t("{host} redirects a request with a body to another host", host=origin.host))
    return replace(request, headers=headers, url=target.url), target


def _joined(response: http.client.HTTPResponse) -> dict[str, str]:
    headers: dict[str, str] = {}
    size = 0
    for name, value in response.getheaders():
        size += len(name) + len(value)
        key = name.lower()
        headers[key] = f"{headers[key]}, {value}" if key in headers else value
    if size > _MAX_HEADERS:
        raise _headers_too_large()
    return headers


def _failure(error: Exception, target: Target) -> ToolFailed:
    """What went wrong on the way, in terms of the caller; nothing of the request is repeated."""
    where = target.netloc
    details = {"host": target.host, "port": target.port}
    if isinstance(error, TimeoutError):
        return ToolFailed(t("{where} did not answer in time", where=where), type="timeout", details=details)
    if isinstance(error, ssl.SSLCertVerificationError):
        message = t("The certificate of {where} is not accepted: {reason}", where=where, reason=error.verify_message)
        return ToolFailed(message, type="tls_error", retryable=False, details=details)
    if isinstance(error, ssl.SSLError):
        reason = (error.reason or "").replace("_", " ").lower() or t("handshake failed")
        return ToolFailed(
            t("No secure connection to {where}: {reason}", where=where, reason=reason),
            type="tls_error",
            details=details,
        )
    if isinstance(error, (http.client.RemoteDisconnected, http.client.IncompleteRead)):
        return ToolFailed(
            t("{where} closed the connection too early", where=where), type="connect_error", details=details
        )
    if isinstance(error, OSError):
        reason = error.strerror or t("no connection")
        return ToolFailed(
            t("Cannot talk to {where}: {reason}", where=where, reason=reason), type="connect_error", details=details
        )
    if isinstance(error, http.client.LineTooLong) or "got more than" in str(error):
        return _headers_too_large()
    return ToolFailed(t("{where} does not speak HTTP", where=where), type="invalid_response", details=details)


def _headers_too_large() -> ToolFailed:
    return ToolFailed(t("The headers of the answer are too large"), type="response_too_large", retryable=False)


def _redirect_refused(message: str) -> ToolFailed:
    return ToolFailed(message, type="redirect_refused", retryable=False)
