"""Pages whose examples are one shell session: run, and compared with what the page shows."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.docs.examples import Example, differences
from tests.servers import REPOSITORY

SECONDS = 110
"""Less than what the suite gives a test."""


def printed(examples: Sequence[Example], *, port: int, folder: Path, **env: str) -> list[str]:
    """What each example prints; they run in one shell, in a folder that is their home, where 8080 is the port."""
    files = [folder / f"{number}.txt" for number in range(len(examples))]
    script = "".join(f"exec >'{file}' 2>&1\n{example.command}" for file, example in zip(files, examples, strict=True))
    path = os.pathsep.join([str(REPOSITORY / "bin"), str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    done = subprocess.run(
        ["/bin/sh", "-c", script.replace("8080", str(port))],
        env={"PATH": path, "HOME": str(folder), **env},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [file.read_text(encoding="utf-8") for file in files]


def unlike(examples: Sequence[Example], answers: Sequence[str], steady: Callable[[str], str] = str) -> list[str]:
    """What differs from the page, with the first line of the command and what it printed."""
    found: list[str] = []
    for example, answer in zip(examples, answers, strict=True):
        wrong = differences(steady(example.shown), steady(answer)) if example.shown is not None else []
        if example.shown is None and answer:
            wrong = ["it prints something that the page does not show"]
        found += [f"{example.command.splitlines()[0]}: {one}; printed: {answer}" for one in wrong]
    return found
