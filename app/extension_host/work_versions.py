"""Which extensions may have work on the worker side, and a fingerprint of their code."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from app.extension_host.manifest import FILE
from app.extension_host.registry import Place, Record, Source, State
from ordinaut import Capability, __version__

WORK = frozenset({Capability.EVENTS_SUB, Capability.BACKGROUND_TASKS})


def with_work(records: Iterable[Record]) -> dict[str, str]:
    """Id -> version of those that may subscribe or run tasks; imports nothing."""
    return {one.id: version_of(one) for one in records if one.state is State.DISCOVERED and _may_work(one)}


def _may_work(record: Record) -> bool:
    if not record.allowed & WORK:
        return False
    # Ours inherit nothing from elsewhere, so that most need no process to find out that they have no work.
    return record.source is not Source.BUILTIN or any(b"on_startup" in _content(file) for file in _files(record.place))


def version_of(record: Record) -> str:
    """What changes when the extension's code, its manifest, its grants or the platform change."""
    digest = hashlib.sha256(f"{__version__} {record.place.entry_point} {sorted(record.allowed)}".encode())
    for file in _files(record.place):
        digest.update(file.name.encode() + b"\0")
        digest.update(_content(file))
    return f"{record.info.version} {digest.hexdigest()[:16]}"


def _files(place: Place) -> Iterator[Path]:
    if place.file is not None:
        yield place.file
    if place.folder is not None:
        yield place.folder / FILE
        code = (file.relative_to(place.folder) for file in place.folder.rglob("*.py"))
        # What a tool keeps in a hidden folder is not the extension's code.
        yield from sorted(place.folder / file for file in code if not any(part[0] == "." for part in file.parts))


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""
