"""The peer: a Celery worker of two prefork processes, with one task that only notes when it was called.

`defaults` is Celery as it comes (no result backend). `fastest` is the fastest prefork setting that PERFORMANCE.md
found: nothing is acknowledged, one message is fetched at a time, no events, no gossip. Calls are noted in memory that
the worker's processes share with the bench, which costs about a microsecond a call.
"""

from __future__ import annotations

import mmap
import os
import struct
import time
from pathlib import Path

from billiard import current_process
from celery import Celery
from celery.signals import worker_process_init

from bench.stage import Stage, client, until

NAME = "bench.noop"
SLOTS = 8
SPAN = 20_000
"""Doubles of each slot: how many calls, when the first and the last, then a latency for each while there is room."""


class Meter:
    """Calls as the worker's processes note them, each in a slot of its own."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(bytes(8 * SPAN * SLOTS))
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), 0)
        self._at = 0

    def take(self, slot: int) -> None:
        """Note into this slot from now on."""
        self._at = 8 * SPAN * (slot % SLOTS)

    def note(self, sent: float) -> None:
        """A call begins that was sent at `sent` (seconds since 1970)."""
        now = time.time()
        count, first, _ = struct.unpack_from("ddd", self._memory, self._at)
        if count < SPAN - 3:
            struct.pack_into("d", self._memory, self._at + 24 + 8 * int(count), now - sent)
        struct.pack_into("ddd", self._memory, self._at, count + 1, first if count else now, now)

    def clear(self) -> None:
        """Forget all calls; only while there are none."""
        for slot in range(SLOTS):
            struct.pack_into("d", self._memory, 8 * SPAN * slot, 0.0)

    def _slots(self) -> list[tuple[int, float, float, int]]:
        places = [8 * SPAN * slot for slot in range(SLOTS)]
        heads = [(*struct.unpack_from("ddd", self._memory, place), place) for place in places]
        return [(int(count), first, last, place) for count, first, last, place in heads if count]

    @property
    def count(self) -> int:
        """Calls so far."""
        return sum(count for count, *_ in self._slots())

    @property
    def seconds(self) -> float:
        """From the first call to the last."""
        slots = self._slots()
        return max(last for _, _, last, _ in slots) - min(first for _, first, _, _ in slots)

    @property
    def latencies(self) -> list[float]:
        """Seconds from sending to the start of the call."""
        read = [struct.unpack_from(f"{min(n, SPAN - 3)}d", self._memory, at + 24) for n, _, _, at in self._slots()]
        return [value for part in read for value in part]


def make(url: str, queue: str, *, fastest: bool) -> Celery:
    """The application in one of its two modes, sending to `queue`."""
    celery = Celery("peer", broker=url, set_as_current=False)
    celery.conf.update(task_default_queue=queue, broker_connection_retry_on_startup=True)
    if fastest:
        celery.conf.update(
            broker_transport_options={"ack_emulation": False},
            worker_prefetch_multiplier=1,
            task_ignore_result=True,
            worker_send_task_events=False,
            worker_enable_remote_control=False,
        )
    return celery


class Peer:
    """A running Celery worker and the means to give it work."""

    def __init__(self, scene: Stage, *, fastest: bool = False) -> None:
        self.name = "fastest" if fastest else "defaults"
        self.meter = Meter(scene.folder / self.name)
        self._scene = scene
        self._redis = client(scene)
        self._app = make(scene.valkey.url, self.name, fastest=fastest)
        self._stash = make(scene.valkey.url, f"{self.name}-stash", fastest=fastest)
        scene.start("-m", "bench.peer", BENCH_MODE=self.name, BENCH_FOLDER=str(scene.folder))
        self.send()
        self.wait(1)
        self.meter.clear()

    def send(self) -> None:
        """Send one message, as `Task.delay` does."""
        self._app.send_task(NAME, (time.time(),), ignore_result=True)

    def wait(self, count: int) -> None:
        """Wait until that many calls have begun."""
        until(self._scene, lambda: self.meter.count >= count, f"{count} calls of Celery ({self.name})")

    def prepare(self, count: int) -> None:
        """Make `count` messages in a queue that nobody listens to."""
        with self._stash.producer_or_acquire() as producer:
            for _ in range(count):
                self._stash.send_task(NAME, (0.0,), producer=producer, ignore_result=True)

    def rate(self) -> float:
        """Calls a second, all messages there at once: the prepared queue is copied and renamed."""
        self.meter.clear()
        count = int(self._redis.llen(f"{self.name}-stash"))
        self._redis.copy(f"{self.name}-stash", f"{self.name}-copy")
        self._redis.rename(f"{self.name}-copy", self.name)
        self.wait(count)
        return count / self.meter.seconds


def _serve(name: str, url: str, folder: Path) -> None:
    fastest = name == "fastest"
    celery, meter = make(url, name, fastest=fastest), Meter(folder / name)

    def begins(**_: object) -> None:
        meter.take(getattr(current_process(), "index", 0))

    worker_process_init.connect(begins, weak=False)
    celery.task(name=NAME, ignore_result=True)(meter.note)
    more = ["--without-gossip", "--without-mingle", "--without-heartbeat"] if fastest else []
    celery.worker_main(["worker", "--concurrency", "2", "--loglevel", "WARNING", *more])


if __name__ == "__main__":
    _serve(os.environ["BENCH_MODE"], os.environ["REDIS_URL"], Path(os.environ["BENCH_FOLDER"]))
