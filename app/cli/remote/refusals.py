"""Why a command of the client ends early: the sentence, and the exit code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import click

from app.cli.exits import CONFLICT, DENIED, FAILED, INVALID, NOT_FOUND, TIMED_OUT, UNREACHABLE
from app.cli.remote.plain import plain

_CODES: Mapping[int, int] = {
    **dict.fromkeys((400, 405, 406, 411, 413, 414, 415, 422, 431), INVALID),
    **dict.fromkeys((401, 403), DENIED),
    **dict.fromkeys((404, 410), NOT_FOUND),
    **dict.fromkeys((409, 412, 428), CONFLICT),
    **dict.fromkeys((502, 503), UNREACHABLE),
    **dict.fromkeys((408, 504), TIMED_OUT),
}


class Stopped(click.ClickException):
    """The command ends with this sentence and code."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.exit_code = code  # type: ignore[misc]


class Refused(Stopped):
    """The server said no.

    Attributes:
        status: Of HTTP.
        body: What it answered; empty where that was none of its answers.
    """

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        super().__init__("\n".join(_told(status, body)), exit_code(status))
        self.status = status
        self.body = body

    @classmethod
    def answering(cls, status: int, content: bytes) -> Refused:
        """Of the bytes of an answer."""
        try:
            body = json.loads(content)
        except ValueError:
            body = {}
        return cls(status, body if isinstance(body, dict) else {})


def exit_code(status: int) -> int:
    """The exit code that a status of HTTP comes to."""
    return _CODES.get(status, FAILED)


def problems(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The places that are wrong, each with `pointer`, `field`, `issue`, `hint`."""
    details = body.get("details")
    errors = details.get("errors") if isinstance(details, dict) else None
    return [one for one in errors if isinstance(one, dict)] if isinstance(errors, list) else []


def problem_line(problem: Mapping[str, Any]) -> str:
    """A problem in one line."""
    said = ": ".join(str(problem[name]) for name in ("issue", "detail") if problem.get(name))
    hint = f" ({problem['hint']})" if problem.get("hint") else ""
    return plain(f"{problem.get('field') or 'body'}: {said}{hint}")


def _told(status: int, body: Mapping[str, Any]) -> list[str]:
    sentence = body.get("message")
    if not isinstance(sentence, str):
        return [f"The server answered {status}, and not in Ordinaut's words: is the address right?"]
    lines = [plain(sentence), *(f"  {problem_line(one)}" for one in problems(body))]
    if body.get("request_id"):
        lines.append(plain(f"  request id: {body['request_id']}"))
    return lines
