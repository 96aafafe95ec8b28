"""The pages know everything the code has: routes, settings, commands, tools, errors, states, log events."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import click
import pytest

from app.cli.group import SERVER, ordinaut
from app.domain.clock import SystemClock
from app.domain.runs import TRANSITIONS
from app.http.errors import KINDS
from app.tools.builtin import builtin_tools
from app.tools.http_safety import HttpPolicy
from app.tools.outside import outside_tools
from config.settings import SETTINGS
from ordinaut import Caller
from scripts.render_api_doc import PAGE as API_PAGE
from scripts.render_api_doc import describe, render
from tests.servers import REPOSITORY

DOCS = REPOSITORY / "docs"
CODE = [path for room in ("app", "workers", "ordinaut") for path in sorted((REPOSITORY / room).rglob("*.py"))]
_TYPE = re.compile(r'(?:RunError|ToolFailed|Unprocessable)\((?:[^()]|\([^()]*\))*?\btype="([a-z_]+)"', re.DOTALL)
_STORED_TYPE = re.compile(r'error = \{"type": "([a-z_]+)"')
_EVENT = re.compile(r'\bemit\(\s*"([a-z_]+\.[a-z_]+)"')
_CHOSEN_EVENT = re.compile(r'emit\("(\w+\.\w+)" if \w+ else "(\w+\.\w+)"')


def _no_task(fields: dict[str, Any], *, caller: Caller, idempotency_key: str) -> dict[str, Any]:
    raise AssertionError("these tests make no tasks")


TOOLS = [
    tool.name
    for tool in (
        *builtin_tools(
            http_policy=HttpPolicy(),
            create_task=_no_task,
            publish=cast(Any, None),
            children=cast(Any, None),
            clock=SystemClock(),
        ),
        *outside_tools(),
    )
]


def page(name: str) -> str:
    """A page's text."""
    return (DOCS / name).read_text(encoding="utf-8")


def found(*patterns: re.Pattern[str]) -> set[str]:
    """What these patterns capture anywhere in the product."""
    texts = [path.read_text(encoding="utf-8") for path in CODE]
    matches = (match for pattern in patterns for text in texts for match in pattern.finditer(text))
    return {word for match in matches for word in match.groups()}


def commands(group: click.Group, name: str) -> Iterator[str]:
    """`ordinaut up`, `ordinaut db upgrade`, …"""
    for command in group.commands.values():
        full = f"{name} {command.name}"
        if isinstance(command, click.Group):
            yield from commands(command, full)
        else:
            yield full


def test_the_api_page_is_current() -> None:
    assert API_PAGE.read_text(encoding="utf-8") == render(), "run: python -m scripts.render_api_doc"


@pytest.mark.parametrize(
    ("path", "method"), [(path, method) for path, item in describe()["paths"].items() for method in item]
)
def test_every_route_is_on_the_api_page(path: str, method: str) -> None:
    assert f"### `{method.upper()} {path}`" in page("api.md")


@pytest.mark.parametrize("name", [setting.name for setting in SETTINGS])
def test_every_setting_is_on_its_page(name: str) -> None:
    assert f"\n## {name}\n" in page("settings.md")


def test_the_readme_counts_the_settings_right() -> None:
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    assert f"[{len(SETTINGS)} settings](docs/settings.md)" in readme


@pytest.mark.parametrize("name", TOOLS)
def test_every_tool_is_on_its_page(name: str) -> None:
    assert f"\n## `{name}`\n" in page("tools.md")


def test_every_command_has_its_row_and_no_other() -> None:
    rows = re.findall(r"^\| `(ordinaut [a-z ]+[a-z])\b", page("cli.md"), re.MULTILINE)
    assert sorted(rows) == sorted(commands(ordinaut, "ordinaut"))


@pytest.mark.parametrize(
    "command", list(commands(click.Group("ordinaut", {one.name: one for one in SERVER if one.name}), "ordinaut"))
)
def test_the_operations_page_has_those_beside_an_installation(command: str) -> None:
    assert f"`{command}" in page("operations.md") or command == "ordinaut ext status"


def test_every_code_is_on_the_errors_page_with_its_status() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\d{3}) \|", page("errors.md"), re.MULTILINE)
    assert {code: int(status) for code, status in rows} == {code: kind.status for code, kind in KINDS.items()}


def test_the_types_of_failures_are_found() -> None:
    # Should the code come to be written so that the patterns see nothing, the next test would hold nothing.
    assert {"worker_lost", "run_timeout", "unexpected_status", "value_too_large", "invalid_output"} <= types()


def types() -> set[str]:
    """Every type a run, a step or a tool can fail with."""
    return found(_TYPE, _STORED_TYPE) | {"tool_failed"}


def test_the_errors_page_knows_every_type_of_failure_and_no_other() -> None:
    tables = page("errors.md").partition("## What runs fail with")[2]
    assert set(re.findall(r"^\| `([a-z_]+)` \|", tables, re.MULTILINE)) == types()


def test_the_diagram_is_the_table_in_the_code() -> None:
    diagram = page("lifecycle-of-a-run.md").partition("```mermaid")[2].partition("```")[0]
    drawn = set(re.findall(r"^ +(\w+) --> (\w+)(?::|$)", diagram, re.MULTILINE))
    assert drawn == {(before, after) for before, targets in TRANSITIONS.items() for after in targets}


def test_every_log_event_is_on_the_operations_page() -> None:
    events = found(_EVENT, _CHOSEN_EVENT)
    assert len(events) > 15
    assert not {event for event in events if f"`{event}`" not in page("operations.md")}


@pytest.mark.parametrize("path", sorted((DOCS / "adr").glob("*.md")), ids=lambda path: path.stem)
def test_a_decision_is_short_and_says_why(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= 40
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences"]
    assert text.startswith(f"# {int(path.stem[:4])}. ")


def test_the_index_names_every_page() -> None:
    pages = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")} - {"README.md"}
    assert not {name for name in pages if f"]({name})" not in page("README.md")}
