"""docs/limits.md: its settings are read, its example is run against an installation that has them."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.settings import load
from tests.docs.examples import blocks, differences, examples
from tests.docs.instance import Instance
from tests.servers import REPOSITORY

PAGE = REPOSITORY / "docs" / "limits.md"
SECONDS = re.compile(r"\b3[56]\d\d\b(?!s)")
SETTING = re.compile(r"export (?P<name>ORDINAUT_\w+)=(?P<value>'[^']*'|\S+)")


def settings_shown() -> list[tuple[str, str]]:
    """What the page exports."""
    found = [match for _, text in blocks(PAGE, "bash") for match in SETTING.finditer(text)]
    return [(match["name"], match["value"].strip("'")) for match in found]


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """An installation with the limit of the example."""
    folder = tmp_path_factory.mktemp("limits")
    one = Instance.start(folder, ORDINAUT_TOOL_LIMITS='{"data.set": {"rate": "1/hour"}}')
    yield one
    assert one.stop() == 0, one.lines()


@pytest.mark.parametrize(("name", "value"), settings_shown())
def test_the_settings_of_the_page_are_read(name: str, value: str) -> None:
    assert load({name: value}).sources[name] == "environment"


def test_the_page_shows_what_comes_back(limited: Instance, tmp_path: Path) -> None:
    (example,) = examples(PAGE)
    script = example.command.replace("8080", str(limited.port))
    done = subprocess.run(
        ["/bin/sh", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
    )
    assert example.shown is not None
    assert differences(SECONDS.sub("3600", example.shown), SECONDS.sub("3600", done.stdout)) == []
