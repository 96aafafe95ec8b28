"""Writes docs/sdk.md, the reference of the package `ordinaut`, from its docstrings.

Run `python -m scripts.render_sdk_doc` after changing the package; a test fails while the page is behind.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import itertools
import re
import typing
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from types import ModuleType
from typing import Any

import ordinaut
from ordinaut import assistants, contexts, testing

PAGE = Path(__file__).resolve().parent.parent / "docs" / "sdk.md"
GROUPS: tuple[tuple[str, tuple[Any, ...]], ...] = (
    ("What you write", (ordinaut.Extension, ordinaut.ExtensionInfo, ordinaut.Capability)),
    (
        "What you are handed",
        (
            ordinaut.ExtensionContext,
            contexts.RoutesContext,
            contexts.ToolRegistryContext,
            assistants.AssistantsContext,
            contexts.EventsContext,
            contexts.BackgroundContext,
            contexts.MetricsContext,
            ordinaut.Socket,
            contexts.ToolOptions,
            assistants.PromptOptions,
            assistants.ResourceOptions,
            contexts.PublishedId,
            (contexts, "Handler"),
        ),
    ),
    (
        "What you meet",
        (
            ordinaut.Event,
            ordinaut.Caller,
            ordinaut.ToolCall,
            ordinaut.Dialog,
            ordinaut.ToolInfo,
            assistants.PromptInfo,
            assistants.ResourceInfo,
            ordinaut.Tool,
            ordinaut.TaskInfo,
        ),
    ),
    (
        "What you raise or catch",
        (ordinaut.RequestRefused, ordinaut.ToolFailed, ordinaut.InputNeeded, ordinaut.CapabilityDenied),
    ),
    ("What you test with", (testing.Harness, testing.FakeSocket)),
)
_INTRO = """# The SDK

<!-- Made by scripts/render_sdk_doc.py from the package `ordinaut`; change its docstrings, then run it. -->

Everything an extension imports is in `ordinaut`, which itself imports nothing but the standard library; what tests
need is in `ordinaut.testing`. [Extensions](extensions.md) shows how the pieces go together.
"""


def render() -> str:
    """The whole page."""
    return _INTRO + "".join(part for title, kinds in GROUPS for part in (f"\n## {title}\n", *map(_kind, kinds)))


def _kind(kind: type[Any] | tuple[ModuleType, str]) -> str:
    if isinstance(kind, tuple):
        return _alias(*kind)
    if typing.is_typeddict(kind):
        return _options(kind)
    parts = [f"\n### `{kind.__name__}`\n", _text(kind)]
    if issubclass(kind, Enum):
        parts += ["\n", *(f"- `{one.value}`\n" for one in kind)]
    elif not dataclasses.is_dataclass(kind) and not issubclass(kind, Exception):
        parts += _members(kind)
    elif dataclasses.is_dataclass(kind):
        parts.insert(1, _code(f"{kind.__name__}{_signature(kind)}"))
    else:
        parts.insert(1, _code(f"{kind.__name__}{_signature(kind.__init__)}"))
    return "".join(parts)


def _options(kind: type[Any]) -> str:
    """A dict of options: its members, by name and type."""
    members = "\n".join(f"{name}: {_plain(str(note))}" for name, note in kind.__annotations__.items())
    return f"\n### `{kind.__name__}`\n" + _text(kind) + _code(members)


def _alias(module: ModuleType, name: str) -> str:
    """A name for a type: its definition, and the string that follows it in the source."""
    lines = ast.parse(inspect.getsource(module)).body
    for line, after in itertools.pairwise(lines):
        if isinstance(line, ast.Assign) and ast.unparse(line.targets[0]) == name:
            words = ast.literal_eval(after.value) if isinstance(after, ast.Expr) else ""
            return f"\n### `{name}`\n{_code(ast.unparse(line))}\n{words}\n"
    raise LookupError(name)


def _members(kind: type[Any]) -> Iterator[str]:
    for name, member in vars(kind).items():
        if name.startswith("_"):
            continue
        if isinstance(member, property):
            yield f"\n#### `{name}`: `{_signature(member.fget).partition('-> ')[2]}`\n" + _text(member.fget)
        elif inspect.isfunction(member):
            word = "async " if inspect.iscoroutinefunction(member) else ""
            yield f"\n#### `{name}`\n" + _code(f"{word}{name}{_signature(member)}") + _text(member)


def _signature(function: Any) -> str:
    text = str(inspect.signature(function))
    text = re.sub(r"\(self(, )?", "(", text)
    return _plain(text)


def _plain(text: str) -> str:
    text = re.sub(r"ForwardRef\('(.*?)'(, [^)]*)?\)", r"\1", text)
    return (
        re.sub(r"(collections\.abc|ordinaut(\.\w+)*|typing|datetime)\.", "", text).replace("''", '""').replace("'", "")
    )


def _code(text: str) -> str:
    return f"\n```python\n{text}\n```\n"


def _text(thing: Any) -> str:
    """The docstring as Markdown: sections become lists."""
    words = inspect.getdoc(thing) or ""
    if dataclasses.is_dataclass(thing) and words.startswith(f"{getattr(thing, '__name__', '')}("):
        words = ""
    lines: list[str] = []
    for line in words.splitlines():
        if re.fullmatch(r"(Args|Attributes|Raises|Returns):", line):
            lines += [f"{line[:-1]}:", ""]
        elif item := re.fullmatch(r" {4}([\w, ]+): (.*)", line):
            lines.append(f"- `{item[1]}`: {item[2]}")
        else:
            lines.append(re.sub(r"^ {8}", "  ", line))
    return "\n" + "\n".join(lines).strip() + "\n" if words else ""


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
