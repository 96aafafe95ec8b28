"""Log lines: their shape, their ids, and what they must not say."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from config.logging import configure
from config.settings import load


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Leave logging as it was found."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def lines(**environ: str) -> io.StringIO:
    """Where the lines go from now on."""
    stream = io.StringIO()
    configure(load({"LOG_FORMAT": "json", **environ}), stream=stream)
    return stream


def only(stream: io.StringIO) -> dict[str, Any]:
    """The one JSON line."""
    (line,) = stream.getvalue().splitlines()
    answer: dict[str, Any] = json.loads(line)
    return answer


def test_a_line_has_time_level_logger_message_and_ids() -> None:
    stream = lines()
    structlog.contextvars.bind_contextvars(request_id="r1", run_id="u1")
    structlog.get_logger("app.x").info("sarcină creată", step_id="s1")
    line = only(stream)
    assert line.pop("ts").endswith("Z")
    assert line == {
        "level": "info",
        "logger": "app.x",
        "msg": "sarcină creată",
        "request_id": "r1",
        "run_id": "u1",
        "step_id": "s1",
    }


def test_the_standard_library_is_routed_in() -> None:
    stream = lines()
    structlog.contextvars.bind_contextvars(request_id="r1")
    logging.getLogger("flask").warning("%s of %d", "one", 2, extra={"task_id": "t1"})
    line = only(stream)
    assert (line["msg"], line["request_id"], line["task_id"]) == ("one of 2", "r1", "t1")


@pytest.mark.parametrize(
    ("name", "value", "logged"),
    [
        ("authorization", "Bearer x", "***"),
        ("Set-Cookie", "x", "***"),
        ("client_secret", "x", "***"),
        ("access_token", "x", "***"),
        ("password", "x", "***"),
        ("api_key", "x", "***"),
        ("x-api-key", "x", "***"),
        # an absent secret is worth knowing
        ("token", None, None),
        # keys that are no secrets
        ("idempotency_key", "k", "k"),
        ("concurrency_key", "k", "k"),
        ("keys", 3, 3),
        # inside other values
        ("headers", {"Cookie": "x", "Accept": "y"}, {"Cookie": "***", "Accept": "y"}),
        ("urls", ["redis://:pw@h/0"], ["redis://:***@h/0"]),
        # nobody writes lines for us
        ("path", "/a\r\nlevel=critical", "/a\\r\\nlevel=critical"),
    ],
)
def test_secrets_and_line_ends_are_hidden(name: str, value: object, logged: object) -> None:
    stream = lines()
    structlog.get_logger("x").info("event", **{name: value})
    assert only(stream)[name] == logged


@pytest.mark.parametrize("form", ["json", "pretty"])
def test_a_traceback_shows_no_password(form: str) -> None:
    stream = lines(LOG_FORMAT=form)
    try:
        raise ConnectionError("redis://:hunter2@h/0 refused")
    except ConnectionError:
        logging.getLogger("x").exception("boom")
    assert "ConnectionError" in stream.getvalue() and "redis://:***@h/0" in stream.getvalue()
    assert "hunter2@h" not in stream.getvalue()


def test_pretty_lines_cannot_be_forged() -> None:
    stream = lines(LOG_FORMAT="pretty")
    structlog.get_logger("x").info("a\nb", path="c\nd")
    assert len(stream.getvalue().splitlines()) == 1


def test_lines_below_the_level_are_dropped() -> None:
    stream = lines(LOG_LEVEL="WARNING")
    structlog.get_logger("x").info("quiet")
    logging.getLogger("y").info("quiet")
    assert stream.getvalue() == ""


def test_warnings_about_settings_are_logged() -> None:
    assert "ORDINAUT_HOEM is not a setting" in only(lines(ORDINAUT_HOEM="x"))["msg"]
