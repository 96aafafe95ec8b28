"""A full disk under SQLite: a clear no, reading goes on, nothing half written, and writing is back with the room."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from flask import Flask

from app.bootstrap.web import build
from app.factory import create_app
from config.settings import load
from tests.servers import migrate

MEGABYTES = 4
ERROR = {"error", "message", "details", "request_id", "type", "title", "status", "instance"}
TASK = {
    "title": "large",
    "schedule_kind": "manual",
    "tags": ["a", "b"],
    "payload": {"pipeline": [{"id": "s", "uses": "data.set", "with": {"value": "x" * 30_000}}]},
}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={MEGABYTES}m", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("only root may mount a small disk")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


@pytest.fixture
def app(small_disk: Path, tmp_path: Path) -> Flask:
    """The application with its database on the small disk."""
    url = f"sqlite:///{small_disk}/ordinaut.db"
    migrate(url)
    environ = {"PATH": os.defpath, "ORDINAUT_HOME": str(tmp_path), "DATABASE_URL": url}
    return create_app(build(load({**environ, "ORDINAUT_RATE_LIMIT": "1000000/minute"})))


def fill(disk: Path) -> Path:
    """Take all the room that is left."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 4096)
        except OSError:
            return filler


def test_a_full_disk_gives_503_and_writing_is_back_with_the_room(app: Flask, small_disk: Path) -> None:
    client = app.test_client()
    made = [client.post("/tasks", json=TASK).get_json()["id"]]
    filler = fill(small_disk)
    for _ in range(500):
        answer = client.post("/tasks", json=TASK)
        if answer.status_code != 201:
            break
        made.append(answer.get_json()["id"])
    assert (answer.status_code, answer.get_json()["error"]) == (503, "unavailable")
    assert set(answer.get_json()) == ERROR and answer.headers["Retry-After"]
    assert client.post(f"/tasks/{made[0]}/run_now", json={}).status_code in {202, 503}
    listed = client.get("/tasks?limit=1")
    assert (listed.status_code, listed.get_json()["total"]) == (200, len(made))
    filler.unlink()
    made.append(client.post("/tasks", json=TASK).get_json()["id"])
    assert client.post(f"/tasks/{made[-1]}/run_now", json={}).status_code == 202
    with closing(sqlite3.connect(small_disk / "ordinaut.db")) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        ids = {row[0] for row in database.execute("SELECT id FROM tasks")}
        defined = {row[0] for row in database.execute("SELECT task_id FROM definitions")}
        tagged = {row[0] for row in database.execute("SELECT task_id FROM task_tags")}
    assert ids == defined == tagged == set(made)
