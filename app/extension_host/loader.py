"""Importing an extension and setting it up; whatever its code does, the answer is a value or one known exception."""

from __future__ import annotations

import asyncio
import importlib
import importlib.machinery
import importlib.util
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from app.domain.texts import t
from app.extension_host.registry import Failure, Place, Record, without_places
from ordinaut import CapabilityDenied, Extension, ExtensionInfo

T = TypeVar("T")
PREFIX = "ordinaut_ext_"
"""Modules are imported under names of their own, so that two extensions may both have a `views.py`."""
FACTORY = "get_extension"


class LoadFailed(Exception):
    """The extension's code could not be imported or did not keep to the rules."""

    def __init__(self, failure: Failure) -> None:
        self.failure = failure
        super().__init__(failure.message)


class WrongExtension(Exception):
    """What the module offers is not the extension that was found."""


def guarded(step: Callable[[], T]) -> T:
    """The step's value.

    Raises:
        LoadFailed: The extension's code raised anything at all, or tried to end the process.
    """
    try:
        return step()
    except (Exception, SystemExit, GeneratorExit, asyncio.CancelledError) as error:
        raise LoadFailed(failure_of(error)) from error


def failure_of(error: BaseException) -> Failure:
    """An exception as records keep it."""
    message = without_places(str(error)) or type(error).__name__
    if isinstance(error, SystemExit):
        message = t("The extension tried to end the process")
    return Failure(
        error_type=type(error).__name__,
        message=message,
        traceback="".join(traceback.format_exception(error)),
        denied=error if isinstance(error, CapabilityDenied) else None,
    )


def make_extension(record: Record) -> Extension:
    """Import the record's module and call its factory.

    Raises:
        WrongExtension: There is no factory, or it does not give the extension of that id.
    """
    factory = _factory(record.id, record.place)
    extension = factory() if callable(factory) else factory
    if not isinstance(extension, Extension):
        raise WrongExtension(
            t("{factory}() gave {kind}, not an ordinaut.Extension", factory=FACTORY, kind=type(extension).__name__)
        )
    info = extension.info()
    if not isinstance(info, ExtensionInfo):
        raise WrongExtension(t("info() gave {kind}, not an ordinaut.ExtensionInfo", kind=type(info).__name__))
    if info.id != record.id:
        raise WrongExtension(
            t("info() says the id is {told}, it was found as {id}", told=f"{info.id!r}", id=f"{record.id!r}")
        )
    return extension


def forget(extension_id: str) -> None:
    """Drop what an earlier import left, so that nothing of a failed one is found again."""
    name = PREFIX + extension_id
    # Copied in one go: other threads import meanwhile.
    for module in list(sys.modules):
        if module == name or module.startswith(f"{name}."):
            sys.modules.pop(module, None)


def _factory(extension_id: str, place: Place) -> Any:
    if place.entry_point:
        module_name, _, attribute = place.entry_point.partition(":")
        found: Any = importlib.import_module(module_name)
        for part in (attribute.strip() or FACTORY).split("."):
            found = getattr(found, part)
        return found
    forget(extension_id)
    module = _of_folder(extension_id, place) if place.folder else _of_file(extension_id, place)
    factory = getattr(module, FACTORY, None)
    if factory is None:
        raise WrongExtension(t("The module {module} has no {factory}()", module=place.module, factory=FACTORY))
    return factory


def _of_folder(extension_id: str, place: Place) -> ModuleType:
    """The folder as a package, so that its modules import each other as `from . import views`."""
    assert place.folder is not None
    name = PREFIX + extension_id
    package = place.folder / "__init__.py"
    if package.is_file():
        module = _executed(name, package, [str(place.folder)])
    else:
        module = ModuleType(name)
        module.__path__ = [str(place.folder)]
        module.__spec__ = importlib.machinery.ModuleSpec(name, None, is_package=True)
        module.__spec__.submodule_search_locations = [str(place.folder)]
        sys.modules[name] = module
    if place.module == "__init__":
        return module
    importlib.invalidate_caches()
    return importlib.import_module(f"{name}.{place.module}")


def _of_file(extension_id: str, place: Place) -> ModuleType:
    assert place.file is not None
    return _executed(PREFIX + extension_id, place.file, None)


def _executed(name: str, file: Path, search: list[str] | None) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, file, submodule_search_locations=search)
    if spec is None or spec.loader is None:
        raise ImportError(t("{file} cannot be imported", file=file.name))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
