"""Files that commands are given: YAML or JSON, from a path, a folder or standard input, with the lines of mistakes."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import yaml

from app.cli.exits import INVALID
from app.cli.remote.refusals import Refused, Stopped, problem_line, problems
from app.cli.remote.yaml_text import line_of, load_all

STDIN = "-"
SUFFIXES = (".yaml", ".yml", ".json")


@dataclass(frozen=True, slots=True)
class Document:
    """What a file holds, or one of the documents in it.

    Attributes:
        at: Where in `value` the part begins that is meant, as a JSON pointer.
    """

    value: Any
    file: str
    node: yaml.Node | None = field(default=None, repr=False)
    at: str = ""

    def mistake(self, pointer: str, sentence: str) -> str:
        """The sentence with its file, line and pointer."""
        return f"{self.where(pointer)}: {self.at + pointer or '/'}: {sentence}"

    def where(self, pointer: str = "") -> str:
        """File and line."""
        line = line_of(self.node, self.at + pointer)
        return self.file if line is None else f"{self.file}:{line}"

    def refused(self, error: Refused) -> Stopped:
        """What the server says of it, with the lines it says it of."""
        told = [self.mistake(str(one.get("pointer") or ""), problem_line(one)) for one in problems(error.body)]
        if not told:
            return Stopped(f"{self.where()}: {error.message}", error.exit_code)
        return Stopped("\n".join([error.message.splitlines()[0], *told]), error.exit_code)

    def part(self, name: str) -> Document:
        """A member of it."""
        return Document(self.value[name], self.file, self.node, f"{self.at}/{name}")


def read(paths: Sequence[str]) -> list[Document]:
    """The documents of these files, and of all files in these folders, by name; Stopped (6) names file and line."""
    return [document for path in paths for file in _files(path) for document in _documents(file)]


def read_one(path: str) -> Document:
    """The only document of a file; Stopped (6) where there are more, or none."""
    found = read([path])
    if len(found) != 1:
        raise Stopped(f"{_named(path)} has to hold one document; it holds {len(found)}.", INVALID)
    return found[0]


def read_object(path: str) -> dict[str, Any]:
    """The members of the only document of a file."""
    document = read_one(path)
    if not isinstance(document.value, dict):
        raise Stopped(document.mistake("", "it has to be a mapping"), INVALID)
    return document.value


def json_object(text: str) -> dict[str, Any]:
    """The members of a JSON object on the command line; a usage error where it is none."""
    try:
        value = json.loads(text)
    except ValueError as error:
        raise click.UsageError(f"This is no JSON: {text[:80]}") from error
    if not isinstance(value, dict):
        raise click.UsageError(f"This has to be a JSON object: {text[:80]}")
    return value


def _files(path: str) -> list[str]:
    if path == STDIN or not Path(path).is_dir():
        return [path]
    found = sorted(str(one) for one in Path(path).rglob("*") if one.suffix in SUFFIXES and one.is_file())
    if not found:
        raise Stopped(f"{path} holds no file that ends with {', '.join(SUFFIXES)}.", INVALID)
    return found


def _documents(path: str) -> list[Document]:
    text, name = _text(path), _named(path)
    if text.lstrip()[:1] in ("{", "["):
        return [Document(_json(text, name), name, _tree(text))]
    try:
        return [Document(value, name, node) for value, node in load_all(text)]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        raise Stopped(f"{name}{where}: {error.problem or 'it is no YAML'}", INVALID) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise Stopped(f"{name}: it cannot be read as YAML ({type(error).__name__})", INVALID) from error


def _json(text: str, name: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_once, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        raise Stopped(f"{name}:{error.lineno}:{error.colno}: {error.msg}", INVALID) from error
    except (ValueError, RecursionError) as error:
        raise Stopped(f"{name}: {error}", INVALID) from error


def _tree(text: str) -> yaml.Node | None:
    """JSON is YAML, mostly: where it is not, mistakes are told without lines."""
    try:
        (_, node), *_ = load_all(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        return None
    return node


def _once(pairs: list[tuple[str, Any]]) -> Mapping[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)!r} is there twice")
    return found


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no JSON")


def _named(path: str) -> str:
    return "standard input" if path == STDIN else path


def _text(path: str) -> str:
    try:
        if path == STDIN:
            return sys.stdin.buffer.read().decode("utf-8")
        return Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise Stopped(f"{_named(path)}: it is not UTF-8 text", INVALID) from error
    except OSError as error:
        raise click.UsageError(f"{path} cannot be read: {error.strerror}.") from error
