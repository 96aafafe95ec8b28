"""What an author writes: a class with a name, a wish for capabilities, and what it sets up."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from typing import Any

from ordinaut.capabilities import Capability
from ordinaut.contexts import ExtensionContext

HealthCheck = str | Callable[[], str | bool | None]
"""A word about something an extension needs, or what finds it out; True and None are `healthy`, False is not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtensionInfo:
    """Who an extension is: `id` (lower-case letters, digits, `_`), name, version and one sentence."""

    id: str
    name: str
    version: str
    description: str = ""


class Extension:
    """The base of every extension; its module has `get_extension()`, which returns one."""

    def info(self) -> ExtensionInfo:
        """Who it is; the id is the manifest's."""
        raise TypeError(f"{type(self).__name__} must say who it is: override info()")

    def requested_capabilities(self) -> Set[Capability]:
        """What it asks for; it gets what the manifest or the operator allows of it."""
        return frozenset()

    def setup(self, context: ExtensionContext) -> Any:
        """Called once in every process that loads it; returns a `flask.Blueprint` or None."""
        return None

    async def on_startup(self, context: ExtensionContext) -> None:
        """Called on the worker side, in one process of the cluster, where subscriptions and background tasks begin."""

    async def on_shutdown(self, context: ExtensionContext) -> None:
        """Called there before that process gives the extension back."""

    def health(self) -> Mapping[str, HealthCheck]:
        """Checks by name: a word, or a function that gives one; `healthy` is healthy, any other word is not.

        Called in the web process for `/ext/<id>/health`. It has two seconds, and all its functions, which are
        called at the same time, have two more; what raises is `unhealthy`, what is late is `timed out`.
        """
        return {}
