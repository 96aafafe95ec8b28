"""What the protocol of assistants costs, both ways.

Server: `tools/call` of `preview_schedule` at `/mcp` beside a bare Flask view that returns the same bytes, both under
gunicorn with one worker, in turns, loaded by `wrk` with one and with 16 connections. Client: calls of a tool that
answers at once through the workers' pool, over pipes and over HTTP, beside the official client on one open session.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import requests
from flask import Flask, Response, request
from mcp import StdioServerParameters
from mcp.client import Client

from app.domain.mcp import RemoteCall, Server
from app.tools.mcp_pool import Pool
from bench.http import THREADS, answers_at, loaded
from bench.stage import Stage, arguments, end, median, stage, table, until
from tests.servers import REPOSITORY, free_port, wait_for

FAKE = str(REPOSITORY / "tests" / "fakes" / "mcp_server.py")
VERSION = "2026-07-28"
ROUNDS, CALLS = 3, 200
META = {
    "io.modelcontextprotocol/protocolVersion": VERSION,
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1"},
}
CALL = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {"name": "preview_schedule", "arguments": {"schedule": "0 9 * * *"}, "_meta": META},
}
HEADERS = {
    "Content-Type": "application/json",
    "Accept": "application/json, text/event-stream",
    "MCP-Protocol-Version": VERSION,
    "Mcp-Method": "tools/call",
    "Mcp-Name": "preview_schedule",
}


def bare() -> Flask:
    """The peer: the same bytes, and nothing else."""
    app = Flask("bare")
    body = Path(os.environ["BENCH_ANSWERS"]).read_bytes()

    @app.post("/mcp")
    def mcp() -> Response:
        request.get_json()
        return Response(body, mimetype="application/json")

    app.add_url_rule("/health/live", "live", lambda: {"status": "alive"})
    return app


def _served(scene: Stage, seconds: int) -> list[tuple[object, ...]]:
    """Requests a second and their times, by the number of connections."""
    ours, theirs = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
    more = dict.fromkeys(("ORDINAUT_RATE_LIMIT", "ORDINAUT_MCP_RATE_LIMIT"), "1000000/minute")
    more["ORDINAUT_WEB_THREADS"] = str(THREADS)
    scene.start("bin/ordinaut", "web", PORT=ours.rpartition(":")[2], **more)
    until(scene, lambda: answers_at(ours), "our web process")
    answer = requests.post(f"{ours}/mcp", json=CALL, headers=HEADERS, timeout=20)
    assert not answer.json()["result"].get("isError"), answer.text
    (scene.folder / "answer.json").write_bytes(answer.content)
    scene.start(
        *("-m", "gunicorn", "--worker-class", "gthread", "--workers", "1", "--threads", str(THREADS)),
        *("--bind", theirs.rpartition("/")[2], "--log-level", "warning", "bench.assistants:bare()"),
        BENCH_ANSWERS=str(scene.folder / "answer.json"),
    )
    until(scene, lambda: answers_at(theirs), "the bare view")
    script = scene.folder / "call.lua"
    heads = "".join(f'wrk.headers["{name}"] = "{value}"\n' for name, value in HEADERS.items())
    script.write_text(f'wrk.method = "POST"\nwrk.body = [[{json.dumps(CALL)}]]\n{heads}')
    rows: list[tuple[object, ...]] = []
    for connections in (1, 16):
        seen: dict[str, list[tuple[float, float, float]]] = {ours: [], theirs: []}
        for _ in range(ROUNDS):
            for base, found in seen.items():
                found.append(loaded(f"{base}/mcp", seconds, connections, "-s", str(script)))
        mine, bare_ones = ([median(one) for one in zip(*found, strict=True)] for found in seen.values())
        rows.append((f"tools/call, {connections} at once", *mine, *bare_ones, mine[1] - bare_ones[1]))
    return rows


def _pooled(server: Server) -> tuple[float, float]:
    """Milliseconds of the first call, and of one of those that follow."""
    pool, call = Pool(), RemoteCall(tool="pid", arguments={}, seconds=20)
    times = []
    try:
        for _ in range(CALLS):
            began = time.perf_counter()
            pool.call(server, call)
            times.append((time.perf_counter() - began) * 1000)
    finally:
        pool.close()
    return times[0], median(times[1:])


async def _direct(where: Any) -> tuple[float, float]:
    """The same with the official client alone."""
    began, times = time.perf_counter(), []
    async with Client(where) as client:
        for _ in range(CALLS):
            await client.call_tool("pid", {})
            times.append((time.perf_counter() - began) * 1000)
            began = time.perf_counter()
    return times[0], median(times[1:])


def _called() -> list[tuple[object, ...]]:
    port = free_port()
    url = f"http://127.0.0.1:{port}/mcp"
    process = subprocess.Popen(
        [sys.executable, FAKE, "http", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_for(lambda: _listens(url), seconds=30, what="the server to listen")
        sides: dict[str, tuple[Server, Any]] = {
            "pipes": (
                Server(name="fake", where="bench", command=sys.executable, args=(FAKE,)),
                StdioServerParameters(command=sys.executable, args=[FAKE]),
            ),
            "HTTP": (Server(name="fake", where="bench", url=url), url),
        }
        rows: list[tuple[object, ...]] = []
        for name, (server, where) in sides.items():
            pairs = [(*_pooled(server), *asyncio.run(_direct(where))) for _ in range(ROUNDS)]
            first, later, their_first, their_later = (median(one) for one in zip(*pairs, strict=True))
            rows.append((name, first, later, their_first, their_later, later / their_later))
        return rows
    finally:
        end(process)


def _listens(url: str) -> bool:
    try:
        return bool(requests.get(url, timeout=2).status_code)
    except requests.RequestException:
        return False


def main() -> None:
    """Print both tables."""
    asked = arguments(__doc__, seconds={"type": int, "default": 2, "help": "length of each load"})
    if shutil.which("wrk") is None:
        sys.exit("This bench needs wrk: apt-get install wrk")
    rows: list[tuple[object, ...]] = []
    for database in asked.database:
        with stage(database) as scene:
            rows.extend((database, *row) for row in _served(scene, asked.seconds))
    head = ["database", "request", "ours/s", "p50 ms", "p99 ms", "bare/s", "bare p50 ms", "bare p99 ms", "p50 more, ms"]
    table(head, rows)
    table(["calls over", "first ms", "later ms", "client's first", "client's later", "ratio"], _called())


if __name__ == "__main__":
    main()
