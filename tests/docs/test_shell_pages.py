"""Pages whose examples are one shell session, line for line, against a fresh `ordinaut up`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.docs.examples import Example, differences, examples
from tests.docs.instance import Instance
from tests.servers import REPOSITORY

PAGES = ("alerts", "as-code", "cli", "events", "fan-out", "waiting")
EVENT_ID = re.compile(r"\b\d{13}-\d+\b")


def _examples() -> Iterator[tuple[str, int, Example]]:
    for page in PAGES:
        for number, example in enumerate(examples(REPOSITORY / "docs" / f"{page}.md")):
            yield page, number, example


EXAMPLES = list(_examples())


@pytest.fixture(scope="module")
def answers(instance: Instance, tmp_path_factory: pytest.TempPathFactory) -> Answers:
    """What the examples of each page print; they run when the first of them is asked for."""
    return Answers(instance.port, tmp_path_factory.mktemp("pages"))


class Answers:
    """A page's answers, in the order of its examples."""

    def __init__(self, port: int, folder: Path) -> None:
        self._port = port
        self._folder = folder
        self.of = cache(self._of)

    def _of(self, page: str) -> list[str]:
        folder = self._folder / page
        folder.mkdir()
        commands = [example.command for name, _, example in EXAMPLES if name == page]
        files = [folder / f"{number}.txt" for number in range(len(commands))]
        script = "".join(f"exec >'{file}' 2>&1\n{one}" for file, one in zip(files, commands, strict=True))
        path = os.pathsep.join(
            [str(Path(sys.executable).parent), str(REPOSITORY / "bin"), os.environ.get("PATH", os.defpath)]
        )
        done = subprocess.run(
            ["/bin/sh", "-c", script.replace("8080", str(self._port))],
            env={"PATH": path, "HOME": str(folder)},
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return [file.read_text(encoding="utf-8") for file in files]


def _steady(text: str) -> str:
    return EVENT_ID.sub("<event>", text)


@pytest.mark.parametrize("page", PAGES)
def test_there_are_examples(page: str) -> None:
    assert sum(example.shown is not None for name, _, example in EXAMPLES if name == page) >= 3


@pytest.mark.parametrize(
    ("page", "number", "example"),
    EXAMPLES,
    ids=[f"{page}-{number}-{one.command.splitlines()[0][:40]}" for page, number, one in EXAMPLES],
)
def test_the_page_shows_what_comes_back(answers: Answers, page: str, number: int, example: Example) -> None:
    printed = answers.of(page)[number]
    if example.shown is None:
        assert not printed, "it prints something that the page does not show"
    else:
        assert differences(_steady(example.shown), _steady(printed)) == [], printed
