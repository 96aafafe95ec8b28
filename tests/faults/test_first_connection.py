"""A worker that is waiting for Redis has a pool already: a death in it is mended, and is no reason to give up."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.faults.stack import PATIENCE
from tests.servers import REPOSITORY, Databases, ValkeyServer, wait_for


@pytest.fixture
def absent(tmp_path: Path) -> Iterator[ValkeyServer]:
    """A Valkey that is not there yet."""
    server = ValkeyServer(tmp_path / "valkey").start()
    server.kill()
    yield server
    server.stop()


@pytest.fixture
def waiting_worker(absent: ValkeyServer, databases: Databases, tmp_path: Path) -> Iterator[psutil.Popen]:
    """A worker that cannot connect."""
    env = {
        "PATH": os.defpath,
        "ORDINAUT_HOME": str(tmp_path),
        "DATABASE_URL": databases.sqlite(tmp_path / "ordinaut.db"),
        "REDIS_URL": absent.url,
    }
    with (tmp_path / "log").open("wb") as log:
        command = [sys.executable, str(REPOSITORY / "bin" / "ordinaut"), "worker"]
        worker = psutil.Popen(command, env=env, cwd=tmp_path, stdout=log, stderr=subprocess.STDOUT)
        yield worker
        worker.terminate()
        worker.wait(PATIENCE)


def pool(worker: psutil.Popen) -> set[int]:
    """The living children that were forked: their command is the worker's own."""
    assert worker.poll() is None, "the worker has ended"
    found = set()
    for child in worker.children():
        try:
            if child.cmdline() == worker.cmdline() and child.status() != psutil.STATUS_ZOMBIE:
                found.add(child.pid)
        except psutil.NoSuchProcess:
            continue
    return found


def test_a_pool_process_that_dies_before_redis_is_there_is_replaced(
    waiting_worker: psutil.Popen, absent: ValkeyServer, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    wait_for(lambda: b"Cannot connect" in log.read_bytes(), seconds=PATIENCE)
    first = pool(waiting_worker)
    assert len(first) == 2
    victim = psutil.Process(min(first))
    victim.kill()
    wait_for(lambda: pool(waiting_worker) == first - {victim.pid}, seconds=PATIENCE)
    absent.start()
    wait_for(lambda: len(pool(waiting_worker) - {victim.pid}) == 2, seconds=PATIENCE, what="a new pool process")
    wait_for(lambda: b" ready." in log.read_bytes(), seconds=PATIENCE)
    assert len(pool(waiting_worker)) == 2
