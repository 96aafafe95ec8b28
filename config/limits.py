"""The settings that keep callers, agents and tools within bounds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address

from config.grants import GrantSettings
from config.parsers import Parser
from config.setting import Setting
from config.tool_limits import TOOL_LIMITS, ToolRules

_HOST_NAME = re.compile(r"\.?[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")


def _host_name(text: str) -> str:
    """A name in lower case, with a dot before it where all names below it are meant, or an address."""
    if text.startswith("["):
        return f"[{ip_address(text.removeprefix('[').removesuffix(']'))}]"
    if len(text) > 253 or not _HOST_NAME.fullmatch(text.lower()):
        raise ValueError
    return text.lower()


def _host_names(text: str) -> tuple[str, ...]:
    parts = (part.strip() for part in text.split(","))
    return tuple(dict.fromkeys(_host_name(part) for part in parts if part))


HOST_NAMES = Parser(
    "list of host names",
    _host_names,
    "host names without ports separated by commas, such as `ordinaut.example.com,.example.org`",
)

LIMITS = (
    Setting(
        "ORDINAUT_ALLOWED_HOSTS",
        HOST_NAMES,
        "",
        "The names by which clients may call this installation, separated by commas; `.example.org` is that name and "
        "all below it. A request with another `Host` gets 400, but for `/health`, `/health/live` and `/health/ready`, "
        "which platforms ask by address. Unset, every name will do.",
    ),
    Setting(
        "ORDINAUT_TOOL_LIMITS",
        TOOL_LIMITS,
        "",
        "How often tools may be called, and how many calls may be under way at once, over all processes: an object "
        'such as `{"http.request": {"rate": "10/second", "concurrency": 4}, "ext.shop.*": {"rate": "100/minute"}}`, '
        "or a file that holds one. Set it alike for web and worker.",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitSettings(GrantSettings):
    """What the table above gives."""

    allowed_hosts: tuple[str, ...]
    tool_limits: ToolRules
