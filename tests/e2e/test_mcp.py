"""Assistants against real processes: the official client in its three modes, two web processes behind one address."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from tests.e2e.conftest import Instance
from tests.servers import wait_for

MODES = ["auto", "2026-07-28", "legacy"]
STEPS = [
    # Long enough for the first look at the run to find it under way: a run that is over has no progress to tell.
    {"id": "rest", "uses": "flow.sleep", "with": {"seconds": 2}},
    {"id": "greet", "uses": "data.set", "with": {"value": "Salut"}},
]


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """One installation with two web processes, which stops with exit code 0."""
    one = Instance(tmp_path_factory.mktemp("mcp") / "var", WEB_CONCURRENCY="2").start()
    try:
        yield one
        assert one.stop() == 0, one.output
    finally:
        one.clean()


def address(instance: Instance, path: str = "/mcp") -> str:
    return f"http://127.0.0.1:{instance.port}{path}"


async def data(client: Client, tool: str, **arguments: Any) -> Any:
    """The data of a call that succeeds."""
    found = await client.call_tool(tool, arguments)
    assert not found.is_error, found.content
    return found.structured_content


@pytest.mark.parametrize("mode", MODES)
def test_the_official_client_schedules_runs_and_reads(instance: Instance, mode: Any) -> None:
    told: list[str | None] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        told.append(message)

    async def talk() -> None:
        async with Client(address(instance), mode=mode) as client:
            assert len((await client.list_tools()).tools) > 20
            task = await data(client, "create_task", title=mode, schedule="0 9 * * *", payload={"pipeline": STEPS})
            arguments = {"task_id": task["task_id"], "wait_seconds": 60}
            run = await client.call_tool("run_task_now", arguments, progress_callback=hear)
            assert run.structured_content is not None and run.structured_content["output"] == "Salut"
            refused = await client.call_tool("create_task", {"title": "x", "schedule": "0 25 * * *"})
            assert refused.is_error

    asyncio.run(talk())
    assert told and all(told)


def test_a_client_hears_of_a_run_from_the_worker(instance: Instance) -> None:
    """Longer than all are told to look again: what ends the loop is news of the end."""
    run_id = instance.run(instance.task({"uses": "flow.sleep", "with": {"seconds": 5}}))

    async def talk() -> str:
        async with (
            Client(address(instance)) as client,
            client.listen(resource_subscriptions=[f"ordinaut://runs/{run_id}"]) as news,
        ):
            async for _ in news:
                status = str((await data(client, "get_run", run_id=run_id))["run"]["status"])
                if status == "succeeded":
                    return status
        raise AssertionError("The stream has ended")

    assert asyncio.run(asyncio.wait_for(talk(), 60)) == "succeeded"


def test_many_calls_at_once(instance: Instance) -> None:
    async def talk() -> list[Any]:
        async with Client(address(instance)) as client:
            return await asyncio.gather(*(data(client, "list_tasks", limit=1) for _ in range(40)))

    assert len(asyncio.run(talk())) == 40


def waiting_call(instance: Instance, run_id: str) -> bytes:
    """The bytes of a call that waits four minutes for a run, and hears of progress."""
    arguments = {"run_id": run_id, "timeout_seconds": 240}
    return posted(instance, "tools/call", name="wait_for_run", arguments=arguments)


def posted(instance: Instance, method: str, **params: Any) -> bytes:
    """The bytes of a request, whose client wants to hear of progress."""
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "progressToken": 1,
    }
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": meta}})
    headers = [
        "POST /mcp HTTP/1.1",
        f"Host: 127.0.0.1:{instance.port}",
        "Content-Type: application/json",
        "Accept: application/json, text/event-stream",
        "MCP-Protocol-Version: 2026-07-28",
        f"Mcp-Method: {method}",
        *([f"Mcp-Name: {params['name']}"] if "name" in params else []),
        f"Content-Length: {len(body)}",
    ]
    return "\r\n".join([*headers, "", body]).encode()


def test_a_client_that_leaves_frees_its_thread(tmp_path: Path) -> None:
    """There are six threads, and four clients more that wait for something that will not end."""
    instance = Instance(tmp_path / "var", WEB_CONCURRENCY="1", ORDINAUT_WEB_THREADS="8").start()
    try:
        run_id = instance.run(instance.task({"uses": "flow.sleep", "with": {"seconds": 3600}}))
        for _ in range(3):
            with waiting(instance, run_id, 4):
                instance.call("GET", "/health")
        wait_for(lambda: _free(instance) == 6, seconds=30, what="the slots of the clients that left")
        assert instance.stop() == 0, instance.output
    finally:
        instance.clean()


def test_a_platform_that_stops_ends_its_subscriptions(tmp_path: Path) -> None:
    instance = Instance(tmp_path / "var", WEB_CONCURRENCY="1").start()
    try:
        with socket.create_connection(("127.0.0.1", instance.port), timeout=60) as one:
            one.sendall(posted(instance, "subscriptions/listen", notifications={"resourcesListChanged": True}))
            heard = b""
            while b"acknowledged" not in heard:
                more = one.recv(4096)
                assert more, heard
                heard += more
            assert instance.stop() == 0, instance.output
            while more := one.recv(4096):
                heard += more
    finally:
        instance.clean()


@contextmanager
def waiting(instance: Instance, run_id: str, count: int) -> Iterator[None]:
    """Clients that hear the first news and then leave without a word."""
    with ExitStack() as stack:
        for _ in range(count):
            one = stack.enter_context(socket.create_connection(("127.0.0.1", instance.port), timeout=60))
            one.sendall(waiting_call(instance, run_id))
            heard = b""
            while b"The run is" not in heard:
                more = one.recv(4096)
                assert more, heard
                heard += more
        yield


def _free(instance: Instance) -> int:
    """How many streams can be opened now."""
    with ExitStack() as stack:
        for count in range(20):
            one = stack.enter_context(socket.create_connection(("127.0.0.1", instance.port), timeout=30))
            one.sendall(f"GET /events/stream HTTP/1.1\r\nHost: 127.0.0.1:{instance.port}\r\n\r\n".encode())
            if b" 200 " not in one.recv(100):
                return count
    raise AssertionError("There is no end to them")
