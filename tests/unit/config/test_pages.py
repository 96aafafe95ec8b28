"""The settings page and the lock files are current."""

from __future__ import annotations

import re
import tomllib

import pytest

from scripts.render_settings_doc import PAGE, render
from tests.servers import REPOSITORY

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]


def wanted(requirements: list[str]) -> set[str]:
    """The names in a list of requirements, as the index normalises them (PEP 503)."""
    return {re.sub(r"[-_.]+", "-", re.split(r"[\[<>=~! ;]", line)[0]).lower() for line in requirements}


def test_the_settings_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == render(), "run: python -m scripts.render_settings_doc"


@pytest.mark.parametrize(
    ("file", "names"),
    [
        ("requirements.txt", wanted(PROJECT["dependencies"])),
        ("requirements-test.txt", wanted(PROJECT["dependencies"] + PROJECT["optional-dependencies"]["test"])),
    ],
)
def test_what_the_project_asks_for_is_locked_with_hashes(file: str, names: set[str]) -> None:
    text = (REPOSITORY / file).read_text()
    locked = set(re.findall(r"^([a-z0-9._-]+)==", text, re.MULTILINE))
    assert names <= locked, "run: scripts/lock.sh"
    assert "://" not in text and text.count("--hash=sha256:") > len(locked)


def test_both_lock_files_agree() -> None:
    pins = [set(re.findall(r"^\S+==\S+.*$", (REPOSITORY / name).read_text(), re.MULTILINE)) for name in
            ("requirements.txt", "requirements-test.txt")]  # fmt: skip
    assert pins[0] <= pins[1], "run: scripts/lock.sh"


def test_every_dependency_is_explained() -> None:
    page = (REPOSITORY / "docs" / "dependencies.md").read_text(encoding="utf-8")
    missing = {name for name in wanted(PROJECT["dependencies"]) if f"| {name} |" not in page}
    assert not missing
