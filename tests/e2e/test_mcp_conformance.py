"""The endpoint for assistants, held against the protocol's own suite (`@modelcontextprotocol/conformance`).

Many of its scenarios call tools, prompts and resources of a model server by name, such as `test_image_content`. Those
are about what a server has, and not about how it speaks; here are the ones that ask for nothing in particular.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import PATIENCE, Instance
from tests.e2e.node import NODE, installed

PACKAGES = Path(__file__).parent / "mcp"
SUITE = Path("@modelcontextprotocol") / "conformance" / "dist" / "index.js"
PASSED = re.compile(r"^✓ ([a-z0-9-]+): [1-9][0-9]* passed, 0 failed", re.MULTILINE)
FAILED = re.compile(r"^✗ ([a-z0-9-]+): ", re.MULTILINE)
WHOLE = {
    "2026-07-28": {
        *("caching", "completion-complete", "dns-rebinding-protection", "http-header-validation", "prompts-list"),
        *("resources-list", "sep-2164-resource-not-found", "server-sse-multiple-streams", "tools-list"),
        *("input-required-result-ignore-extra-params", "input-required-result-missing-input-response"),
        *("input-required-result-unsupported-methods", "input-required-result-validate-input"),
    },
    "2025-11-25": {
        *("completion-complete", "dns-rebinding-protection", "ping", "prompts-list", "resources-list"),
        *("server-initialize", "tools-list"),
    },
}
"""Scenarios that ask for nothing in particular."""
MODEL = re.compile(
    r"tools-call-|prompts-get-|resources-(read|templates|subscribe|unsubscribe)|input-required-result-|tasks-|elicitation-|"
    r"json-schema-2020-12|http-custom-header-server-validation|server-stateless|logging-set-level"
)
"""Scenarios about what the suite's model server has, or about logging, which is deprecated."""


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The suite's program."""
    return installed(PACKAGES, tmp_path_factory.mktemp("conformance")) / SUITE


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """An installation with two web processes."""
    one = Instance(tmp_path_factory.mktemp("conform") / "var", WEB_CONCURRENCY="2").start()
    try:
        yield one
        assert one.stop() == 0, one.output
    finally:
        one.clean()


@pytest.mark.parametrize("version", list(WHOLE))
def test_every_scenario_about_how_servers_speak(instance: Instance, suite: Path, tmp_path: Path, version: str) -> None:
    address = f"http://127.0.0.1:{instance.port}/mcp"
    words = [NODE, str(suite), "server", "--url", address, "--requirements", version, "-o", str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert set(PASSED.findall(done.stdout)) == WHOLE[version], done.stdout[-3000:]
    assert [name for name in FAILED.findall(done.stdout) if not MODEL.match(name)] == []
