"""The page that connects an assistant: its shell session, and the addresses in the settings of clients."""

from __future__ import annotations

import re
from pathlib import Path

from tests.docs.examples import examples
from tests.docs.instance import Instance
from tests.docs.shell import printed, unlike
from tests.servers import REPOSITORY

PAGE = REPOSITORY / "docs" / "assistants.md"


def test_the_page_shows_what_comes_back(instance: Instance, tmp_path: Path) -> None:
    found = examples(PAGE)
    assert sum(example.shown is not None for example in found) >= 2
    home = str(instance.log.parent / "var")
    answers = printed(found, port=instance.port, folder=tmp_path, ORDINAUT_HOME=home)
    assert unlike(found, answers) == []
    assert '"oat_' in (tmp_path / "key.json").read_text(encoding="utf-8")


def test_every_address_is_the_one_that_answers() -> None:
    addresses = set(re.findall(r"http://127\.0\.0\.1:8080[^\s\"`]*", PAGE.read_text(encoding="utf-8")))
    assert addresses - {"http://127.0.0.1:8080/tasks"} == {"http://127.0.0.1:8080/mcp"}
