"""Requests to a server, tried again where that is safe, and answers as values."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

import urllib3
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError, ReadTimeoutError, SSLError

from app.cli.exits import FAILED, TIMED_OUT, UNREACHABLE
from app.cli.remote.refusals import Refused, Stopped
from app.cli.remote.servers import Server
from ordinaut import __version__

CONNECT_SECONDS = 10.0
PAUSES = (0.2, 0.5, 1.0)
"""Seconds between tries, where the server names none."""
LONGEST_PAUSE = 10.0
_LATER = frozenset({409, 429, 503})
"""With `Retry-After`: nothing was done, and the same may be asked again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request.

    Attributes:
        query: None and empty values are left out; lists are joined by commas.
        seconds: How long the server may be silent.
        again: Whether it may be sent once more when nobody knows what became of it. A POST may where the server
            answers one that comes again, under the same key, with its first answer.
    """

    method: str = "GET"
    path: str
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 30.0
    again: bool = True

    def target(self) -> str:
        """Path and query."""
        given = {name: _text(value) for name, value in self.query.items() if value not in (None, "", (), [])}
        return self.path + (f"?{urlencode(given)}" if given else "")


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: its status, headers, and JSON; None without a body."""

    status: int
    headers: Mapping[str, str]
    body: Any


class Connection:
    """Talks to one server; `ask` and `stream` raise Refused where it says no, Stopped (7, 8) where it says nothing."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._pool = urllib3.PoolManager(retries=False, maxsize=2)

    def ask(self, call: Call) -> Reply:
        """The answer."""
        headers = self._headers(call)
        for pause in PAUSES:
            try:
                answer = self._send(call, headers)
            except HTTPError as error:
                if not (call.again or _never_arrived(error)):
                    raise self._silent(error) from error
            else:
                if answer.status not in _LATER or "Retry-After" not in answer.headers:
                    return _reply(answer)
                pause = _seconds(answer.headers["Retry-After"], pause)
            time.sleep(pause)
        try:
            return _reply(self._send(call, headers))
        except HTTPError as error:
            raise self._silent(error) from error

    @contextmanager
    def stream(self, call: Call) -> Iterator[Iterator[bytes]]:
        """The pieces of a long answer as they come."""
        try:
            answer = self._send(call, self._headers(call), preload_content=False)
        except HTTPError as error:
            raise self._silent(error) from error
        try:
            if answer.status >= 400:
                raise Refused.answering(answer.status, answer.data)
            yield self._pieces(answer)
        finally:
            answer.close()

    def _pieces(self, answer: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
        try:
            yield from answer.stream(65_536)
        except HTTPError as error:
            raise self._silent(error) from error

    def _send(self, call: Call, headers: Mapping[str, str], **options: Any) -> urllib3.BaseHTTPResponse:
        body = None if call.body is None else json.dumps(call.body).encode()
        timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=call.seconds)
        url = self.server.url + call.target()
        return self._pool.request(
            call.method, url, body=body, headers=headers, timeout=timeout, redirect=False, **options
        )

    def _headers(self, call: Call) -> dict[str, str]:
        headers = {"User-Agent": f"ordinaut/{__version__}", "Accept": "application/json", **call.headers}
        if self.server.token:
            headers["Authorization"] = f"Bearer {self.server.token}"
        if call.body is not None:
            headers["Content-Type"] = "application/json"
        if call.method == "POST":
            headers.setdefault("Idempotency-Key", str(uuid.uuid4()))
        return headers

    def _silent(self, error: HTTPError) -> Stopped:
        if isinstance(error, ReadTimeoutError):
            return Stopped(f"{self.server.url} has not answered in time.", TIMED_OUT)
        if isinstance(error, SSLError):
            return Stopped(f"{self.server.url} shows a certificate that is not trusted here: {error}", UNREACHABLE)
        if _never_arrived(error):
            return Stopped(f"{self.server.url} cannot be reached; is it running, and the address right?", UNREACHABLE)
        return Stopped(f"The connection to {self.server.url} was lost.", UNREACHABLE)


def segment(text: str) -> str:
    """A text as one segment of a path."""
    return quote(text, safe="")


def _never_arrived(error: HTTPError) -> bool:
    return isinstance(error, (NewConnectionError, ConnectTimeoutError))


def _reply(answer: urllib3.BaseHTTPResponse) -> Reply:
    if answer.status >= 400:
        raise Refused.answering(answer.status, answer.data)
    if answer.status >= 300:
        raise Stopped(f"The server sends elsewhere ({answer.status}): is the address right?", FAILED)
    try:
        body = json.loads(answer.data) if answer.data else None
    except ValueError as error:
        raise Stopped("The server's answer is no JSON: is the address right?", FAILED) from error
    return Reply(answer.status, answer.headers, body)


def _seconds(header: str, otherwise: float) -> float:
    return min(float(header), LONGEST_PAUSE) if header.isascii() and header.isdigit() else otherwise


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
