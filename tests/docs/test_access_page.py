"""docs/access.md, line for line, against a fresh installation with tokens; its tables against the code."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.domain.scopes import SCOPES
from config.access import PUBLIC_ROUTES
from tests.docs.examples import examples
from tests.docs.shell import printed, unlike
from tests.servers import REPOSITORY, free_port, wait_for

PAGE = REPOSITORY / "docs" / "access.md"
HIDDEN = re.compile(r'("(?:ticket|hash|head|resource|client_id)":\s*)"[^"]+"')


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Of the processes of an installation."""
    folder = tmp_path_factory.mktemp("access")
    return {
        "PATH": os.pathsep.join([str(REPOSITORY / "bin"), str(Path(sys.executable).parent), os.defpath]),
        "HOME": str(folder),
        "ORDINAUT_HOME": str(folder / "var"),
        "ORDINAUT_AUTH": "jwt",
        "PORT": str(free_port()),
        "LOG_LEVEL": "WARNING",
    }


@pytest.fixture(scope="module")
def port(environment: dict[str, str]) -> Iterator[int]:
    """Where its web process listens."""
    python, port = sys.executable, int(environment["PORT"])
    ordinaut = [python, str(REPOSITORY / "bin" / "ordinaut")]
    subprocess.run([*ordinaut, "db", "upgrade"], env=environment, check=True, capture_output=True)
    web = subprocess.Popen([*ordinaut, "web"], env=environment, stdin=subprocess.DEVNULL)
    wait_for(lambda: _listens(port) or web.poll() is not None, seconds=30, what="the web process")
    yield port
    web.send_signal(signal.SIGTERM)
    assert web.wait(30) == 0


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_the_page_shows_what_comes_back(port: int, environment: dict[str, str], tmp_path: Path) -> None:
    found = examples(PAGE)
    answers = printed(found, port=port, folder=tmp_path, **environment)
    assert unlike(found, answers, lambda text: HIDDEN.sub(r'\1"…"', text)) == []


def test_every_scope_is_in_the_table_with_its_words() -> None:
    rows = dict(re.findall(r"^\| `([^`]+)` \| ([^|]+) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    assert {name: words for name, words in rows.items() if not name.startswith("ext:")} == dict(SCOPES)


def test_every_public_route_is_named() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert [route for route in PUBLIC_ROUTES if f"`{route}" not in page] == []
