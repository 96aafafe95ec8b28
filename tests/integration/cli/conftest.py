"""A real installation that asks who is calling, and the command line beside it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.cli.main import main
from tests.docs.instance import Instance
from tests.servers import REPOSITORY

KEYS = {
    "ORDINAUT_AUTH": "jwt",
    "ORDINAUT_JWT_KEYS": "0f5c1d9a7b3e48d2a6c4f8e1b2d3c4a5f6e7d8c9b0a1f2e3d4c5b6a798877665",
    "ORDINAUT_RATE_LIMIT": "100000/minute",
    "ORDINAUT_GRANTS": "agents",
}
ORDINAUT = [sys.executable, str(REPOSITORY / "bin" / "ordinaut")]


@dataclass(frozen=True, slots=True)
class Served:
    """An installation, and keys for it."""

    url: str
    token: str
    reader_token: str

    def environment(self, folder: Path) -> dict[str, str]:
        """What a client on another machine has."""
        return {
            "PATH": os.defpath,
            "HOME": str(folder),
            "ORDINAUT_URL": self.url,
            "ORDINAUT_TOKEN": self.token,
        }


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One for the whole session; it has to stop cleanly."""
    folder = tmp_path_factory.mktemp("served")
    one = Instance.start(folder, **KEYS)
    yield Served(f"http://127.0.0.1:{one.port}", _key(folder, "ana", "admin"), _key(folder, "eve", "tasks:read"))
    assert one.stop() == 0, one.lines()


def _key(folder: Path, name: str, scope: str) -> str:
    environment = {"PATH": os.defpath, "ORDINAUT_HOME": str(folder / "var"), **KEYS}
    for words in (["agent", "create", name, "--scope", scope], ["token", "create", name]):
        done = subprocess.run([*ORDINAUT, *words, "--json"], env=environment, capture_output=True, check=True)
    return str(json.loads(done.stdout)["key"])


@pytest.fixture
def as_client(served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Served:
    """This process is a client of the installation, at home in a folder of the test's own."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("ORDINAUT_URL", served.url)
    monkeypatch.setenv("ORDINAUT_TOKEN", served.token)
    return served


@dataclass(frozen=True, slots=True)
class Client:
    """Commands, and what they print."""

    capsys: pytest.CaptureFixture[str]
    folder: Path

    def says(self, *words: str, code: int = 0) -> str:
        """What is printed on standard output; AssertionError where the exit code is another one."""
        found, out, err = self.run(*words)
        assert found == code, (words, found, out, err)
        return out

    def run(self, *words: str) -> tuple[int, str, str]:
        """Exit code, standard output, standard error."""
        self.capsys.readouterr()
        code = main(list(words))
        told = self.capsys.readouterr()
        return code, told.out, told.err

    def json(self, *words: str, code: int = 0) -> Any:
        """The JSON that is printed."""
        return json.loads(self.says(*words, "--json", code=code))

    def file(self, name: str, text: str) -> str:
        """The path of a new file."""
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return str(path)

    def task(self, pipeline: list[dict[str, Any]] | None = None, **fields: Any) -> str:
        """The id of a new manual task."""
        task = {"title": "A task", "schedule_kind": "manual", "payload": {"pipeline": pipeline or []}, **fields}
        return self.says("task", "create", "-q", "-f", self.file("task.json", json.dumps(task))).strip()


@pytest.fixture
def client(as_client: Served, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Client:
    """The command line of a client."""
    return Client(capsys, tmp_path)
