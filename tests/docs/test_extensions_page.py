"""The first extension of docs/extensions.md works as it is printed, and the reference is current."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from app.cli.ext_check import checked
from ordinaut import Capability
from scripts.render_sdk_doc import PAGE, render
from tests.docs.examples import blocks
from tests.integration.api.conftest import Api, make_settings, serving
from tests.servers import REPOSITORY, Databases

EXTENSIONS = REPOSITORY / "docs" / "extensions.md"


@pytest.fixture(scope="module")
def greeter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that a reader has after following the page."""
    folder = tmp_path_factory.mktemp("first") / "greeter"
    (folder / "tests").mkdir(parents=True)
    (manifest,) = (text for _, text in blocks(EXTENSIONS, "json"))
    code, tests, *_ = (text for _, text in blocks(EXTENSIONS, "python"))
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


@pytest.fixture(scope="module")
def served(greeter: Path, databases: Databases) -> Iterator[Api]:
    """The platform with the reader's extension."""
    url = databases.sqlite(greeter.parent / "ordinaut.db")
    with serving(make_settings(url, greeter.parent, ORDINAUT_EXT_PATHS=str(greeter))) as api:
        yield api


def test_its_stream_tells_of_what_was_lost_and_goes_on(served: Api) -> None:
    headers = {"Last-Event-ID": "1999999999999-0"}
    with served.send("GET", "/ext/greeter/watch", headers=headers, expect=200, buffered=False) as answer:
        parts = cast("Iterator[bytes]", iter(answer.response))
        seen = [next(parts) for _ in range(2)]
        event_id = served.post("/ext/greeter/greet", {"name": "Ana"})["event_id"]
        seen.append(next(parts))
    assert b"".join(seen).startswith(b": ok\n")
    assert b"event: gap" in seen[-2] and b"id:" not in seen[-2] and b"unknown_id" in seen[-2]
    assert seen[-1] == f'id: {event_id}\ndata: {{"name": "Ana"}}\n\n'.encode()


def test_its_stream_refuses_an_id_that_is_none(served: Api) -> None:
    body = served.get("/ext/greeter/watch", headers={"Last-Event-ID": "yesterday"}, expect=400)
    assert body["details"]["field"] == "Last-Event-ID"


def test_the_reference_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == render(), "run: python -m scripts.render_sdk_doc"


@pytest.mark.parametrize("capability", list(Capability))
def test_every_capability_is_on_the_page(capability: Capability) -> None:
    assert f"| `{capability.value}` |" in EXTENSIONS.read_text(encoding="utf-8")
