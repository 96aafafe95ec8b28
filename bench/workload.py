"""The standard workload of the chaos run: tasks that fire each second or two, an API client, a reader of streams."""

from __future__ import annotations

import json
import queue
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import requests

from tests.faults.stack import Stack
from tests.faults.target import Target

TASKS = 20
TOPIC = "chaos.tick"
API_PAUSE = 1.0


@dataclass(frozen=True, slots=True)
class Ticking:
    """A task that fires every `period` seconds from `start` (not included) to `end` (not included), unix time."""

    id: str
    period: int
    start: float
    end: float
    steps: tuple[str, ...]
    """Ids of its steps that call the target."""

    def slots(self) -> list[int]:
        """Every nominal time there must be, in microseconds: whole seconds that the period divides."""
        first = int(self.start) // self.period * self.period
        seconds = range(first, int(self.end) + self.period + 1, self.period)
        return [second * 1_000_000 for second in seconds if self.start < second < self.end]


@dataclass(slots=True)
class Heard:
    """What the clients were told.

    Attributes:
        statuses: How often each status came.
        errors: `(unix time, status, what was asked, beginning of the body)` of every 5xx.
        tasks: Ids of acknowledged tasks by title.
        unclear: How often the creation of a title ended without a clear answer.
        runs: Ids of acknowledged runs, `(task id, key)` -> run id.
        contradictions: Sentences about answers that contradict earlier ones.
        streams: Numbers of the records each stream brought, by run id, once it came to its end.
    """

    statuses: Counter[int] = field(default_factory=Counter)
    errors: list[tuple[float, int, str, str]] = field(default_factory=list)
    broken: int = 0
    tasks: dict[str, str] = field(default_factory=dict)
    unclear: Counter[str] = field(default_factory=Counter)
    runs: dict[tuple[str, str], str] = field(default_factory=dict)
    contradictions: list[str] = field(default_factory=list)
    streams: dict[str, list[int]] = field(default_factory=dict)
    reconnects: int = 0

    def note(self, answer: requests.Response, asked: str) -> None:
        """Count an answer."""
        self.statuses[answer.status_code] += 1
        if answer.status_code >= 500:
            self.errors.append((time.time(), answer.status_code, asked, answer.text[:300]))


def effect(target: Target, name: str, path: str) -> dict[str, Any]:
    """A step that calls the target."""
    return {"id": name, "uses": "http.request", "with": {"method": "POST", "url": target.url(path)}}


ITEMS = 4


@dataclass(frozen=True, slots=True)
class Tasks:
    """The tasks of the workload.

    Attributes:
        ticking: Those that fire by the clock.
        others: What events and other runs start; steps that call the target, by task id.
        teller: The task whose runs publish an event each.
        listener: The task that each of these events starts once.
        caller, child: A task whose runs wait for one run each of another.
    """

    ticking: tuple[Ticking, ...]
    others: Mapping[str, tuple[str, ...]]
    teller: str
    listener: str
    caller: str
    child: str


def pipeline_of(number: int, target: Target, child: str) -> list[dict[str, Any]]:
    """Some fail, have effects, sleep, go through a list, branch, publish, wait for events or for other runs."""
    match number:
        case 1:
            return [effect(target, "refused", "/status/400")]
        case 6:
            return [{"id": "tell", "uses": "events.publish", "with": {"topic": TOPIC, "payload": {"run": "${run.id}"}}}]
        case 7:
            return [{"id": "call", "uses": "tasks.run", "with": {"task_id": child}}, effect(target, "after", "/ok")]
        case 8:
            waits = {"topic": TOPIC, "timeout_seconds": 20, "on_timeout": "continue"}
            return [{"id": "hear", "uses": "flow.wait_event", "with": waits}, effect(target, "after", "/ok")]
        case 9:
            branches = [[effect(target, name, "/ok")] for name in ("left", "right")]
            return [{"id": "both", "parallel": branches}]
        case 2 | 12:
            nap = {"id": "nap", "uses": "flow.sleep", "with": {"seconds": 1}}
            return [effect(target, "before", "/ok"), nap, effect(target, "after", "/ok")]
        case 4 | 14:
            return [{**effect(target, "each", "/ok"), "foreach": list(range(ITEMS)), "max_parallel": number // 4}]
        case 0 | 5 | 10 | 15:
            return [effect(target, "first", "/ok"), effect(target, "second", "/slow/0.4")]
        case _:
            return [{"id": "line", "uses": "log.write", "with": {"message": "tick"}}]


def effects_of(pipeline: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The names under which a run of this pipeline calls the target."""
    for step in pipeline:
        for branch in step.get("parallel", ()):
            yield from effects_of(branch)
        if step.get("uses") == "http.request":
            names = [f"{step['id']}[{index}]" for index in range(len(step["foreach"]))] if "foreach" in step else []
            yield from names or [step["id"]]


def create_tasks(stack: Stack, target: Target, seconds: float) -> Tasks:
    """The twenty tasks that fire, which end by themselves after so many seconds, and those that they start."""
    end = float(int(time.time() + seconds))
    ends_at = datetime.fromtimestamp(end, UTC).isoformat().replace("+00:00", "Z")
    child = stack.task([effect(target, "inner", "/ok")], max_retries=10)
    by_event = {"schedule_kind": "event", "schedule_expr": TOPIC, "overlap": "allow"}
    listener = stack.task([effect(target, "heard", "/ok")], max_retries=10, **by_event)
    made = []
    for number in range(TASKS):
        period = 1 + number % 2
        pipeline = pipeline_of(number, target, child)
        task_id = stack.task(
            pipeline,
            schedule_kind="cron",
            schedule_expr="* * * * * *" if period == 1 else "*/2 * * * * *",
            overlap="skip" if number % 7 == 3 else "allow",
            misfire="all",
            catchup_max=1000,
            max_retries=10,
            ends_at=ends_at,
        )
        created = stack.get(f"/tasks/{task_id}")["created_at"]
        start = datetime.fromisoformat(created.replace("Z", "+00:00")).timestamp()
        made.append(Ticking(task_id, period, start, end, tuple(effects_of(pipeline))))
    return Tasks(
        ticking=tuple(made),
        others={child: ("inner",), listener: ("heard",)},
        teller=made[6].id,
        listener=listener,
        caller=made[7].id,
        child=child,
    )


class Clients:
    """The API client and the reader of streams, in threads of their own until `stop`."""

    def __init__(self, stack: Stack, target: Target) -> None:
        self.heard = Heard()
        self._stack = stack
        self._target = target
        self._stopping = threading.Event()
        self._to_read: queue.Queue[str] = queue.Queue()
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._write, self._read)]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self, seconds: float) -> bool:
        """Let both finish what they have begun; False when that took too long."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(seconds)
        return not any(thread.is_alive() for thread in self._threads)

    def _write(self) -> None:
        number = 0
        while not self._stopping.wait(API_PAUSE):
            number += 1
            task_id = self._create(f"api-{number}")
            run_id = self._run(task_id, f"key-{number}")
            if self._run(task_id, f"key-{number}") != run_id:
                self.heard.contradictions.append(f"key-{number} gave two runs")
            self._to_read.put(run_id)

    def _create(self, title: str) -> str:
        pipeline = [effect(self._target, "wait", "/slow/0.3"), effect(self._target, "done", "/ok")]
        body = {
            "title": title,
            "schedule_kind": "manual",
            "max_retries": 10,
            "backoff_seconds": 0,
            "payload": {"params": {}, "pipeline": pipeline},
        }
        answer = self._until_answered("/tasks", body, title)
        self.heard.tasks[title] = str(answer["id"])
        return str(answer["id"])

    def _run(self, task_id: str, key: str) -> str:
        answer = self._until_answered(f"/tasks/{task_id}/run_now", {"idempotency_key": key})
        self.heard.runs[task_id, key] = str(answer["run_id"])
        return str(answer["run_id"])

    def _until_answered(self, path: str, body: Mapping[str, Any], title: str = "") -> dict[str, Any]:
        """Ask again on any error, as a careful client does."""
        while True:
            try:
                answer = self._stack.request("POST", path, json=body, timeout=15)
            except requests.RequestException:
                self.heard.broken += 1
            else:
                self.heard.note(answer, f"POST {path}")
                if answer.status_code in (201, 202):
                    found: dict[str, Any] = answer.json()
                    return found
            self.heard.unclear[title] += 1
            time.sleep(0.2)

    def _read(self) -> None:
        while not (self._stopping.is_set() and self._to_read.empty() and not self._threads[0].is_alive()):
            try:
                run_id = self._to_read.get(timeout=0.5)
            except queue.Empty:
                continue
            numbers: list[int] = []
            while not self._read_on(run_id, numbers):
                self.heard.reconnects += 1
                time.sleep(0.2)
            self.heard.streams[run_id] = numbers

    def _read_on(self, run_id: str, numbers: list[int]) -> bool:
        """Read until the end (True) or until the connection breaks."""
        headers = {"Last-Event-ID": str(numbers[-1])} if numbers else {}
        url = f"http://127.0.0.1:{self._stack.port}/runs/{run_id}/stream"
        try:
            with requests.get(url, headers=headers, stream=True, timeout=15) as answer:
                if answer.status_code == 200:
                    return take(answer.iter_lines(), numbers)
                self.heard.note(answer, f"GET {url}")
        except requests.RequestException:
            pass
        return False


def take(lines: Iterator[bytes], numbers: list[int]) -> bool:
    """Add the numbers of the records that come; whether the end came too."""
    for number, event in events(lines):
        if event == "end":
            return True
        numbers.append(number)
    return False


def events(lines: Iterator[bytes]) -> Iterator[tuple[int, str]]:
    """`(id, event)` of each whole event; -1 for one without an id. A cut one is left out."""
    number, event, data = -1, "", ""
    for line in lines:
        name, _, value = line.decode().partition(": ")
        if not line and event:
            json.loads(data)
            yield number, event
            number, event, data = -1, "", ""
        elif name == "id":
            number = int(value)
        elif name == "event":
            event = value
        elif name == "data":
            data = value
