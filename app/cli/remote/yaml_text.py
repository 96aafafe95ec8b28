"""YAML as JSON is: read by the rules of YAML 1.2's core, written so that 1.1 reads the same.

YAML 1.1, PyYAML's own, takes `on`, `12:30:00` and `2026-11-24` for something else than text.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator
from typing import Any

import yaml

_NULL = re.compile(r"(?:~|null|Null|NULL|)$")
_BOOL = re.compile(r"(?:true|True|TRUE|false|False|FALSE)$")
_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]*)$")
_FLOAT = re.compile(r"[-+]?(?:0|[1-9][0-9]*)(?:\.[0-9]+(?:[eE][-+]?[0-9]+)?|[eE][-+]?[0-9]+)$")
_OTHER_BREAKS = re.compile("[\r\x85\u2028\u2029]")
"""Breaks of lines to YAML 1.1, which would come back as `\\n` or a blank unless they are escaped."""
_DIGITS = list("-+0123456789")


class Loader(yaml.SafeLoader):
    """Reads JSON's types, and no mapping with a key twice."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 - an empty table instead of the inherited one; filled below

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """The mapping; ConstructorError where a key is no text or is there twice."""
        seen: set[str] = set()
        for key, _ in node.value:
            if key.tag != "tag:yaml.org,2002:str":
                raise yaml.constructor.ConstructorError(None, None, "a key has to be text; quote it", key.start_mark)
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{key.value!r} is there twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


class Dumper(yaml.SafeDumper):
    """Writes YAML as people do: lists further in, texts of several lines as blocks."""

    def ignore_aliases(self, data: Any) -> bool:
        """Never an anchor: what is there twice is written twice."""
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        """Lists stand further in than the member that holds them."""
        super().increase_indent(flow, False)


for _tag, _pattern, _first in (
    ("null", _NULL, ["~", "n", "N", ""]),
    ("bool", _BOOL, list("tTfF")),
    ("int", _INT, _DIGITS),
    ("float", _FLOAT, _DIGITS),
):
    Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", _pattern, _first)
# What looks like a number of YAML 1.2 and not of 1.1 is quoted as well.
Dumper.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, _DIGITS)


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = '"' if _OTHER_BREAKS.search(text) else "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def _int(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    return int(loader.construct_scalar(node))


def _float(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> float:
    return float(loader.construct_scalar(node))


Dumper.add_representer(str, _text)
Loader.add_constructor("tag:yaml.org,2002:int", _int)
Loader.add_constructor("tag:yaml.org,2002:float", _float)


def dump(value: Any) -> str:
    """The value as a document of YAML, members in their order."""
    return yaml.dump(value, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=110)


def load_all(text: str) -> list[tuple[Any, yaml.Node]]:
    """Every document that is not empty, with its tree, which knows the lines. yaml.MarkedYAMLError for a bad one."""
    loader = Loader(text)
    try:
        return list(_documents(loader))
    finally:
        loader.dispose()


def _documents(loader: Loader) -> Iterator[tuple[Any, yaml.Node]]:
    while loader.check_node():
        node = loader.get_node()
        if node is not None and node.tag != "tag:yaml.org,2002:null":
            yield loader.construct_document(node), node


def line_of(root: yaml.Node | None, pointer: str) -> int | None:
    """The line, counted from 1, of what a JSON pointer (RFC 6901) names, or of the nearest that is there."""
    if root is None:
        return None
    node = root
    line: int = root.start_mark.line + 1
    for part in pointer.split("/")[1:]:
        found = _member(node, part.replace("~1", "/").replace("~0", "~"))
        if found is None:
            break
        line, node = found
    return line


def _member(node: yaml.Node, name: str) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        return next(((key.start_mark.line + 1, value) for key, value in node.value if key.value == name), None)
    if isinstance(node, yaml.SequenceNode) and name.isdecimal() and int(name) < len(node.value):
        item = node.value[int(name)]
        return item.start_mark.line + 1, item
    return None
