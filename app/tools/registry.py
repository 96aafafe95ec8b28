"""Every tool there is, by name: the only way a name becomes code that runs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from threading import Lock
from typing import Any

from jsonschema_rs import Draft202012Validator

from app.domain.errors import NotFound, Problem
from app.domain.texts import t
from app.tools.argument_problems import problems_of
from app.tools.json_schemas import compiled
from ordinaut.tools import Tool

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*")
_NAME_LENGTH = 128

Finder = Callable[[str | None], None]


def _nothing_more(_: str | None) -> None:
    """Every tool has been added from the start."""


class ToolRegistry:
    """Tools by name, their schemas compiled once; safe to read while another thread adds."""

    def __init__(self, tools: Iterable[Tool] = ()) -> None:
        self._tools: dict[str, Tool] = {}
        self._validators: dict[str, Draft202012Validator] = {}
        self._adding = Lock()
        self._finder: Finder = _nothing_more
        for tool in tools:
            self.add(tool)

    def ask(self, finder: Finder) -> None:
        """Let `finder` add what is missing: called with the name of an unknown tool, and with None for all of them."""
        self._finder = finder

    def check(self, tool: Tool) -> None:
        """Do what `add` does before it takes the tool in, and try the examples.

        Raises:
            ValueError: The name is taken or is no tool name, the schema is not usable, or an example does not fit it.
        """
        validator = self._validator(tool)
        for number, example in enumerate(tool.examples, start=1):
            if not validator.is_valid(example):
                raise ValueError(t("Example {number} of {name} does not fit its schema", number=number, name=tool.name))

    def add(self, tool: Tool) -> None:
        """Take in one more tool; a tool once added is never replaced.

        Raises:
            ValueError: The name is taken or is no tool name, or the schema is not usable.
        """
        validator = self._validator(tool)
        with self._adding:
            if tool.name in self._tools:
                raise ValueError(t("There is already a tool named {name}", name=tool.name))
            self._validators[tool.name] = validator
            self._tools[tool.name] = tool

    def _validator(self, tool: Tool) -> Draft202012Validator:
        if len(tool.name) > _NAME_LENGTH or not _NAME.fullmatch(tool.name):
            raise ValueError(t("{name} is not a tool name such as `http.request`", name=f"{tool.name!r}"))
        if tool.name in self._tools:
            raise ValueError(t("There is already a tool named {name}", name=tool.name))
        return _compiled(tool)

    def get(self, name: str) -> Tool:
        """The tool of that name.

        Raises:
            NotFound: There is none; `details.similar` lists close names.
        """
        tool = self._find(name)
        if tool is None:
            similar = get_close_matches(name[:_NAME_LENGTH], self.names(), n=3)
            raise NotFound(t("There is no tool named {name}", name=name[:_NAME_LENGTH]), tool=name, similar=similar)
        return tool

    def all(self) -> tuple[Tool, ...]:
        """All tools, sorted by name."""
        return tuple(self._tools[name] for name in self.names())

    def names(self) -> tuple[str, ...]:
        """All names, sorted."""
        self._finder(None)
        return tuple(sorted(self._tools))

    def get_schema(self, name: str) -> Mapping[str, Any] | None:
        """The JSON Schema of the tool's arguments; None when there is no such tool."""
        tool = self._find(name)
        return tool.schema if tool else None

    def _find(self, name: str) -> Tool | None:
        if name not in self._tools:
            self._finder(name)
        return self._tools.get(name)

    def argument_problems(self, name: str, arguments: Any) -> list[Problem]:
        """All that is wrong with `arguments` for the tool; pointers start at the arguments, e.g. `/url`.

        Raises:
            NotFound: There is no such tool.
        """
        tool = self.get(name)
        validator = self._validators[name]
        # The common case costs one yes-or-no pass; sentences are made only for a no.
        if validator.is_valid(arguments):
            return []
        return problems_of(validator.iter_errors(arguments), list(tool.schema.get("properties", ())))


def _compiled(tool: Tool) -> Draft202012Validator:
    if tool.schema.get("type") != "object":
        raise ValueError(t("The schema of {name} must say `type: object`", name=tool.name))
    try:
        return compiled(tool.schema)
    except ValueError as error:
        raise ValueError(t("The schema of {name} is not usable: {error}", name=tool.name, error=error)) from error
