"""What the commands of the client understand, without a server."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import click
import pytest

from app.cli.exits import CONFLICT, DENIED, FAILED, INVALID, NOT_FOUND, TIMED_OUT, UNREACHABLE
from app.cli.remote.output import Output
from app.cli.remote.plain import one_line
from app.cli.remote.refusals import Refused, exit_code
from app.cli.schedules import kind_of
from app.cli.tasks import seconds
from app.http.errors import KINDS

CODES = {
    "bad_request": INVALID,
    "unauthorized": DENIED,
    "forbidden": DENIED,
    "not_found": NOT_FOUND,
    "method_not_allowed": INVALID,
    "conflict": CONFLICT,
    "gone": NOT_FOUND,
    "precondition_failed": CONFLICT,
    "payload_too_large": INVALID,
    "unsupported_media_type": INVALID,
    "unprocessable": INVALID,
    "rate_limit_exceeded": FAILED,
    "internal_error": FAILED,
    "unavailable": UNREACHABLE,
}


def test_every_refusal_of_the_server_has_its_exit_code() -> None:
    assert {code: exit_code(kind.status) for code, kind in KINDS.items()} == CODES
    assert exit_code(504) == TIMED_OUT


@pytest.mark.parametrize(("text", "value"), [("90s", 90), ("1h30m", 5400), ("2d", 172_800), ("1d1h1m1s", 90_061)])
def test_durations(text: str, value: int) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["", "90", "h", "1m1h", "-5s", "1.5h", "٣s"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(click.UsageError):
        seconds(text)


@pytest.mark.parametrize(
    ("expression", "kind"),
    [
        ("30 8 * * 1-5", "cron"),
        ("@daily", "cron"),
        ("FREQ=DAILY", "rrule"),
        ("DTSTART:20260101T000000Z\nRRULE:FREQ=DAILY", "rrule"),
        ("2026-11-24T08:30:00Z", "once"),
    ],
)
def test_what_a_schedule_looks_like(expression: str, kind: str) -> None:
    assert kind_of(expression) == kind


def test_texts_of_others_cannot_write_on_the_terminal() -> None:
    assert one_line("a\x1b[2Jb\nc\x9b") == "a�[2Jb c�"


def test_an_error_tells_sentence_fields_and_request_id() -> None:
    problem = {"pointer": "/a", "field": "a", "issue": "it is wrong", "hint": "Mend it"}
    body = {"message": "No", "details": {"errors": [problem]}, "request_id": "r-1"}
    assert Refused(400, body).message == "No\n  a: it is wrong (Mend it)\n  request id: r-1"


@pytest.mark.parametrize("content", [b"<html>", b"[]", b"{}", b'{"message": 1}'])
def test_an_answer_of_another_server_is_told_as_such(content: bytes) -> None:
    assert "is the address right?" in Refused.answering(404, content).message


def test_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    rows: list[dict[str, Any]] = [{"id": "a", "n": 1, "tags": ["x", "y"]}, {"id": "bcd", "n": None, "tags": []}]
    Output().many(rows, (("ID", "id"), ("N", "n"), ("TAGS", "tags")), total=3)
    told = capsys.readouterr()
    assert told.out == "ID   N  TAGS\na    1  x,y\nbcd  -  -\n"
    assert told.err == "2 of 3; --limit 3 shows all\n"


def test_a_client_starts_without_the_server() -> None:
    heavy = {"flask", "sqlalchemy", "celery", "pydantic", "urllib3", "yaml"}
    code = f"import sys, app.cli.group; print(sorted({heavy} & {{*sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
