"""Servers that others have published, from PyPI and from npm, called by the steps of a pipeline."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import PATIENCE, Instance
from tests.e2e.node import NODE, installed
from tests.servers import wait_for

PACKAGES = Path(__file__).parent / "servers"
FILES = Path("@modelcontextprotocol") / "server-filesystem" / "dist" / "index.js"


@pytest.fixture(scope="module")
def clock(tmp_path_factory: pytest.TempPathFactory) -> str:
    """`mcp-server-time`, in an environment of its own."""
    folder = tmp_path_factory.mktemp("clock") / "venv"
    uv = str(Path(sys.executable).parent / "uv")
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(folder)], check=True, timeout=PATIENCE)
    words = [uv, "pip", "install", "--quiet", "--python", str(folder / "bin" / "python"), "--require-hashes"]
    subprocess.run([*words, "-r", str(PACKAGES / "requirements.txt")], check=True, timeout=PATIENCE)
    return str(folder / "bin" / "mcp-server-time")


@pytest.fixture(scope="module")
def instance(clock: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """An installation that knows both servers, and a file for one of them to read."""
    folder = tmp_path_factory.mktemp("published")
    (folder / "note.txt").write_text("Salut", encoding="utf-8")
    program = installed(PACKAGES, tmp_path_factory.mktemp("files")) / FILES
    servers = {
        "clock": {"command": clock, "env": {"PATH": os.environ["PATH"]}},
        "files": {"command": NODE, "args": [str(program), str(folder)], "tools": ["read_*", "list_*"]},
    }
    one = Instance(folder / "var", ORDINAUT_MCP_SERVERS=json.dumps(servers)).start()
    try:
        wait_for(lambda: _asked(one), seconds=PATIENCE, what="both servers to be asked for their tools")
        yield one
        assert one.stop() == 0, one.output
        assert one.family() == []
    finally:
        one.clean()


def _asked(instance: Instance) -> bool:
    found = instance.call("GET", "/mcp/servers")["items"]
    return all(one["tools"] for one in found)


def steps(instance: Instance, *pipeline: dict[str, Any]) -> Any:
    """The run of these steps when it has ended."""
    return instance.ended(instance.run(instance.task(*pipeline, max_retries=0)))


def test_their_answers_are_data_for_the_steps_that_follow(instance: Instance) -> None:
    asks = {"source_timezone": "UTC", "time": "08:30", "target_timezone": "Europe/Chisinau"}
    path = str(instance.home.parent / "note.txt")
    run = steps(
        instance,
        {"id": "clock", "uses": "clock.convert_time", "with": asks},
        {"id": "note", "uses": "files.read_text_file", "with": {"path": path}},
        {"id": "both", "uses": "data.set", "with": {"value": "${steps.note.content} ${steps.clock.time_difference}"}},
    )
    assert run["status"] == "succeeded", run["error"]
    assert run["output"].startswith("Salut") and "h" in run["output"]


def test_what_they_refuse_fails_the_step_with_their_words(instance: Instance) -> None:
    run = steps(instance, {"id": "outside", "uses": "files.read_text_file", "with": {"path": "/etc/hostname"}})
    assert (run["error"]["type"], run["status"]) == ("tool_error", "failed")
    assert "outside allowed directories" in run["error"]["message"]


def test_what_the_operator_does_not_allow_is_not_there(instance: Instance) -> None:
    instance.call("GET", "/tools/files.write_file", expect=404)
    instance.call("GET", "/tools/files.read_text_file")
