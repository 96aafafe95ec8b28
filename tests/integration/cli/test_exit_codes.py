"""What every exit code means, on a real server."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.cli import exits
from tests.integration.cli.conftest import ORDINAUT, Client, Served
from tests.servers import REPOSITORY

PAGE = REPOSITORY / "docs" / "cli.md"
FAILS = [{"id": "boom", "uses": "data.transform", "with": {"data": {}, "expression": "["}}]
SLEEPS = [{"id": "nap", "uses": "flow.sleep", "with": {"seconds": 3600}}]
BAD = "title: A task\nschedule_kind: cron\nschedule_expr: 61 * * * *\n"


@dataclass(frozen=True, slots=True)
class Row:
    """A command and what becomes of it; `environment` is laid over the client's."""

    words: str
    code: int
    said: str
    environment: tuple[tuple[str, str], ...] = ()


TABLE = [
    Row("task list", exits.OK, "TITLE"),
    Row("task run {failing} --wait", exits.FAILED, "failed"),
    Row('tool call data.transform -d {{"data":{{}},"expression":"["}}', exits.FAILED, "request id"),
    Row("task list --nonsense", exits.USAGE, "No such option"),
    Row("event publish shop.paid -d nonsense", exits.USAGE, "no JSON"),
    Row("task create -f {missing}", exits.USAGE, "cannot be read"),
    Row("task get {nothing}", exits.NOT_FOUND, "request id"),
    Row("context use nowhere", exits.NOT_FOUND, "no context named"),
    Row("task list", exits.DENIED, "request id", (("ORDINAUT_TOKEN", "oat_nonsense"),)),
    Row("event publish a.b", exits.DENIED, "request id", (("ORDINAUT_TOKEN", "{reader}"),)),
    Row("task resume {canceled}", exits.CONFLICT, "request id"),
    Row("task create -f {bad}", exits.INVALID, "bad.yaml:3: /schedule_expr: schedule_expr: "),
    Row("task validate -f {broken}", exits.INVALID, "broken.yaml:2:"),
    Row("task list", exits.INVALID, "ORDINAUT_URL", (("ORDINAUT_URL", "nonsense"),)),
    Row("task list", exits.UNREACHABLE, "cannot be reached", (("ORDINAUT_URL", "http://127.0.0.1:1"),)),
    Row("task run {sleeping} --wait --timeout 0", exits.TIMED_OUT, ""),
]


@pytest.fixture
def named(client: Client, as_client: Served, tmp_path: Path) -> dict[str, str]:
    """What the words of the table stand for."""
    canceled = client.task()
    client.says("task", "cancel", canceled)
    return {
        "failing": client.task(FAILS, max_retries=0),
        "sleeping": client.task(SLEEPS),
        "canceled": canceled,
        "nothing": str(uuid.uuid4()),
        "missing": str(tmp_path / "missing.yaml"),
        "bad": client.file("bad.yaml", BAD),
        "broken": client.file("broken.yaml", "title: A\n  b: [\n"),
        "reader": as_client.reader_token,
    }


@pytest.mark.parametrize("row", TABLE, ids=[f"{row.code}-{row.words}" for row in TABLE])
def test_the_code_of(row: Row, client: Client, named: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in row.environment:
        monkeypatch.setenv(name, value.format(**named))
    code, out, err = client.run(*(word.format(**named) for word in row.words.split(" ")))
    assert code == row.code, out + err
    assert row.said in out + err


HEARING = (
    sys.executable,
    "-c",
    "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])",
)
"""What is started from a script's background has been told to ignore Ctrl-C: this takes it back."""


def test_ctrl_c(client: Client, served: Served, tmp_path: Path) -> None:
    first = client.says("event", "publish", "-q", "ctrl.c").strip()
    client.says("event", "publish", "ctrl.c")
    words = [*HEARING, *ORDINAUT, "event", "tail", "ctrl.c", "--since", first]
    with subprocess.Popen(words, env=served.environment(tmp_path), stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout and b"ctrl.c" in process.stdout.readline()
            process.send_signal(signal.SIGINT)
            assert process.wait(10) == exits.INTERRUPTED
        finally:
            process.kill()


def test_the_page_has_the_table() -> None:
    rows = re.findall(r"^\| (\d+) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    codes = {value for name, value in vars(exits).items() if name.isupper() and isinstance(value, int)}
    assert {int(code) for code in rows} == codes
