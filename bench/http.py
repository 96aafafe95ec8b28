"""Requests a second of the real web process against a bare Flask view that returns the same bytes.

Both run under gunicorn, gthread, one worker, the same number of threads, and take turns; `wrk` loads each with 16
connections. Ours counts metrics, asks for a token (`ORDINAUT_AUTH=jwt`; `--auth off` does without) and has rate limits,
set too high to refuse. The bare view builds the same answer with Flask's own JSON.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flask import Flask, Response, jsonify, request

from bench.stage import Stage, arguments, make_task, median, stage, store, table, until
from tests.servers import free_port

THREADS = 64
ROUNDS = 3
GOALS = {"GET /health/live": 0.45, "GET /tasks": 0.45, "POST /tasks": 0.15}
BODY = {
    "title": "bench",
    "schedule_kind": "cron",
    "schedule_expr": "0 4 * * *",
    "payload": {"pipeline": [{"id": "s", "uses": "data.set", "with": {"value": 1}}]},
}


def bare() -> Flask:
    """The peer: what each of our views answers, and nothing else."""
    app = Flask("bare")
    answers = json.loads(Path(os.environ["BENCH_ANSWERS"]).read_text())

    def answer(name: str) -> Callable[[], Response]:
        return lambda: jsonify(answers[name])

    def create() -> tuple[Response, int]:
        request.get_json()
        return jsonify(answers["POST /tasks"]), 201

    app.add_url_rule("/health/live", "live", answer("GET /health/live"))
    app.add_url_rule("/tasks", "list", answer("GET /tasks"))
    app.add_url_rule("/tasks", "create", create, methods=["POST"])
    return app


class Loader:
    """`wrk` and the sides it loads: a name and a base address each."""

    def __init__(self, scene: Stage, seconds: int, bearer: str) -> None:
        self._seconds = seconds
        self._bearer = bearer
        self._script = scene.folder / "post.lua"
        self._script.write_text(
            f'wrk.method = "POST"\nwrk.body = [[{json.dumps(BODY)}]]\n'
            'wrk.headers["Content-Type"] = "application/json"\n'
        )

    def load(self, base: str, name: str) -> tuple[float, float, float]:
        """See `loaded`."""
        method, path = name.split()
        more = ["-H", f"Authorization: Bearer {self._bearer}"] if self._bearer else []
        more += ["-s", str(self._script)] if method == "POST" else []
        return loaded(base + path, self._seconds, 16, *more)


def loaded(url: str, seconds: int, connections: int, *more: str) -> tuple[float, float, float]:
    """Requests a second, p50 and p99 in ms, under `wrk`; answers that are no success end the bench."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", *more, url]
    text = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout
    assert "Non-2xx" not in text and "Socket errors" not in text, text
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1])  # type: ignore[index]
    return rate, _milliseconds(text, "50%"), _milliseconds(text, "99%")


def _milliseconds(text: str, share: str) -> float:
    found = re.search(rf"{share}\s+([\d.]+)(us|ms|s)", text)
    assert found, text
    return float(found[1]) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[found[2]]


def ask(base: str, method: str, path: str, body: Any = None, *, bearer: str = "") -> Any:
    """The JSON that a request is answered with."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    if bearer:
        headers["Authorization"] = f"Bearer {bearer}"
    asked = urllib.request.Request(base + path, data=data, method=method, headers=headers)
    with urllib.request.urlopen(asked, timeout=10) as answer:
        return json.load(answer)


def answers_at(base: str) -> bool:
    """Whether somebody serves there."""
    try:
        return bool(ask(base, "GET", "/health/live"))
    except OSError:
        return False


def _log_in(scene: Stage, base: str, auth: str) -> str:
    """An access token of a new admin; none where nobody asks for one."""
    if auth == "off":
        return ""
    command = [sys.executable, "bin/ordinaut", "agent", "create", "bench", "--json"]
    made = subprocess.run(command, env=scene.env | {"ORDINAUT_AUTH": auth}, check=True, capture_output=True, timeout=60)
    shown = {name: json.loads(made.stdout)[name] for name in ("agent_id", "agent_secret")}
    return str(ask(base, "POST", "/agents/auth/token", shown)["access_token"])


def _sides(scene: Stage, auth: str) -> tuple[dict[str, str], str]:
    """Start both; their addresses, and the token for ours."""
    ports = {"ours": free_port(), "bare": free_port()}
    store(scene.units, [make_task(schedule_kind="manual", tags=("a", "b"), title=f"Task {n}") for n in range(200)])
    scene.start(
        *("bin/ordinaut", "web"),
        PORT=str(ports["ours"]),
        ORDINAUT_AUTH=auth,
        ORDINAUT_RATE_LIMIT="1000000/minute",
        ORDINAUT_WEB_THREADS=str(THREADS),
        LOG_LEVEL="INFO",
    )
    sides = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
    until(scene, lambda: answers_at(sides["ours"]), "our web process")
    bearer = _log_in(scene, sides["ours"], auth)
    answers = {}
    for name in GOALS:
        method, path = name.split()
        answers[name] = ask(sides["ours"], method, path, BODY if method == "POST" else None, bearer=bearer)
    (scene.folder / "answers.json").write_text(json.dumps(answers))
    scene.start(
        *("-m", "gunicorn", "--worker-class", "gthread", "--workers", "1", "--threads", str(THREADS)),
        *("--bind", f"127.0.0.1:{ports['bare']}", "--keep-alive", "5", "--log-level", "warning", "bench.http:bare()"),
        BENCH_ANSWERS=str(scene.folder / "answers.json"),
    )
    until(scene, lambda: answers_at(sides["bare"]), "the bare view")
    return sides, bearer


def main() -> None:
    """Print the table."""
    asked = arguments(
        __doc__,
        seconds={"type": int, "default": 2, "help": "length of each load"},
        auth={"choices": ("jwt", "off"), "default": "jwt", "help": "whether our side asks who is calling"},
    )
    if shutil.which("wrk") is None:
        sys.exit("This bench needs wrk: apt-get install wrk")
    rows: list[tuple[object, ...]] = []
    for database in asked.database:
        with stage(database) as scene:
            sides, bearer = _sides(scene, asked.auth)
            loader = Loader(scene, asked.seconds, bearer)
            for name, goal in GOALS.items():
                rows.append((name, database, *_compare(loader, sides, name, goal)))
    head = ["request", "database", "ours/s", "bare/s", "ratio", "goal", "p99 ms", "bare p99 ms", "p99 ratio", "met"]
    table(head, rows)


def _compare(loader: Loader, sides: dict[str, str], name: str, goal: float) -> tuple[object, ...]:
    seen: dict[str, list[tuple[float, float, float]]] = {side: [] for side in sides}
    for _ in range(ROUNDS):
        for side, base in sides.items():
            seen[side].append(loader.load(base, name))
    (ours, _, late), (theirs, _, their_late) = (
        [median(values) for values in zip(*seen[side], strict=True)] for side in ("ours", "bare")
    )
    ratio, late_ratio = ours / theirs, late / their_late
    return ours, theirs, ratio, goal, late, their_late, late_ratio, ratio >= goal and late_ratio <= 3


if __name__ == "__main__":
    main()
