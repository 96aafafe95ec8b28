"""`ORDINAUT_MCP_SERVERS`: what can be said, and what is refused with which words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from config.mcp_servers import mcp_servers
from config.settings import SettingsError, load


@pytest.mark.parametrize("wrap", ["mcpServers", "servers", None])
def test_the_form_of_other_clients_is_read(wrap: str | None, tmp_path: Path) -> None:
    servers = {"time": {"command": "mcp-server-time", "args": ["--utc"]}, "web": {"url": "https://h.example:8/mcp?k=1"}}
    text = json.dumps({wrap: servers} if wrap else servers)
    file = tmp_path / "mcp.json"
    file.write_text(text, encoding="utf-8")
    for found in (mcp_servers(text), mcp_servers(str(file))):
        assert found.servers["time"].args == ("--utc",)
        assert found.servers["web"].where == "https://h.example:8/mcp"


def test_a_file_that_is_not_there_has_no_servers(tmp_path: Path) -> None:
    assert dict(load({"ORDINAUT_HOME": str(tmp_path)}).mcp_servers.servers) == {}


@pytest.mark.parametrize(
    ("servers", "told"),
    [
        ("{", "not JSON"),
        ('{"x": 1}', "needs an object"),
        ('{"1x": {"command": "a"}}', "no name of a server"),
        ('{"x.y": {"command": "a"}}', "no name of a server"),
        ('{"x": {}}', "`command` or `url`"),
        ('{"x": {"command": "a", "url": "http://h"}}', "`command` or `url`"),
        ('{"x": {"command": ""}}', "has to be a text"),
        ('{"x": {"url": "file:///etc/passwd"}}', "http://"),
        ('{"x": {"command": "a", "args": "b"}}', "list of texts"),
        ('{"x": {"command": "a", "env": {"A": 1}}}', "object of texts"),
        ('{"x": {"command": "a", "timeout_seconds": 0}}', "0.1 to 86400"),
        ('{"x": {"url": "http://h", "auth": {"client_id": "a"}}}', "client_secret"),
        ('{"x": {"command": "a", "nonsense": 1}}', "no other members"),
    ],
)
def test_what_cannot_be_used_says_why_and_repeats_nothing(servers: Any, told: str) -> None:
    with pytest.raises(SettingsError, match=told) as refused:
        load({"ORDINAUT_MCP_SERVERS": servers})
    assert "/etc/passwd" not in str(refused.value)


def test_what_they_hold_is_never_shown() -> None:
    settings = load({"ORDINAUT_MCP_SERVERS": '{"x": {"url": "http://h", "headers": {"Authorization": "Bearer 4711"}}}'})
    assert "4711" not in repr(settings) and "4711" not in json.dumps(settings.shown())
