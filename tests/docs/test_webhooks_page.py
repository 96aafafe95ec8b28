"""docs/webhooks.md, line for line, against a fresh `ordinaut up`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.examples import Example, differences, examples
from tests.docs.instance import Instance
from tests.servers import REPOSITORY

PAGE = REPOSITORY / "docs" / "webhooks.md"
EXAMPLES = examples(PAGE)
EVENT_ID = re.compile(r"\b\d{13}-\d+\b")


@pytest.fixture(scope="module")
def answers(instance: Instance, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What each example printed; they run in one shell."""
    folder = tmp_path_factory.mktemp("webhooks")
    files = [folder / f"{number}.txt" for number in range(len(EXAMPLES))]
    script = "".join(f"exec >'{file}' 2>&1\n{example.command}" for file, example in zip(files, EXAMPLES, strict=True))
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    done = subprocess.run(
        ["/bin/sh", "-c", script.replace("8080", str(instance.port))],
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


def test_there_are_examples() -> None:
    assert sum(example.shown is not None for example in EXAMPLES) >= 5


@pytest.mark.parametrize(
    ("number", "example"), list(enumerate(EXAMPLES)), ids=[example.command.splitlines()[0][:60] for example in EXAMPLES]
)
def test_the_page_shows_what_comes_back(answers: list[str], number: int, example: Example) -> None:
    if example.shown is None:
        assert not answers[number], "it prints something that the page does not show"
    else:
        assert differences(_steady(example.shown), _steady(answers[number])) == [], answers[number]
