"""docs/approvals.md, line for line, against a fresh `ordinaut up` with tokens."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.examples import Example, differences, examples
from tests.docs.instance import Instance
from tests.servers import REPOSITORY

EXAMPLES = examples(REPOSITORY / "docs" / "approvals.md")


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Instance, Path]]:
    """An installation that asks for tokens, and its folder."""
    folder = tmp_path_factory.mktemp("approvals")
    one = Instance.start(folder, ORDINAUT_AUTH="jwt")
    yield one, folder
    assert one.stop() == 0, one.lines()


@pytest.fixture(scope="module")
def answers(guarded: tuple[Instance, Path]) -> list[str]:
    """What each example printed; they run in one shell."""
    instance, folder = guarded
    files = [folder / f"{number}.txt" for number in range(len(EXAMPLES))]
    script = "".join(f"exec >'{file}' 2>&1\n{example.command}" for file, example in zip(files, EXAMPLES, strict=True))
    path = os.pathsep.join([str(REPOSITORY / "bin"), str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    subprocess.run(
        ["/bin/sh", "-c", script.replace("8080", str(instance.port))],
        env={"PATH": path, "HOME": str(folder), "ORDINAUT_HOME": str(folder / "var"), "ORDINAUT_AUTH": "jwt"},
        cwd=folder,
        timeout=120,
        check=True,
    )
    return [file.read_text(encoding="utf-8") for file in files]


def test_there_are_examples() -> None:
    assert sum(example.shown is not None for example in EXAMPLES) >= 3


@pytest.mark.parametrize(
    ("number", "example"), list(enumerate(EXAMPLES)), ids=[example.command.splitlines()[0][:60] for example in EXAMPLES]
)
def test_the_page_shows_what_comes_back(answers: list[str], number: int, example: Example) -> None:
    if example.shown is None:
        assert not answers[number], "it prints something that the page does not show"
    else:
        assert differences(example.shown, answers[number]) == [], answers[number]
