"""Pages whose examples are one shell session, line for line, against a fresh `ordinaut up`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.examples import examples
from tests.docs.instance import Instance
from tests.docs.shell import printed, unlike
from tests.servers import REPOSITORY

PAGES = ("alerts", "as-code", "cli", "fan-out", "repair", "run-limits", "waiting", "webhooks", "writes")
ALL_THERE_IS = ("events", "mcp-servers")
"""Pages that show everything an installation holds: each has one to itself."""
EVENT_ID = re.compile(r"\b\d{13}-\d+\b")


@pytest.mark.parametrize("page", PAGES)
def test_the_page_shows_what_comes_back(instance: Instance, tmp_path: Path, page: str) -> None:
    assert _wrong(page, instance, tmp_path) == []


@pytest.mark.parametrize("page", ALL_THERE_IS)
def test_the_page_shows_all_there_is(tmp_path: Path, page: str) -> None:
    instance = Instance.start(tmp_path)
    try:
        assert _wrong(page, instance, tmp_path) == []
    finally:
        instance.stop()


def _wrong(page: str, instance: Instance, folder: Path) -> list[str]:
    found = examples(REPOSITORY / "docs" / f"{page}.md")
    assert sum(example.shown is not None for example in found) >= 3
    home = str(instance.log.parent / "var")
    answers = printed(found, port=instance.port, folder=folder, ORDINAUT_HOME=home)
    return unlike(found, answers, lambda text: EVENT_ID.sub("<event>", text))
