"""What the host knows of each extension: where it was found, how it stands, and what it became once loaded."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from threading import Lock
from typing import Any

from ordinaut import Capability, CapabilityDenied, Extension, ExtensionContext, ExtensionInfo, NavigationEntry

_PATH = re.compile(r"(?:/[^\s/'\"(),:;]+)+/([^\s/'\"(),:;]+)")


class State(StrEnum):
    """How an extension stands."""

    DISCOVERED = "discovered"
    LOADED = "loaded"
    FAILED = "failed"
    DISABLED = "disabled"


class Source(StrEnum):
    """Where extensions are looked for."""

    BUILTIN = "builtin"
    """The folder `extensions/` of the installation."""
    ENV_DIR = "env_dir"
    """A folder that ORDINAUT_EXT_PATHS names, or one inside of it."""
    ENV_FILE = "env_file"
    """A single file that ORDINAUT_EXT_PATHS names."""
    ENTRY_POINT = "entry_point"
    """An installed package, by the group `ordinaut.plugins`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why an extension is not there.

    Attributes:
        error_type: Name of the exception.
        message: One line; says nothing of places on this machine.
        traceback: For the log and for developers.
        denied: The refusal, where a capability was missing.
    """

    error_type: str
    message: str
    traceback: str = ""
    denied: CapabilityDenied | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where its code is: a folder or a file with the module to import, or an entry point `module:attribute`."""

    folder: Path | None = None
    file: Path | None = None
    module: str = ""
    entry_point: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """An extension as it stands in this process.

    Attributes:
        info: From the manifest until it is loaded, then its own.
        allowed: What manifest or operator allow it.
        grants: What it has: once loaded, that of the allowed which it asked for; what is allowed until then.
        requested: What its code asked for; nothing while it is not loaded.
        navigation: Where the web page shows a way to it.
        loaded_ms: Milliseconds that import and setup took.
    """

    id: str
    source: Source
    info: ExtensionInfo
    place: Place
    state: State = State.DISCOVERED
    allowed: frozenset[Capability] = frozenset()
    grants: frozenset[Capability] = frozenset()
    requested: frozenset[Capability] = frozenset()
    eager: bool = False
    navigation: NavigationEntry | None = None
    loaded_ms: int | None = None
    failure: Failure | None = None

    @property
    def refused(self) -> frozenset[Capability]:
        """What it asked for, or failed for the want of, and may not have."""
        denied = self.failure.denied if self.failure else None
        return (self.requested | ({denied.required} if denied else frozenset())) - self.allowed

    @property
    def static_folder(self) -> Path | None:
        """The folder of its files, where it may serve them and has one."""
        if Capability.STATIC not in self.grants or self.place.folder is None:
            return None
        return self.place.folder / "static"


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """A loaded extension: the author's object, what it was handed, and what `setup` returned."""

    extension: Extension
    context: ExtensionContext
    page: Any


class Registry:
    """Records by id, in the order of discovery; safe for threads."""

    def __init__(self, records: Iterable[Record]) -> None:
        self._records = {record.id: record for record in records}
        self._live: dict[str, Live] = {}
        self._lock = Lock()

    def all(self) -> tuple[Record, ...]:
        """Every record."""
        return tuple(self._records.values())

    def entries(self) -> tuple[Record, ...]:
        """Those that the web page shows a way to: they have pages, and are not off or broken."""
        usable = (one for one in self._records.values() if one.state not in (State.DISABLED, State.FAILED))
        return tuple(one for one in usable if one.navigation is not None and Capability.ROUTES in one.grants)

    def get(self, extension_id: str) -> Record | None:
        """The record of that id."""
        return self._records.get(extension_id)

    def live(self, extension_id: str) -> Live | None:
        """What was loaded under that id in this process."""
        return self._live.get(extension_id)

    def loaded(self, record: Record, live: Live) -> Record:
        """Store a success."""
        with self._lock:
            self._live[record.id] = live
            self._records[record.id] = record
        return record

    def failed(self, extension_id: str, failure: Failure) -> Record:
        """Store a failure."""
        with self._lock:
            self._live.pop(extension_id, None)
            record = replace(self._records[extension_id], state=State.FAILED, failure=failure)
            self._records[extension_id] = record
        return record


def without_places(text: str) -> str:
    """The text with paths cut to their last part, on one line, of bearable length, as every database takes it."""
    storable = text.encode(errors="replace").decode().replace("\0", "?")
    return " ".join(_PATH.sub(r"\1", storable).split())[:500]
