"""Looking for extensions: folders, files and entry points are listed and read, and none of their code runs."""

from __future__ import annotations

import importlib.metadata
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from app.domain.texts import t
from app.extension_host.grants import Table, allowed
from app.extension_host.manifest import DEFAULT_MODULE, FILE, ID_PATTERN, RESERVED, Manifest, ManifestInvalid
from app.extension_host.manifest import read_manifest as read
from app.extension_host.registry import Failure, Place, Record, Source, State, without_places
from ordinaut import Capability, ExtensionInfo

GROUP = "ordinaut.plugins"
UNKNOWN_VERSION = "0"
_OTHERS_WRITE = stat.S_IWOTH
_ID = re.compile(ID_PATTERN)

EntryPoints = Callable[[], Iterable[importlib.metadata.EntryPoint]]


class PlaceRefused(Exception):
    """Code of a file that somebody else may change is not run."""


class DuplicateId(Exception):
    """Two extensions have the same id; the first one found keeps it."""


def installed() -> Iterable[importlib.metadata.EntryPoint]:
    """The entry points of the installed packages."""
    return importlib.metadata.entry_points(group=GROUP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where to look, and what the operator says of grants.

    Attributes:
        builtin: The folder of the built-in extensions.
        paths: Extension folders, folders of them, or single files.
        grants: Capabilities by id, in place of the manifests'; `*` is every other.
        entry_grants: The same for entry points, which have no manifest.
    """

    builtin: Path | None = None
    paths: Sequence[Path] = ()
    grants: Table = field(default_factory=dict)
    entry_grants: Table = field(default_factory=dict)
    entry_points: EntryPoints = installed


def discover(sources: Sources) -> tuple[Record, ...]:
    """Everything there is, built-ins first; what cannot be used is there too, as `failed` with the reason."""
    seen: dict[str, Record] = {}
    for record in _all(sources):
        first = seen.get(record.id)
        if first is None:
            seen[record.id] = record
            continue
        twin = f"{record.id}#{sum(other.partition('#')[0] == record.id for other in seen) + 1}"
        reason = DuplicateId(
            t("There is already an extension {id} ({source}); ids are unique", id=record.id, source=first.source)
        )
        seen[twin] = _failed(replace(record, id=twin), reason)
    return tuple(seen.values())


def _all(sources: Sources) -> Iterator[Record]:
    if sources.builtin is not None:
        for folder in _folders(sources.builtin):
            yield _of_folder(folder, Source.BUILTIN, sources.grants)
    for path in sources.paths:
        yield from _of_path(path, sources.grants)
    for entry_point in sorted(sources.entry_points(), key=lambda one: one.name):
        yield _of_entry_point(entry_point, sources)


def _folders(parent: Path) -> list[Path]:
    """The extension folders inside of `parent`."""
    try:
        return sorted(folder for folder in parent.iterdir() if (folder / FILE).is_file())
    except OSError:
        return []


def _of_path(path: Path, grants: Table) -> Iterator[Record]:
    try:
        _refuse_unsafe_way(path)
        _refuse_unsafe(path)
        if path.is_file():
            yield _of_file(path, grants)
        elif (path / FILE).is_file():
            yield _of_folder(path, Source.ENV_DIR, grants)
        else:
            for folder in _folders(path):
                yield _of_folder(folder, Source.ENV_DIR, grants)
    except FileNotFoundError:
        gone = FileNotFoundError(t("There is nothing at {path}, which ORDINAUT_EXT_PATHS names", path=path.name))
        yield _failed(_unnamed(path, Source.ENV_FILE if path.suffix == ".py" else Source.ENV_DIR), gone)
    except (OSError, PlaceRefused) as error:
        yield _failed(_unnamed(path, Source.ENV_FILE if path.suffix == ".py" else Source.ENV_DIR), error)


def _of_folder(folder: Path, source: Source, grants: Table) -> Record:
    try:
        manifest = read(folder / FILE)
        _find_module(folder, manifest.module)
        if source is not Source.BUILTIN:
            _refuse_unsafe_tree(folder)
    except (ManifestInvalid, PlaceRefused, ModuleNotFoundError, OSError) as error:
        return _failed(_unnamed(folder, source), error)
    place = Place(folder=folder.resolve(), module=manifest.module)
    return _of_manifest(manifest, source, place, grants)


def _find_module(folder: Path, module: str) -> None:
    if any(file.is_file() for file in (folder / f"{module}.py", folder / module / "__init__.py")):
        return
    raise ModuleNotFoundError(
        t(
            "{folder} has no module {module}: add {module}.py, or name it in {manifest}",
            folder=folder.name,
            module=module,
            manifest=FILE,
        )
    )


def _of_file(file: Path, grants: Table) -> Record:
    """A single module; its manifest may lie beside it as `<name>.json`."""
    beside = file.with_suffix(".json")
    try:
        if file.suffix != ".py":
            raise ManifestInvalid(t("{file} is no Python file", file=file.name))
        if beside.is_file():
            _refuse_unsafe(beside)
            manifest = read(beside)
        else:
            manifest = Manifest(info=_info(file.stem))
    except (ManifestInvalid, PlaceRefused) as error:
        return _failed(_unnamed(file, Source.ENV_FILE), error)
    return _of_manifest(manifest, Source.ENV_FILE, Place(file=file.resolve(), module=file.stem), grants)


def _of_manifest(manifest: Manifest, source: Source, place: Place, grants: Table) -> Record:
    may = allowed(manifest.info.id, manifest.grants, grants)
    return Record(
        id=manifest.info.id,
        source=source,
        info=manifest.info,
        place=place,
        state=State.DISCOVERED if manifest.enabled else State.DISABLED,
        allowed=may,
        grants=may,
        eager=manifest.eager,
        navigation=manifest.navigation,
    )


def _of_entry_point(entry_point: importlib.metadata.EntryPoint, sources: Sources) -> Record:
    try:
        info = _info(entry_point.name)
    except ManifestInvalid as error:
        info = ExtensionInfo(id=_safe(entry_point.name), name=entry_point.name, version=UNKNOWN_VERSION)
        record = Record(id=info.id, source=Source.ENTRY_POINT, info=info, place=Place(entry_point=entry_point.value))
        return _failed(record, error)
    if entry_point.dist is not None:
        summary = str(entry_point.dist.metadata["Summary"] or "")
        info = replace(info, version=entry_point.dist.version, description=summary)
    none: frozenset[Capability] = frozenset()
    may = allowed(info.id, none, {**sources.entry_grants, **sources.grants})
    place = Place(entry_point=entry_point.value)
    return Record(id=info.id, source=Source.ENTRY_POINT, info=info, place=place, allowed=may, grants=may)


def _info(name: str) -> ExtensionInfo:
    if not _ID.fullmatch(name) or name in RESERVED:
        raise ManifestInvalid(
            t("{name} cannot be an id: lower-case letters, digits and _, at most 40, a letter first", name=f"{name!r}")
        )
    return ExtensionInfo(id=name, name=name, version=UNKNOWN_VERSION)


def _unnamed(path: Path, source: Source) -> Record:
    """A record under the name of the file or folder, for what could not say its own."""
    name = _safe(path.stem if path.suffix == ".py" else path.name)
    info = ExtensionInfo(id=name, name=path.name, version=UNKNOWN_VERSION)
    return Record(id=name, source=source, info=info, place=Place(module=DEFAULT_MODULE))


def _safe(name: str) -> str:
    return re.sub(r"[^a-z0-9_]+", "_", name.lower())[:40] or "unnamed"


def _failed(record: Record, error: Exception) -> Record:
    message = without_places(str(error))
    failure = Failure(error_type=type(error).__name__, message=message)
    return replace(record, state=State.FAILED, failure=failure, allowed=frozenset(), grants=frozenset())


def _refuse_unsafe_way(path: Path) -> None:
    """PlaceRefused where anybody may put another folder in the place of one that leads here."""
    for parent in path.resolve().parents:
        mode = parent.stat().st_mode
        if mode & _OTHERS_WRITE and not mode & stat.S_ISVTX:
            raise PlaceRefused(t("Everybody may write to {file}: take that right away (chmod o-w)", file=parent.name))


def _refuse_unsafe_tree(folder: Path) -> None:
    """The same for all that is in a folder: every module is code, and so is every template and compiled file."""
    _refuse_unsafe(folder)
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(place, name)
            # A link that leads nowhere, such as an editor's lock, is never read.
            if path.exists():
                _refuse_unsafe(path)


def _refuse_unsafe(path: Path) -> None:
    """PlaceRefused where another user owns the path or anybody may write to it."""
    found = path.stat()
    if found.st_uid not in (os.geteuid(), 0):
        raise PlaceRefused(t("{file} belongs to another user: its owner could run code as this one", file=path.name))
    if found.st_mode & _OTHERS_WRITE:
        raise PlaceRefused(t("Everybody may write to {file}: take that right away (chmod o-w)", file=path.name))
