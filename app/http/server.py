"""Gunicorn's worker, which refuses what is no request in the same shape as the application refuses requests."""

from __future__ import annotations

from typing import Any

from gunicorn import util
from gunicorn.http import errors
from gunicorn.workers.gthread import ThreadWorker

from app.domain.ids import new_id
from app.http.errors import JSON, KINDS
from app.http.json import dump

_PHRASES = {
    400: "Bad Request",
    414: "URI Too Long",
    417: "Expectation Failed",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    501: "Not Implemented",
}
# The first that fits; the others of their kind come last.
_REFUSALS: tuple[tuple[type[Exception], int, str], ...] = (
    (errors.InvalidResponseHeader, 500, ""),
    (errors.InvalidResponseHeaderName, 500, ""),
    (errors.LimitRequestLine, 414, "The address is too long"),
    (errors.LimitRequestHeaders, 431, "The headers are too many or too long"),
    (errors.ExpectationFailed, 417, "The expectation of the Expect header cannot be met"),
    (errors.UnsupportedTransferCoding, 501, "That transfer coding is not supported"),
    (errors.ParseException, 400, "The request is not HTTP that can be read"),
)


class Server(ThreadWorker):  # type: ignore[misc]
    """Threads that answer requests. What cannot be read as one never reaches the application: it is refused here."""

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Answer `client`, a socket, in place of gunicorn's page of HTML; it is closed afterwards."""
        status, issue = refusal(exc)
        if status == 500:
            self.log.error("The answer to a request could not be sent", exc_info=exc)
        else:
            self.log.warning("Refused what is no request (%s)", type(exc).__name__)
        try:
            util.write_nonblock(client, answer(status, issue))
        except OSError:
            self.log.debug("Nobody was there to read the refusal")


def refusal(error: BaseException) -> tuple[int, str]:
    """Status and sentence; what is no fault of the client's is a 500 without one."""
    for kind, status, issue in _REFUSALS:
        if isinstance(error, kind):
            return status, issue
    return 500, ""


def answer(status: int, issue: str) -> bytes:
    """The whole answer, in English, since what the client asked for cannot be known."""
    code = "bad_request" if status < 500 else "internal_error"
    kind, request_id = KINDS[code], new_id()
    listed = [{"field": "request", "pointer": "", "issue": issue, "hint": ""}]
    body = dump(
        {
            "error": code,
            "message": issue or kind.title,
            "details": {"field": "request", "issue": issue, "errors": listed} if issue else {},
            "request_id": request_id,
            "type": f"/problems/{code}",
            "title": kind.title,
            "status": status,
            "instance": "",
        }
    )
    head = (
        f"HTTP/1.1 {status} {_PHRASES[status]}\r\nConnection: close\r\nContent-Type: {JSON}\r\n"
        f"Content-Length: {len(body)}\r\nX-Request-ID: {request_id}\r\nCache-Control: no-store\r\n"
        "X-Content-Type-Options: nosniff\r\n\r\n"
    )
    return head.encode("ascii") + body
