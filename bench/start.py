"""Memory at rest, the second start, and the import of the web process.

`bin/up` as it comes (SQLite, an embedded Valkey), started twice on one folder: the second start is timed until it says
that it is ready. Memory is the PSS (shared pages divided among those who share them) and the RSS of each process, five
seconds later. The peer is a Celery worker of two processes that knows one no-op.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import psutil

from bench.peer import Peer
from bench.stage import Stage, arguments, end, median, stage, table
from tests.servers import REPOSITORY, free_port, wait_for

REST_SECONDS = 5
GOALS_MB = {"web": 90, "worker child": 90, "beat": 80, "all of bin/up": 450}


def _memory(process: psutil.Process) -> tuple[float, float]:
    """PSS and RSS in MB."""
    text = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
    kilobytes = {line.split(":")[0]: int(line.split()[1]) for line in text.splitlines()[1:] if line.endswith("kB")}
    return kilobytes["Pss"] / 1024, kilobytes["Rss"] / 1024


def _name(process: psutil.Process) -> str:
    """What a process of `bin/up` is, by its own command line and its parent's."""
    words = process.cmdline()
    parent = process.parent()
    for program in ("web", "worker", "beat", "up"):
        if words[-1:] == [program] and words[0] != "/bin/sh":
            inner = parent is not None and parent.cmdline() == words
            return {("web", True): "web", ("web", False): "web master", ("worker", True): "worker child"}.get(
                (program, inner), program
            )
    if "valkey" in words[0]:
        return "valkey"
    return "guardian, shells"


def _bytecode(folder: Path) -> dict[str, str]:
    """This environment, in which Python keeps what it has compiled, in a folder of the bench's own."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return env | {"PYTHONPYCACHEPREFIX": str(folder / "bytecode")}


def _up(home: Path) -> tuple[subprocess.Popen[bytes], float, int]:
    """Start it; the process, the seconds until it was ready, and its port."""
    port, began = free_port(), time.monotonic()
    env = _bytecode(home.parent) | {"ORDINAUT_HOME": str(home), "PORT": str(port), "LOG_LEVEL": "INFO"}
    process = subprocess.Popen(
        ["bin/up"], cwd=REPOSITORY, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_for(lambda: _ready(port), seconds=60, what="bin/up to be ready")
    except AssertionError:
        end(process)
        raise
    return process, time.monotonic() - began, port


def _ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=1) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _rest(process: subprocess.Popen[bytes]) -> dict[str, list[tuple[float, float]]]:
    time.sleep(REST_SECONDS)
    found: dict[str, list[tuple[float, float]]] = {}
    top = psutil.Process(process.pid)
    for one in [top, *top.children(recursive=True)]:
        found.setdefault(_name(one), []).append(_memory(one))
    return found


def _imports(module: str, folder: Path) -> float:
    """Seconds that a new interpreter takes to import it, less those that it takes to start."""

    def seconds(code: str) -> float:
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, env=_bytecode(folder), check=True, timeout=30)
        return time.perf_counter() - began

    seconds(f"import {module}")
    return median([seconds(f"import {module}") - seconds("pass") for _ in range(5)])


def _peer(scene: Stage) -> float:
    """PSS in MB of a child of a Celery worker that knows one no-op."""
    peer = Peer(scene)
    assert peer.name
    time.sleep(REST_SECONDS)
    children = psutil.Process(scene.programs[-1].pid).children()
    return max(_memory(child)[0] for child in children)


def main() -> None:
    """Print the tables."""
    arguments(__doc__)
    with stage("sqlite") as scene:
        peer = _peer(scene)
    with tempfile.TemporaryDirectory(prefix="ordinaut-bench-") as folder:
        starts = []
        for _ in range(3):
            process, seconds, _ = _up(Path(folder) / "home")
            starts.append(seconds)
            if len(starts) < 3:
                process.send_signal(signal.SIGTERM)
                process.wait(30)
        try:
            found = _rest(process)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)
        web = _imports("app.wsgi", Path(folder))
        libraries = _imports("celery, flask, sqlalchemy", Path(folder))
    found["all of bin/up"] = [
        (sum(one[0] for part in found.values() for one in part), sum(one[1] for part in found.values() for one in part))
    ]
    rows = []
    for name, values in found.items():
        pss, rss = max(values)
        goal = GOALS_MB.get(name)
        rows.append((name, len(values), pss, rss, goal or "", "" if goal is None else pss <= goal))
    table(["at rest", "processes", "PSS MB", "RSS MB", "goal MB", "met"], rows)
    print(f"(a child of a bare Celery worker in the same minutes: PSS {peer:.1f} MB)\n")
    later = median(starts[1:])
    table(
        ["what", "seconds", "goal", "met"],
        [
            ("first bin/up → ready", starts[0], "", ""),
            ("second and third bin/up → ready", later, 5, later <= 5),
            ("import app.wsgi", web, 1.0, web <= 1.0),
            ("import celery, flask, sqlalchemy", libraries, "", ""),
        ],
    )


if __name__ == "__main__":
    main()
