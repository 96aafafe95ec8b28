"""docs/approvals.md, line for line, against a fresh `ordinaut up` with tokens."""

from __future__ import annotations

from pathlib import Path

from tests.docs.examples import examples
from tests.docs.instance import Instance
from tests.docs.shell import printed, unlike
from tests.servers import REPOSITORY


def test_the_page_shows_what_comes_back(tmp_path: Path) -> None:
    found = examples(REPOSITORY / "docs" / "approvals.md")
    one = Instance.start(tmp_path, ORDINAUT_AUTH="jwt")
    answers = printed(found, port=one.port, folder=tmp_path, ORDINAUT_HOME=str(tmp_path / "var"), ORDINAUT_AUTH="jwt")
    assert one.stop() == 0, one.lines()
    assert sum(example.shown is not None for example in found) >= 3
    assert unlike(found, answers) == []
