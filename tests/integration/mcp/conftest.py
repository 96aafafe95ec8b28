"""The application with a server of tests, whose description tests may change."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.bootstrap import mcp, work
from app.queueing.broker import make_celery
from app.services import mcp as service
from tests.fakes.mcp_remote import Remote
from tests.integration.api.conftest import DEAD_REDIS, Api, make_settings, serving
from tests.servers import REPOSITORY, free_port, wait_for

FAKE = str(REPOSITORY / "tests" / "fakes" / "mcp_server.py")


def worked(api: Api, run_id: str) -> None:
    """Work until no worker can do more for the run: on a busy machine a server may be late, and is asked again.

    A run that is to be tried again later is still one of those.
    """

    def rests() -> bool:
        api.work()
        return api.get(f"/runs/{run_id}")["status"] not in ("queued", "running")

    wait_for(rests, seconds=30, what="the run to rest")


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Lists are read anew each time, and no server is left."""
    monkeypatch.setattr(service, "FRESH_SECONDS", 0.0)
    yield
    mcp.connections.close()


def described(**env: str) -> dict[str, Any]:
    """The server of tests, as the file has it."""
    return {"command": sys.executable, "args": [FAKE], "env": {"PATH": os.defpath, **env}}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the servers stand."""
    path = tmp_path / "mcp.json"
    path.write_text(json.dumps({"mcpServers": {"fake": described()}}), encoding="utf-8")
    return path


@pytest.fixture
def api(database_url: str, tmp_path: Path, file: Path, hurried: None) -> Iterator[Api]:
    """The application on SQLite and on PostgreSQL."""
    with serving(make_settings(database_url, tmp_path, ORDINAUT_MCP_SERVERS=str(file))) as api:
        yield api


@pytest.fixture(scope="module")
def remote() -> Iterator[Remote]:
    """One for all tests of a file, which look at what is last."""
    server = Remote(free_port())
    server.start()
    yield server
    server.stop()


@pytest.fixture
def tick(api: Api) -> Callable[[], Any]:
    """What beat does: ends sleeps and tells servers what nobody waits for."""
    parts = work.WorkerParts(api.settings, make_celery(DEAD_REDIS))
    beat, watch = parts.beat(), parts.mcp_watch()

    def both() -> None:
        beat()
        watch.look()

    return both
