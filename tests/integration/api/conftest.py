"""The whole application over a real database, without Redis and without processes: runs are worked off on demand."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.bootstrap import parts, web, work
from app.factory import create_app
from app.queueing.broker import make_celery
from app.services.execution import Executor
from app.storage.database import Database
from config.settings import Settings, load
from tests.servers import Databases

PIPELINE: dict[str, Any] = {
    "params": {"name": "Ana"},
    "pipeline": [
        {"id": "greet", "uses": "data.set", "with": {"value": "Hello ${params.name}"}},
        {"id": "note", "uses": "log.write", "with": {"message": "${steps.greet}"}},
    ],
}


def make_settings(database_url: str, home: Path, **more: str) -> Settings:
    """Settings of a development installation on this database, with no Redis and no rate limit to speak of."""
    environ = {
        "PATH": os.defpath,
        "ORDINAUT_HOME": str(home),
        "DATABASE_URL": database_url,
        "ORDINAUT_RATE_LIMIT": "1000000/minute",
    }
    return load({**environ, **more})


@dataclass
class Api:
    """A client with the words these tests use, and a worker to call when runs are to be worked off."""

    app: Flask
    settings: Settings
    _hands: list[Executor] = field(default_factory=list)

    @property
    def client(self) -> FlaskClient:
        """A client of its own."""
        return self.app.test_client()

    def send(self, method: str, path: str, *, expect: int | None = None, **options: Any) -> TestResponse:
        """One request; AssertionError with the answer when the status is not the expected one."""
        answer = self.client.open(path, method=method, **options)
        assert expect is None or answer.status_code == expect, (answer.status_code, answer.get_data(as_text=True))
        return answer

    def get(self, path: str, expect: int = 200, **options: Any) -> Any:
        """The JSON of a GET."""
        return self.send("GET", path, expect=expect, **options).get_json()

    def post(self, path: str, body: Any = None, expect: int | None = 200, **options: Any) -> Any:
        """The JSON of a POST."""
        return self.send("POST", path, expect=expect, json={} if body is None else body, **options).get_json()

    def task(self, **fields: Any) -> Any:
        """A new task: manual, with two steps, but for what is given."""
        base = {"title": "A task", "schedule_kind": "manual", "payload": PIPELINE}
        return self.post("/tasks", {**base, **fields}, expect=201)

    def run(self, task: Any, **wish: Any) -> str:
        """The id of a run of the task that is queued now."""
        return str(self.post(f"/tasks/{task['id']}/run_now", wish, expect=202)["run_id"])

    def work(self) -> int:
        """Let a worker do all there is to do; how many runs it had."""
        if not self._hands:
            self._hands.append(work.WorkerParts(self.settings, make_celery(DEAD_REDIS)).executor("test"))
        return self._hands[0].drain()


DEAD_REDIS = "redis://127.0.0.1:1/0"
"""Nobody listens there: the doorbell rings in vain, and the work is done all the same."""


@pytest.fixture
def api(database_url: str, tmp_path: Path) -> Iterator[Api]:
    """The application on SQLite and on PostgreSQL."""
    with serving(make_settings(database_url, tmp_path)) as api:
        yield api


@pytest.fixture(scope="module")
def lasting(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """One application on SQLite for all tests of a module, which leave each other alone."""
    folder = tmp_path_factory.mktemp("lasting")
    with serving(make_settings(databases.sqlite(folder / "ordinaut.db"), folder)) as api:
        yield api


@pytest.fixture(scope="module")
def task_id(lasting: Api) -> str:
    """A task there that every test finds as it was made."""
    return str(lasting.task()["id"])


@contextmanager
def serving(settings: Settings) -> Iterator[Api]:
    """The application these settings describe; its connections are closed afterwards."""
    opened: list[Database] = []

    kept = _kept(opened, parts.open_database)
    with patch.object(web, "open_database", kept), patch.object(work, "open_database", kept):
        container = web.build(settings)
        yield Api(create_app(container), settings)
    container.extensions.close()
    for database in opened:
        database.close()


def _kept(opened: list[Database], real: Callable[[Settings], Database]) -> Callable[[Settings], Database]:
    def open_database(settings: Settings) -> Database:
        opened.append(real(settings))
        return opened[-1]

    return open_database
