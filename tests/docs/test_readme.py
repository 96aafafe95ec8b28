"""The README's tour, line for line, against a fresh `ordinaut up`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.examples import Example, differences, examples
from tests.docs.instance import Instance
from tests.servers import REPOSITORY

PAGE = REPOSITORY / "README.md"
EXAMPLES = examples(PAGE)


@pytest.fixture(scope="module")
def answers(instance: Instance, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What each example printed. They run in one shell, since later ones use variables of earlier ones."""
    folder = tmp_path_factory.mktemp("tour")
    files = [folder / f"{number}.txt" for number in range(len(EXAMPLES))]
    for name in ("bin", ".venv"):
        (folder / name).symlink_to(REPOSITORY / name)  # the tour is gone through in the checkout
    script = "".join(f"exec >'{file}' 2>&1\n{example.command}" for file, example in zip(files, EXAMPLES, strict=True))
    done = subprocess.run(
        ["/bin/sh", "-c", script.replace("8080", str(instance.port))],
        env={"PATH": _path(), "HOME": str(folder), "ORDINAUT_HOME": str(instance.log.parent / "var")},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [file.read_text(encoding="utf-8") for file in files]


def _path() -> str:
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])


def test_there_is_a_tour() -> None:
    assert len(EXAMPLES) >= 15
    assert sum(example.shown is not None for example in EXAMPLES) >= 14


@pytest.mark.parametrize(
    ("number", "example"), list(enumerate(EXAMPLES)), ids=[example.command.splitlines()[0][:60] for example in EXAMPLES]
)
def test_the_page_shows_what_comes_back(answers: list[str], number: int, example: Example) -> None:
    if example.shown is None:
        assert not answers[number], "it prints something that the page does not show"
    else:
        assert differences(example.shown, answers[number]) == [], answers[number]
