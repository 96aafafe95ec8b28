"""The first extension of docs/extensions.md works as it is printed, and the reference is current."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.cli.ext_check import checked
from ordinaut import Capability
from scripts.render_sdk_doc import PAGE, render
from tests.docs.examples import blocks
from tests.servers import REPOSITORY

EXTENSIONS = REPOSITORY / "docs" / "extensions.md"


@pytest.fixture(scope="module")
def greeter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that a reader has after following the page."""
    folder = tmp_path_factory.mktemp("first") / "greeter"
    (folder / "tests").mkdir(parents=True)
    (manifest,) = (text for _, text in blocks(EXTENSIONS, "json"))
    code, tests = (text for _, text in blocks(EXTENSIONS, "python"))
    (folder / "extension.json").write_text(manifest)
    (folder / "extension.py").write_text(code)
    (folder / "tests" / "test_greeter.py").write_text(tests)
    return folder


def test_it_passes_every_check(greeter: Path) -> None:
    assert {finding.word for finding in checked(greeter)} == {"ok"}


def test_its_tests_pass(greeter: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(greeter)],
        env={"PATH": os.defpath, "PYTHONPATH": f"{REPOSITORY}:{greeter}"},
        cwd=greeter.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "4 passed" in done.stdout, done.stdout


def test_the_reference_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == render(), "run: python -m scripts.render_sdk_doc"


@pytest.mark.parametrize("capability", list(Capability))
def test_every_capability_is_on_the_page(capability: Capability) -> None:
    assert f"| `{capability.value}` |" in EXTENSIONS.read_text(encoding="utf-8")
