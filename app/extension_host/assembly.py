"""Putting a host together out of settings and doors; bootstrap calls it, for web processes and for workers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

from app.extension_host.discovery import Sources, discover
from app.extension_host.doors import Doors
from app.extension_host.grants import Table
from app.extension_host.host import ExtensionHost
from app.tools.registry import ToolRegistry
from ordinaut import Capability

BUILTIN = Path(__file__).resolve().parent.parent.parent / "extensions"


class HostSettings(Protocol):
    """The settings the host looks at; `config.settings.Settings` has them."""

    @property
    def ext_paths(self) -> Sequence[str]: ...
    @property
    def ext_grants(self) -> Sequence[str]: ...
    @property
    def ext_entry_grants(self) -> Sequence[str]: ...


def make_host(settings: HostSettings, doors: Doors, tools: ToolRegistry) -> ExtensionHost:
    """The host of a process, which the registry of tools asks for what extensions register."""
    host = ExtensionHost(records=discover(sources_of(settings)), doors=doors)
    tools.ask(host.find_tools)
    return host


def sources_of(settings: HostSettings) -> Sources:
    """Where these settings let the host look."""
    return Sources(
        builtin=BUILTIN,
        paths=[Path(path) for path in settings.ext_paths],
        grants=table(settings.ext_grants),
        entry_grants=table(settings.ext_entry_grants),
    )


def table(lines: Iterable[str]) -> Table:
    """`shop=ROUTES+TOOLS` as a table of grants."""
    split = (line.partition("=") for line in lines)
    return {
        extension_id: frozenset(Capability(one) for one in names.split("+") if one) for extension_id, _, names in split
    }
