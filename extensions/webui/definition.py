"""Pipelines as people write them: YAML, of which JSON is a part."""

from __future__ import annotations

from typing import Any

import yaml

LONGEST = 256 * 1024


class Unreadable(ValueError):
    """The text is no YAML; the message says where."""


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
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise Unreadable(f"{place}{error.problem or 'it is no YAML'}") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise Unreadable("it is no YAML") from error
