"""The endpoint for assistants, held against the protocol's own suite (`@modelcontextprotocol/conformance`).

Many of its scenarios call tools, prompts and resources of a model server by name, such as `test_image_content`. An
extension that is for this test alone has them, through the same SDK as any other; its long jobs are runs of a worker.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import PATIENCE, Instance
from tests.e2e.node import NODE, installed
from tests.servers import REPOSITORY

PACKAGES = Path(__file__).parent / "mcp"
SUITE = Path("@modelcontextprotocol") / "conformance" / "dist" / "index.js"
MODEL = REPOSITORY / "tests" / "fakes" / "conformance"
FOLDER = re.compile(r"server-([a-z0-9-]+?)-\d{4}-\d{2}-\d{2}T[0-9-]+Z")
LEAST: Mapping[str, int] = {"2026-07-28": 194, "2025-11-25": 63}
"""Checks that pass at the least."""
BACK_CHANNEL: Mapping[str, set[str]] = {
    "2026-07-28": set(),
    "2025-11-25": {
        "elicitation-sep1034-defaults: elicitation-sep1034-general",
        "elicitation-sep1330-enums: elicitation-sep1330-general",
        "tools-call-elicitation: tools-call-elicitation",
        "tools-call-sampling: tools-call-sampling",
    },
}
"""What fails: requests from the server to the client, for which there would have to be sessions."""
TASKS = {
    *("tasks-lifecycle", "tasks-capability-negotiation", "tasks-wire-fields", "tasks-request-state-removal"),
    *("tasks-mrtr-input", "tasks-request-headers", "tasks-dispatch-and-envelope", "tasks-required-task-error"),
    "tasks-mrtr-composition",
}
"""Scenarios about tasks; a tenth, tasks-status-notifications, the suite itself skips."""


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The suite's program."""
    return installed(PACKAGES, tmp_path_factory.mktemp("conformance")) / SUITE


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """An installation with two web processes and the extension."""
    home = tmp_path_factory.mktemp("conform") / "var"
    one = Instance(home, WEB_CONCURRENCY="2", ORDINAUT_EXT_PATHS=str(MODEL)).start()
    try:
        yield one
        assert one.stop() == 0, one.output
    finally:
        one.clean()


@pytest.mark.parametrize("version", list(LEAST))
def test_every_check_that_needs_no_back_channel_passes(
    instance: Instance, suite: Path, tmp_path: Path, version: str
) -> None:
    checks = checked(instance, suite, tmp_path, "--requirements", version)
    failed = {f"{scenario}: {one['id']}" for scenario, one in checks if one["status"] == "FAILURE"}
    told = [
        f"{scenario}: {one['id']}: {one.get('errorMessage')}" for scenario, one in checks if one["status"] == "FAILURE"
    ]
    assert failed == BACK_CHANNEL[version], "\n".join(told)
    passed = [scenario for scenario, one in checks if one["status"] == "SUCCESS"]
    assert len(passed) >= LEAST[version], passed
    assert version < "2026-07-28" or set(passed) >= TASKS


def checked(instance: Instance, suite: Path, folder: Path, *words: str) -> list[tuple[str, dict[str, Any]]]:
    """Every check that the suite made, with its scenario; AssertionError with what it said where it made none."""
    address = f"http://127.0.0.1:{instance.port}/mcp"
    command = [NODE, str(suite), "server", "--url", address, *words, "-o", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=3 * PATIENCE, check=False)
    found = {FOLDER.fullmatch(path.parent.name): path for path in folder.glob("**/checks.json")}
    checks = [(match[1], one) for match, path in found.items() if match for one in json.loads(path.read_bytes())]
    assert checks, done.stdout[-3000:] + done.stderr[-3000:]
    return checks
