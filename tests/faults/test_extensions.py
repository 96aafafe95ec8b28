"""Handlers and background tasks of extensions when processes, workers and the extensions' own code fail."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.faults.stack import DRAIN, PATIENCE, Stack
from tests.servers import Databases, PostgresServer, ValkeyServer, wait_for

LEASE = 4.0
ATTEMPTS = 2
NUMBERS = itertools.count(1)
QUIET = """
from ordinaut import Capability, Extension, ExtensionInfo

class Quiet(Extension):
    def info(self):
        return ExtensionInfo(id="quiet", name="Quiet", version="1")

    def requested_capabilities(self):
        return {Capability.EVENTS_SUB}

def get_extension():
    return Quiet()
"""


class Probed:
    """A stack of one web and two workers, and what the extension has written."""

    def __init__(self, stack: Stack, folder: Path) -> None:
        self.stack = stack
        self.folder = folder

    def lines(self, *words: str) -> list[str]:
        """Lines of the log that hold all of these words, in order."""
        log = self.folder / "log.txt"
        text = log.read_text() if log.exists() else ""
        return [line for line in text.splitlines() if all(word in line.split() for word in words)]

    def wait(self, *words: str, count: int = 1, seconds: float = PATIENCE) -> list[str]:
        """The same, once there are so many."""
        wait_for(lambda: len(self.lines(*words)) >= count, seconds=seconds, what=f"{count} x {words}")
        return self.lines(*words)

    def publish(self, topic: str, do: str = "nothing") -> str:
        """Publish an event; its number."""
        number = str(next(NUMBERS))
        answer = self.stack.request("POST", "/events", json={"topic": topic, "payload": {"n": number, "do": do}})
        assert answer.status_code == 202, answer.text
        return number

    def put(self, name: str) -> Path:
        """Put a file beside the extension."""
        file = self.folder / name
        file.touch()
        return file

    @property
    def pid(self) -> int:
        """The process that does the work."""
        return int(self.wait("startup")[-1].split()[0])

    @property
    def worker(self) -> str:
        """The worker that it belongs to."""
        for name, program in self.stack.programs.items():
            if self.pid in [child.pid for child in program.children()]:
                return name
        raise AssertionError("nobody has it")

    def letters(self, number: str | None = None) -> list[dict[str, Any]]:
        """Dead letters, or that of one event."""
        items = self.stack.get("/ext/probe/dead_letters?limit=200")["items"]
        return [one for one in items if number is None or one["event"]["payload"]["n"] == number]

    def letter(self, number: str) -> dict[str, Any]:
        """That of an event, once there is one."""
        wait_for(lambda: self.letters(number), seconds=PATIENCE, what=f"event {number} to be put aside")
        return self.letters(number)[0]

    def tasks(self) -> dict[str, list[Any]]:
        """Background tasks as the web process sees them."""
        found: dict[str, list[Any]] = self.stack.get("/ext/probe/tasks")
        return found

    def cursors(self) -> list[tuple[int, ...]]:
        """How far the subscriptions have come, by pattern."""
        rows = self.stack.query("SELECT cursor FROM extension_subscriptions ORDER BY pattern")
        return [tuple(int(part) for part in cursor.split("-")) for (cursor,) in rows]

    def calm(self) -> None:
        """Forget earlier crashes, as a minute without any would."""
        sql = "UPDATE extension_leases SET crashes = 0, restart_at = NULL"
        url = self.stack.database_url
        if url.startswith("sqlite"):
            with closing(sqlite3.connect(url.removeprefix("sqlite:///"), timeout=15)) as connection:
                connection.execute(sql)
                connection.commit()
        else:
            with psycopg.connect(url.replace("+psycopg", "")) as pg:
                pg.execute(sql)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def running(
    request: pytest.FixtureRequest, broker: ValkeyServer, databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Probed]:
    """The stack on each database in turn."""
    folder: Path = tmp_path_factory.mktemp("extensions")
    extension = folder / "extensions" / "probe"
    extension.mkdir(parents=True)
    grants = ["ROUTES", "EVENTS_PUB", "EVENTS_SUB", "BACKGROUND_TASKS"]
    manifest = {"id": "probe", "name": "Probe", "version": "1", "grants": grants}
    (extension / "extension.json").write_text(json.dumps(manifest))
    shutil.copyfile(Path(__file__).with_name("probe.py"), extension / "extension.py")
    quiet = extension.with_name("quiet")
    quiet.mkdir()
    (quiet / "extension.json").write_text(json.dumps({**manifest, "id": "quiet"}))
    (quiet / "extension.py").write_text(QUIET)
    if request.param == "sqlite":
        url = databases.sqlite(folder / "ordinaut.db")
    else:
        server: PostgresServer = request.getfixturevalue("postgres")
        url = server.url(databases.postgresql(server))
    stack = Stack(
        folder,
        database_url=url,
        redis_url=broker.url,
        ORDINAUT_EXT_PATHS=str(extension.parent),
        ORDINAUT_EXT_LEASE_SECONDS=f"{LEASE:g}",
        ORDINAUT_EXT_HANDLER_SECONDS="1",
        ORDINAUT_EXT_HANDLER_ATTEMPTS=str(ATTEMPTS),
        ORDINAUT_WORKER_CONCURRENCY="1",
    )
    yield Probed(stack, extension)
    stack.stop()


@pytest.fixture
def probe(running: Probed) -> Probed:
    """Everything at work and well."""
    running.stack.start("web", "worker-1", "worker-2")
    wait_for(running.stack.answers, seconds=PATIENCE, what="the web to answer")
    running.calm()
    running.wait("frail")
    for topic in ("plain.ready", "async.ready"):
        running.wait("done", topic, running.publish(topic))
    return running


def test_an_extension_without_work_keeps_no_process(probe: Probed) -> None:
    ask = "SELECT status FROM extension_leases WHERE extension_id = ?"
    wait_for(lambda: probe.stack.query(ask, "quiet") == [("idle",)], seconds=PATIENCE, what="it to be found idle")


def test_each_event_is_handled_once_and_in_order_whatever_the_number_of_workers(probe: Probed) -> None:
    topic = "plain.order"
    numbers = [probe.publish(topic) for _ in range(30)]
    probe.wait("done", topic, count=30)
    begun = [line.split()[-1] for line in probe.lines("begin", topic)]
    assert begun[-30:] == numbers


def test_a_handler_may_publish_what_another_handles(probe: Probed) -> None:
    number = probe.publish("async.publish", "publish")
    probe.wait("done", "plain.echo", number)


def test_an_event_comes_again_when_its_process_is_killed_over_it(probe: Probed) -> None:
    number = probe.publish("plain.hold", "hold")
    probe.wait("begin", number)
    os.kill(probe.pid, signal.SIGKILL)
    probe.put(f"door-{number}")
    probe.wait("done", number)
    assert len(probe.lines("begin", number)) == 2
    assert probe.letters(number) == []


def test_another_worker_takes_over_when_one_is_killed(probe: Probed) -> None:
    first, worker = probe.pid, probe.worker
    probe.stack.kill(worker)
    killed = time.monotonic()
    number = probe.publish("plain.after")
    probe.wait("done", number)
    assert time.monotonic() - killed < 30
    assert probe.pid != first and probe.worker != worker


def test_an_event_that_no_attempt_helps_is_put_aside_and_the_others_go_on(probe: Probed) -> None:
    pid = probe.pid
    poison, after = probe.publish("plain.poison", "raise"), probe.publish("plain.poison")
    probe.wait("done", after)
    letter = probe.letter(poison)
    assert (letter["error"], letter["attempts"]) == ("ValueError: no such order", ATTEMPTS)
    assert (letter["pattern"], letter["event"]["topic"]) == ("plain.**", "plain.poison")
    assert len(probe.lines("begin", poison)) == ATTEMPTS
    assert probe.pid == pid


def test_a_dead_letter_goes_when_one_more_delivery_succeeds(probe: Probed) -> None:
    poison = probe.publish("async.poison", "raise")
    again = f"/ext/probe/dead_letters/{probe.letter(poison)['id']}/redeliver"
    assert probe.stack.request("POST", again).status_code == 202
    wait_for(lambda: probe.letter(poison)["attempts"] == ATTEMPTS + 1, seconds=PATIENCE, what="the third attempt")
    cure = probe.put("cured")
    assert probe.stack.request("POST", again).status_code == 202
    wait_for(lambda: not probe.letters(poison), seconds=PATIENCE, what="the letter to go")
    cure.unlink()
    assert probe.stack.request("POST", again).status_code == 404
    assert len(probe.lines("begin", poison)) == ATTEMPTS + 2


@pytest.mark.parametrize("topic", ["plain.exit", "async.exit"])
def test_a_handler_that_exits_ends_nothing(probe: Probed, topic: str) -> None:
    pid = probe.pid
    poison = probe.publish(topic, "exit")
    assert probe.letter(poison)["error"].startswith("SystemExit")
    assert probe.pid == pid


STUBBORN = [
    # each row: topic, what its handler does, and whether that costs the process
    ("async.sleep", "sleep", False),  # lets itself be cancelled
    ("plain.hold", "hold", True),  # a thread cannot be stopped
    ("async.spin", "spin", True),  # the loop itself hangs
]


@pytest.mark.parametrize(("topic", "do", "costs"), STUBBORN)
def test_a_handler_that_does_not_return_is_cut_off_and_put_aside(
    probe: Probed, topic: str, do: str, costs: bool
) -> None:
    pid = probe.pid
    poison, after = probe.publish(topic, do), probe.publish(topic)
    other = probe.publish("plain.other" if topic.startswith("async") else "async.other")
    probe.wait("done", other)
    probe.wait("done", after)
    assert probe.letter(poison)["error"] == "TimeoutError: It took longer than 1 s"
    assert (probe.pid != pid) == costs


def test_a_handler_that_kills_its_process_is_found_out(probe: Probed) -> None:
    poison, after = probe.publish("plain.die", "die"), probe.publish("plain.die")
    probe.wait("done", after)
    letter = probe.letter(poison)
    assert "process" in letter["error"]
    # Unless a death has made the process careful, the first one tells nothing of which event it was.
    assert len(probe.lines("begin", poison)) in (ATTEMPTS, ATTEMPTS + 1)
    assert probe.stack.answers()


def test_a_task_given_as_a_function_begins_anew_by_itself(probe: Probed) -> None:
    pid, lives = probe.pid, len(probe.lines("beat"))
    probe.put("crash")
    probe.wait("beat", count=lives + 1)
    wait_for(lambda: probe.tasks()["beat"][0] == "running", seconds=PATIENCE, what="it to run")
    status, restarts, error = probe.tasks()["beat"]
    assert (status, restarts, error) == ("running", 1, "RuntimeError: beat crashes")
    assert probe.pid == pid


def test_a_task_given_as_a_coroutine_begins_anew_with_its_process(probe: Probed) -> None:
    pid, lives = probe.pid, len(probe.lines("frail"))
    probe.put("break")
    probe.wait("frail", count=lives + 1)
    assert probe.pid != pid
    assert str(pid) in probe.lines("shutdown")[-1]
    wait_for(lambda: probe.tasks()["frail"][0] == "running", seconds=PATIENCE, what="it to run")


def test_a_task_is_stopped_from_any_process(probe: Probed) -> None:
    pid = probe.pid
    assert probe.stack.request("POST", "/ext/probe/stop/beat").status_code == 200
    wait_for(lambda: probe.tasks()["beat"][0] == "stopped", seconds=10, what="it to stop")
    assert probe.tasks()["frail"][0] == "running"
    assert probe.pid == pid


def test_health_tells_of_a_process_that_has_crashed(probe: Probed) -> None:
    assert probe.stack.get("/ext/probe/health")["checks"]["background_tasks"] == "healthy"
    os.kill(probe.pid, signal.SIGKILL)
    ask = "SELECT crashes FROM extension_leases WHERE extension_id = ?"
    wait_for(lambda: probe.stack.query(ask, "probe")[0][0] > 0, seconds=PATIENCE, what="the crash to be seen")
    answer = probe.stack.request("GET", "/ext/probe/health")
    assert answer.status_code == 503 and answer.json()["checks"]["background_tasks"] == "unhealthy"


def test_a_worker_that_stops_lets_the_extension_end_in_order(probe: Probed) -> None:
    pid, worker = probe.pid, probe.worker
    held = probe.publish("plain.hold", "hold")
    probe.wait("begin", held)
    probe.put(f"door-{held}")
    probe.stack.kill(worker, signal.SIGTERM)
    asked = time.monotonic()
    assert probe.stack.programs[worker].wait(PATIENCE) == 0
    assert time.monotonic() - asked < DRAIN + 5
    assert str(pid) in probe.lines("shutdown")[-1]
    probe.wait("done", held)
    after = probe.publish("plain.after")
    probe.wait("done", after)
    assert probe.pid != pid
    assert len(probe.lines("done", held)) == 1


def test_a_process_that_wakes_after_its_lease_ends_and_moves_no_cursor(probe: Probed) -> None:
    frozen, worker = probe.pid, probe.worker
    probe.stack.freeze(worker)
    number = probe.publish("plain.frozen")
    probe.wait("done", number)
    assert probe.pid != frozen
    before = probe.cursors()
    probe.stack.thaw(worker)
    program = probe.stack.programs[worker]
    wait_for(
        lambda: frozen not in [child.pid for child in program.children()], seconds=PATIENCE, what="the old one to end"
    )
    # The new one may have moved them on; what the old one knows lies behind.
    assert all(after >= place for after, place in zip(probe.cursors(), before, strict=True))
    assert len(probe.lines("begin", number)) == 1
