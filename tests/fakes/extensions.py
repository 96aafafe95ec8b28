"""Extensions written into a folder, and a host of them without the rest of the platform."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.extension_host.discovery import EntryPoints, Sources, discover
from app.extension_host.doors import Doors
from app.extension_host.grants import Table
from app.extension_host.host import ExtensionHost
from app.tools.registry import ToolRegistry
from ordinaut import Capability

ALL = [one.value for one in Capability]
HELLO = """
    from flask import Blueprint
    from ordinaut import Capability, Extension, ExtensionInfo

    class {name}(Extension):
        def info(self):
            return ExtensionInfo(id="{id}", name="{name}", version="1.0.0", description="Says hello")

        def requested_capabilities(self):
            return set(Capability)

        def setup(self, context):
            self.context = context
            page = Blueprint("page", __name__)
{routes}
            return page

{more}

    def get_extension():
        return {name}()
"""


def write_extension(
    folder: Path, extension_id: str, *, routes: str = "", more: str = "", code: str = "", **manifest: Any
) -> Path:
    """Write an extension with all grants; `routes` go into `setup`, `more` into the class, `code` is all of it."""
    home = folder / extension_id
    home.mkdir(parents=True)
    content = {"id": extension_id, "name": extension_id.title(), "version": "1.0.0", "grants": ALL, **manifest}
    (home / "extension.json").write_text(json.dumps(content), encoding="utf-8")
    text = code or HELLO
    if not code:
        indented = {"routes": _indented(routes, 12), "more": _indented(more, 8)}
        text = HELLO.format(id=extension_id, name=extension_id.title().replace("_", ""), **indented)
    (home / "extension.py").write_text(textwrap.dedent(text), encoding="utf-8")
    return home


def _indented(code: str, by: int) -> str:
    return textwrap.indent(textwrap.dedent(code), " " * by)


@dataclass
class World:
    """A host over folders, with a registry of tools and nothing else."""

    paths: Sequence[Path] = ()
    builtin: Path | None = None
    grants: Table = field(default_factory=dict)
    entry_grants: Table = field(default_factory=dict)
    entry_points: EntryPoints = tuple
    doors: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        sources = Sources(
            builtin=self.builtin,
            paths=self.paths,
            grants=self.grants,
            entry_grants=self.entry_grants,
            entry_points=self.entry_points,
        )
        self.tools = ToolRegistry()
        self.host = ExtensionHost(records=discover(sources), doors=Doors(tools=self.tools, **self.doors))
        self.tools.ask(self.host.find_tools)


def no_extensions() -> ExtensionHost:
    """A host that has found nothing."""
    return World().host
