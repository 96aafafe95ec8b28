"""Random faults under the standard workload, then every promise is checked against the books.

`python -m bench.chaos --minutes 2 --seed 7 --database postgresql` prints what it did and ends with OK or FAILED.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil
import redis

from bench.invariants import Evidence, broken, latencies
from bench.workload import Clients, create_tasks
from tests.faults.stack import LEASE, Stack
from tests.faults.target import effect_target
from tests.servers import Databases, PostgresServer, ValkeyServer

PROGRAMS = ("web", "worker", "worker-2", "beat", "beat-2")
DRAIN_SECONDS = 90


class Chaos:
    """Does harm and mends it, one fault at a time, in an order that the seed decides."""

    def __init__(self, stack: Stack, valkey: ValkeyServer, postgres: PostgresServer | None, seed: int) -> None:
        self.done: Counter[str] = Counter()
        self.away: list[tuple[float, float]] = []
        self.died: list[str] = []
        self._stack = stack
        self._valkey = valkey
        self._postgres = postgres
        self._random = random.Random(seed)
        self._faults: list[Callable[[], str]] = [
            *[self._kill_child] * 3,
            *[self._kill_program] * 5,
            *[self._freeze_program] * 4,
            self._kill_valkey,
            self._freeze_valkey,
            self._flush_valkey,
        ]
        if postgres is not None:
            self._faults += [self._kill_postgres, self._kill_postgres, self._freeze_postgres]

    def until(self, moment: float) -> None:
        """Faults until then (unix time); everything runs again afterwards."""
        while time.time() < moment:
            name = self._random.choice(self._faults)()
            self.done[name] += 1
            print(f"{time.strftime('%H:%M:%S')} {name}", flush=True)
            self._stack.start(*PROGRAMS)
            self._pause(0.5, 2.5)
            self.supervise()

    def supervise(self) -> None:
        """Start again what has ended by itself, and remember it."""
        for name, program in self._stack.programs.items():
            if not program.running:
                assert program.process is not None
                self.died.append(f"{name} ended by itself with {program.process.returncode}")
                self._stack.start(name)

    def _pause(self, least: float, most: float) -> None:
        time.sleep(self._random.uniform(least, most))

    def _program(self) -> str:
        return self._random.choice(PROGRAMS)

    def _kill_child(self) -> str:
        program = self._stack.programs[self._random.choice(("worker", "worker-2"))]
        children = sorted(program.children(), key=lambda child: child.pid)
        if children:
            with suppress(psutil.NoSuchProcess):
                self._random.choice(children).kill()
        return "kill -9 pool process"

    def _kill_program(self) -> str:
        name = self._program()
        self._stack.kill(name)
        self._pause(0, 2)
        return f"kill -9 {name}"

    def _freeze_program(self) -> str:
        name = self._program()
        self._stack.freeze(name)
        self._pause(0.5, LEASE + 3)
        self._stack.thaw(name)
        return f"SIGSTOP {name}"

    def _kill_valkey(self) -> str:
        self._valkey.kill()
        self._pause(0, 4)
        self._valkey.start()
        return "kill -9 valkey"

    def _freeze_valkey(self) -> str:
        self._valkey.pause()
        self._pause(0.5, 6)
        self._valkey.resume()
        return "SIGSTOP valkey"

    def _flush_valkey(self) -> str:
        with redis.Redis.from_url(self._valkey.url, socket_timeout=2) as client, suppress(redis.RedisError):
            client.flushall()
        return "FLUSHALL"

    def _kill_postgres(self) -> str:
        assert self._postgres is not None
        began = time.time()
        self._postgres.kill()
        self._pause(0, 3)
        self._postgres.restart()
        self.away.append((began, time.time()))
        return "kill -9 postgresql"

    def _freeze_postgres(self) -> str:
        assert self._postgres is not None
        began = time.time()
        postmaster = psutil.Process(self._postgres.pid)
        frozen = [postmaster, *postmaster.children(recursive=True)]
        _signal(frozen, signal.SIGSTOP)
        self._pause(0.5, 5)
        _signal(frozen, signal.SIGCONT)
        self.away.append((began, time.time()))
        return "SIGSTOP postgresql"


def _signal(processes: list[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process.pid, number)


def drained(stack: Stack, chaos: Chaos) -> bool:
    """Wait until every task has completed its schedule and every run has ended."""
    deadline = time.monotonic() + DRAIN_SECONDS
    while time.monotonic() < deadline:
        chaos.supervise()
        active = stack.query("SELECT count(*) FROM tasks WHERE next_due_at IS NOT NULL")
        left = stack.query("SELECT count(*) FROM runs WHERE finished_at IS NULL")
        if active == left == [(0,)]:
            return True
        time.sleep(0.5)
    return False


def report(evidence: Evidence, chaos: Chaos, problems: list[str]) -> None:
    """Print what happened."""
    stack, heard = evidence.stack, evidence.heard
    print("faults     ", sum(chaos.done.values()), dict(sorted(chaos.done.items())))
    print("slots      ", sum(len(task.slots()) for task in evidence.tasks.ticking), "due;", end=" ")
    print(dict(stack.query("SELECT outcome, count(*) FROM occurrences GROUP BY outcome ORDER BY outcome")))
    print(
        "runs       ", dict(stack.query("SELECT status, count(*) FROM runs GROUP BY status ORDER BY status")), end=" "
    )
    print("attempts lost", stack.query("SELECT sum(attempt - 1) FROM runs WHERE attempt > 1")[0][0] or 0)
    calls = evidence.target.calls()
    print("effects    ", len(calls), "calls of", len({call.key for call in calls}), "steps")
    fenced = sum(one.text().count("run.fenced") + one.text().count("run.lost") for one in stack.programs.values())
    print("fenced     ", fenced, "commits of workers whose lease had passed on")
    print("API        ", dict(sorted(heard.statuses.items())), heard.broken, "connections broken;", end=" ")
    print(len(heard.tasks), "tasks and", len(heard.runs), "runs acknowledged")
    print("streams    ", len(heard.streams), "read to their end with", heard.reconnects, "reconnections")
    seconds = latencies(stack)
    if seconds:
        p50, p99 = seconds[len(seconds) // 2], seconds[int(len(seconds) * 0.99)]
        print(f"slot→start  p50 {p50:.2f} s, p99 {p99:.2f} s, max {seconds[-1]:.2f} s")
    waited = stack.query("SELECT count(*) FROM runs WHERE part IS NOT NULL")[0][0]
    print("kin        ", waited, "parts;", stack.query("SELECT count(*) FROM events")[0][0], "events")
    print("restarted  ", chaos.died or "nothing but what was killed")
    for problem in problems[:40]:
        print("PROBLEM    ", problem)
    print("FAILED" if problems else "OK", flush=True)


def run(options: argparse.Namespace, folder: Path, cleanup: ExitStack) -> bool:
    """One chaos run in a folder; whether every promise was kept."""
    valkey = ValkeyServer(folder / "valkey").start()
    cleanup.callback(valkey.kill)
    target = cleanup.enter_context(effect_target())
    databases, postgres = Databases(folder), None
    if options.database == "sqlite":
        url = databases.sqlite(folder / "ordinaut.db")
    else:
        postgres = PostgresServer()
        cleanup.callback(postgres.stop)
        url = postgres.url(databases.postgresql(postgres))
    stack = Stack(folder / "stack", database_url=url, redis_url=valkey.url)
    cleanup.callback(stack.stop)
    stack.start(*PROGRAMS).ready()
    chaos, clients = Chaos(stack, valkey, postgres, options.seed), Clients(stack, target)
    seconds = options.minutes * 60
    tasks = create_tasks(stack, target, seconds)
    clients.start()
    chaos.until(time.time() + seconds)
    stack.ready()
    finished = clients.stop(DRAIN_SECONDS)
    problems = [] if finished else ["the clients did not come to an end"]
    problems += [] if drained(stack, chaos) else ["not everything ended while draining"]
    evidence = Evidence(stack=stack, target=target, tasks=tasks, heard=clients.heard, away=chaos.away)
    problems += broken(evidence)
    report(evidence, chaos, problems)
    return not problems


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=2)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="ordinaut-chaos-"))
    print(f"seed {options.seed}, {options.minutes:g} minutes on {options.database}; logs in {folder}", flush=True)
    with ExitStack() as cleanup:
        kept = run(options, folder, cleanup)
    if kept:
        shutil.rmtree(folder, ignore_errors=True)
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
