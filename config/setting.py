"""What a setting is: one environment variable, as a row of the table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from config.parsers import Parser

Values = Mapping[str, Any]
Default = str | None | Callable[[Values], str | None]


@dataclass(frozen=True, slots=True)
class Setting:
    """One variable. `default` is text as in the environment, or a function of the settings above it."""

    name: str
    parser: Parser
    default: Default
    help: str
    secret: bool = False
    shown_default: str = ""

    @property
    def attribute(self) -> str:
        """Its field of `Settings`: `ORDINAUT_WEB_THREADS` -> `web_threads`, `PORT` -> `port`."""
        return self.name.removeprefix("ORDINAUT_").lower()

    @property
    def default_text(self) -> str:
        """The default in words for people; empty when there is none."""
        return self.shown_default or (self.default if isinstance(self.default, str) else "")
