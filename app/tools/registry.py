"""Every tool there is, by name: the only way a name becomes code that runs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
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


class ToolRegistry:
    """Tools by name, their schemas compiled once; safe to read while another thread adds."""

    def __init__(self, tools: Iterable[Tool] = ()) -> None:
        self._tools: dict[str, Tool] = {}
        self._validators: dict[str, Draft202012Validator] = {}
        self._adding = Lock()
        self._finders: list[Finder] = []
        self._served: set[str] = set()
        for tool in tools:
            self.add(tool)

    def ask(self, finder: Finder) -> None:
        """Let `finder` add what is missing, too: called with the name of an unknown tool, and with None for all."""
        self._finders.append(finder)

    def serve(self, server: str, tools: Iterable[Tool]) -> None:
        """Take in the tools of a server, `<server>.<tool>`, in place of those it had before.

        What cannot be one is left out. From then on finders are asked about each of its names, as they may change.
        """
        validators: dict[str, Draft202012Validator] = {}
        taken: dict[str, Tool] = {}
        for tool in tools:
            with suppress(ValueError):
                validators[tool.name] = self._validator(tool, again=True)
                taken[tool.name] = tool
        with self._adding:
            self._served.add(server)
            others = {name: one for name, one in self._tools.items() if name.partition(".")[0] != server}
            kept = {name: one for name, one in self._validators.items() if name in others}
            # New dicts in place of the old: another thread may be reading them.
            self._validators, self._tools = {**kept, **validators}, {**others, **taken}

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

    def _validator(self, tool: Tool, *, again: bool = False) -> Draft202012Validator:
        if len(tool.name) > _NAME_LENGTH or not _NAME.fullmatch(tool.name):
            raise ValueError(t("{name} is not a tool name such as `http.request`", name=f"{tool.name!r}"))
        if tool.name in self._tools and not again:
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
        self._look(None)
        return tuple(sorted(self._tools))

    def get_schema(self, name: str) -> Mapping[str, Any] | None:
        """The JSON Schema of the tool's arguments; None when there is no such tool."""
        tool = self._find(name)
        return tool.schema if tool else None

    def _find(self, name: str) -> Tool | None:
        if name not in self._tools or (self._served and name.partition(".")[0] in self._served):
            self._look(name)
        return self._tools.get(name)

    def _look(self, name: str | None) -> None:
        for finder in self._finders:
            finder(name)

    def argument_problems(self, name: str, arguments: Any) -> list[Problem]:
        """All that is wrong with `arguments` for the tool; pointers start at the arguments, e.g. `/url`.

        Raises:
            NotFound: There is no such tool.
        """
        tool = self.get(name)
        validator = self._validators.get(name) or _compiled(tool)
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
