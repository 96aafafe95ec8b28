"""Pipelines as people write them: YAML, of which JSON is a part."""

from __future__ import annotations

from typing import Any

import yaml

LONGEST = 256 * 1024


class Unreadable(ValueError):
    """The text is no YAML; the message says where.

    Attributes:
        at: The same in characters from the beginning.
    """

    at = 0


class _Dumper(yaml.SafeDumper):
    """Lists are set in, and texts of several lines stand as blocks."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        """Never without an indent."""
        super().increase_indent(flow, False)


def _text(dumper: yaml.SafeDumper, text: str) -> Any:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def as_yaml(value: Any) -> str:
    """The value for an editor; empty for nothing."""
    if not value:
        return ""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


def from_yaml(text: str) -> Any:
    """What an editor holds; None for nothing.

    Raises:
        Unreadable: It is no YAML, or too much of it.
    """
    if len(text) > LONGEST:
        raise Unreadable("It is too long")
    try:
        return yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        # As the catalogues have it: "line {line}, column {column}: {problem}".
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        refused = Unreadable(f"{place}{error.problem or 'it is no YAML'}")
        refused.at = mark.index if mark else 0
        raise refused from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise Unreadable("it is no YAML") from error


def place_of(text: str, pointer: str) -> tuple[int, int]:
    """Where in a text the value stands that a JSON pointer (RFC 6901) names: first and last place, counted from 0.

    Where there is no such value the nearest one around it is meant; the whole text where it cannot be read.
    """
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError):
        node = None
    if node is None:
        return 0, len(text)
    for part in pointer.split("/")[1:]:
        inner = _inside(node, part.replace("~1", "/").replace("~0", "~"))
        if inner is None:
            break
        node = inner
    return node.start_mark.index, len(text[: node.end_mark.index].rstrip())


def _inside(node: yaml.Node, part: str) -> yaml.Node | None:
    if isinstance(node, yaml.SequenceNode):
        return node.value[int(part)] if part.isdecimal() and int(part) < len(node.value) else None
    if isinstance(node, yaml.MappingNode):
        return next((value for key, value in node.value if key.value == part), None)
    return None
