"""Events: how many can be published, how soon a run starts because of one, and how soon listeners have it.

A real web process and a real worker, over HTTP. Listeners are read by one thread of this process with a selector, which
shares the machine's cores with everything else: the figures are what a client sees, at worst.
"""

from __future__ import annotations

import http.client
import json
import selectors
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from app.domain.runs import RunFilter
from bench.stage import Stage, arguments, make_task, median, quantile, stage, store, table, until
from tests.servers import free_port, wait_for

SUBSCRIBERS = (1, 100, 300)
GAP = 0.05
Row = tuple[object, ...]


class Web:
    """The web process of a stage, and a connection to it that is kept."""

    def __init__(self, scene: Stage, **env: str) -> None:
        self.port = free_port()
        many = {"ORDINAUT_RATE_LIMIT": "10000000/minute", "ORDINAUT_WEB_THREADS": "1024", "PORT": str(self.port)}
        scene.start("bin/ordinaut", "web", **many, **env)
        until(scene, self._answers, "the web process")
        self._connection = self.connection()

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 0.2):
                return True
        except OSError:
            return False

    def again(self) -> None:
        """A new connection: the server hangs up after a silence."""
        self._connection.close()
        self._connection = self.connection()

    def connection(self) -> http.client.HTTPConnection:
        """One of the caller's own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.connect()
        # Headers and body go in two packets; without this the second waits for the first one's acknowledgement.
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def publish(self, topic: str, connection: http.client.HTTPConnection | None = None, **payload: Any) -> Any:
        """Publish one event; the details of the answer."""
        connection = connection or self._connection
        body = json.dumps({"topic": topic, "payload": payload})
        connection.request("POST", "/events", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        told = json.loads(answer.read())
        assert answer.status == 202, told
        return told["details"]


def main() -> None:
    """Print the tables."""
    asked = arguments(__doc__, events={"type": int, "default": 1500}, trickle={"type": int, "default": 60})
    rates: list[Row] = []
    late: list[Row] = []
    for database in asked.database:
        with stage(database) as scene:
            web = Web(scene)
            rates += [_rate(web, database, threads, asked.events) for threads in (1, 4)]
            late += [_delivered(web, database, count, asked.trickle) for count in SUBSCRIBERS]
            late.insert(0, _started(scene, web, database, asked.trickle))
    table(["events published over HTTP", "database", "n", "a second"], rates)
    table(["publish →, ms", "database", "n", "p50", "p99", "most", "met"], late)


def _rate(web: Web, database: str, threads: int, count: int) -> Row:
    def work() -> None:
        connection = web.connection()
        for number in range(count // threads):
            web.publish("bench.rate", connection, n=number)

    workers = [threading.Thread(target=work) for _ in range(threads)]
    began = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return f"{threads} at a time", database, count, count / (time.perf_counter() - began)


def _started(scene: Stage, web: Web, database: str, count: int) -> Row:
    """From the sending of an event to the beginning of the first step of the run that it starts."""
    scene.start("-m", "bench.hands")
    task = make_task(steps=1, schedule_kind="event", schedule_expr="bench.start", overlap="allow")
    store(scene.units, [task])
    with scene.units() as unit:
        unit.events.triggers_changed()
    sent: dict[str, float] = {}
    web.again()
    for number in range(count + 10):
        moment = time.time()
        event = web.publish("bench.start", n=number)
        if number >= 10:  # the first ones meet a worker that is still importing
            sent[event["event_id"]] = moment
        time.sleep(GAP if number >= 10 else 0.5)
    where = RunFilter(task_id=task.id, status=("succeeded",))
    until(scene, lambda: _runs(scene, where).total == count + 10, "the runs")
    found = [(run, run.event["id"]) for run in _runs(scene, where).items]
    took = [(_first_step(scene, run.id) - sent[identity]) * 1000 for run, identity in found if identity in sent]
    return "first step started", database, len(took), *_spread(took), ""


def _runs(scene: Stage, where: RunFilter) -> Any:
    time.sleep(0.2)
    with scene.units(read_only=True) as unit:
        return unit.runs.page(where, limit=200, offset=0)


def _first_step(scene: Stage, run_id: str) -> float:
    with scene.units(read_only=True) as unit:
        steps = [record for record in unit.runs.journal(run_id) if record.kind == "step"]
    return datetime.fromisoformat(steps[0].body["started_at"]).timestamp()


def _delivered(web: Web, database: str, subscribers: int, count: int) -> Row:
    """From the sending of an event to the moment when each listener has it."""
    topic = f"bench.s{subscribers}"
    with _listening(web.port, topic, subscribers) as (arrived, ready):
        wait_for(ready, seconds=60, what="the listeners")
        time.sleep(0.7)
        web.again()
        for number in range(count):
            web.publish(topic, sent=time.perf_counter(), n=number)
            time.sleep(GAP)
        wait_for(lambda: len(arrived) >= subscribers * count, seconds=30, what="the last delivery")
    goal = {1: ("p50", 5.0), 100: ("p99", 15.0)}.get(subscribers)
    p50, p99, most = _spread(arrived)
    met: object = "" if goal is None else {"p50": p50, "p99": p99}[goal[0]] <= goal[1]
    return f"delivered to {subscribers}", database, len(arrived), p50, p99, most, met


@contextmanager
def _listening(port: int, topic: str, count: int) -> Iterator[tuple[list[float], Any]]:
    """Open so many streams; the milliseconds of each delivery, and whether all streams are open."""
    arrived: list[float] = []
    opened: set[int] = set()
    over = threading.Event()
    selector = selectors.DefaultSelector()
    sockets = [socket.create_connection(("127.0.0.1", port)) for _ in range(count)]
    for one in sockets:
        one.sendall(f"GET /events/stream?topic={topic} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        selector.register(one, selectors.EVENT_READ)

    def read() -> None:
        while not over.is_set():
            ready = selector.select(0.2)
            now = time.perf_counter()
            for key, _ in ready:
                _take(key.fileobj, now, arrived, opened)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield arrived, lambda: len(opened) == count
    finally:
        over.set()
        reader.join()
        selector.close()
        for one in sockets:
            one.close()


def _take(stream: Any, now: float, arrived: list[float], opened: set[int]) -> None:
    # An event is small and sent whole: nothing is split here.
    for line in stream.recv(65536).split(b"\n"):
        if line.startswith(b"data: "):
            arrived.append((now - json.loads(line[6:])["payload"]["sent"]) * 1000)
        elif line.startswith(b": ok"):
            opened.add(stream.fileno())


def _spread(values: Sequence[float]) -> tuple[float, float, float]:
    return median(values), quantile(values, 0.99), max(values)


if __name__ == "__main__":
    main()
