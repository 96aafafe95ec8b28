"""A target server and the tool that may reach it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from app.tools.http import http_request_tool
from app.tools.http_safety import HttpPolicy
from ordinaut.tools import Tool, ToolFailed
from tests.fakes.http_target import HttpTarget, http_target
from tests.fakes.tool_calls import tool_call


def loopback(host: str, port: int) -> Sequence[str]:
    return ("127.0.0.1",)


@pytest.fixture(scope="module")
def server() -> Iterator[HttpTarget]:
    with http_target() as target:
        yield target


@pytest.fixture
def target(server: HttpTarget) -> HttpTarget:
    server.received.clear()
    return server


@pytest.fixture(scope="module")
def tool() -> Tool:
    return http_request_tool(HttpPolicy.parse("127.0.0.1, a.example, b.example"), resolve=loopback)


def failure(tool: Tool, arguments: dict[str, Any], **options: Any) -> ToolFailed:
    with pytest.raises(ToolFailed) as caught:
        tool.run(tool_call(arguments, **options))
    return caught.value
