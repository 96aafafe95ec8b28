"""`ordinaut ext`: what it makes passes what it checks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.extensions import write_extension
from tests.servers import REPOSITORY


def run(*words: str, cwd: Path | None = None, **environ: str) -> subprocess.CompletedProcess[str]:
    """The command with these words, in an environment of its own."""
    return subprocess.run(
        [sys.executable, str(REPOSITORY / "bin" / "ordinaut"), "ext", *words],
        env={"PATH": os.defpath, **environ},
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )


def findings(path: Path, code: int = 0) -> dict[str, dict[str, Any]]:
    done = run("check", str(path), "--json")
    assert done.returncode == code, done.stdout + done.stderr
    return {one["name"]: one for one in json.loads(done.stdout)["findings"]}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new extension, as the command makes it."""
    folder = tmp_path_factory.mktemp("made")
    done = run("new", "my_shop", "--into", str(folder))
    assert done.returncode == 0, done.stderr
    return folder / "my_shop"


def test_a_new_extension_passes_every_check(made: Path) -> None:
    assert {one["word"] for one in findings(made).values()} == {"ok"}


def test_the_tests_of_a_new_extension_pass(made: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=made,
        env={"PATH": os.defpath, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "8 passed" in done.stdout


@pytest.mark.parametrize("extension_id", ["Shop", "9lives", "status", "a-b", "x" * 41])
def test_an_id_that_cannot_be_one_makes_nothing(tmp_path: Path, extension_id: str) -> None:
    assert run("new", extension_id, "--into", str(tmp_path)).returncode == 2
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_there_is_left_alone(made: Path) -> None:
    assert run("new", "my_shop", "--into", str(made.parent)).returncode == 2


BROKEN = [
    # each row: what is wrong with the extension, and the check that finds it
    ({"code": "import nothing_like_this"}, "load"),
    ({"code": "import socket\nsocket.getaddrinfo('localhost', 80)\nraise SystemExit"}, "load"),
    ({"routes": "import socket\nsocket.getaddrinfo('localhost', 80)"}, "network"),
    ({"routes": "import app.factory"}, "imports"),
    ({"routes": "if not context.grants:\n    raise KeyError('I want more')"}, "no grants"),
    ({"routes": "@page.errorhandler(404)\ndef mine(_):\n    return 'gone', 404\n"
                '@page.get("/no/such/address-a1b2c3")\ndef odd():\n    return "no", 404'}, "errors"),
    ({"grants": ["ROOT"]}, "discovery"),
]  # fmt: skip


@pytest.mark.parametrize(("what", "check"), BROKEN)
def test_a_broken_promise_is_found(tmp_path: Path, what: dict[str, Any], check: str) -> None:
    home = write_extension(tmp_path, "shop", **what)
    assert findings(home, code=1)[check]["word"] == "FAIL"


def test_what_is_asked_for_and_not_allowed_is_said(tmp_path: Path) -> None:
    home = write_extension(tmp_path, "shop", grants=["ROUTES"])
    done = run("check", str(home), "--json")
    told = [one["text"] for one in json.loads(done.stdout)["findings"] if one["word"] == "warn"]
    asked = "BACKGROUND_TASKS, EVENTS_PUB, EVENTS_SUB, STATIC, TOOLS"
    assert f"It asks for what the manifest does not allow: {asked}" in told


def test_what_does_not_load_is_not_tried_with_less(tmp_path: Path) -> None:
    home = write_extension(tmp_path, "shop", code="import nothing_like_this")
    assert "no grants" not in findings(home, code=1)


def test_a_path_that_leads_nowhere_is_named_in_full(tmp_path: Path) -> None:
    done = run("check", "greeter", cwd=tmp_path)
    assert done.returncode == 2
    assert f"There is no {tmp_path / 'greeter'}: name the folder of an extension" in " ".join(done.stderr.split())


def test_the_list_shows_what_there_is_and_what_is_wrong(tmp_path: Path) -> None:
    write_extension(tmp_path, "shop", code="raise AssertionError('imported')", grants=["TOOLS"])
    write_extension(tmp_path, "sick", grants=["ROOT"])
    done = run("list", "--json", ORDINAUT_EXT_PATHS=str(tmp_path))
    rows = {row["id"]: row for row in json.loads(done.stdout)}
    assert (rows["shop"]["state"], rows["shop"]["capabilities"]) == ("discovered", ["TOOLS"])
    assert rows["sick"]["state"] == "failed"
    assert rows["webui"]["source"] == "builtin"
    assert "shop" in run("list", ORDINAUT_EXT_PATHS=str(tmp_path)).stdout
