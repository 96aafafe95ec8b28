"""docs/grants.md, line for line, against a fresh `ordinaut up` in which the tasks of agents need grants."""

from __future__ import annotations

from pathlib import Path

from tests.docs.examples import examples
from tests.docs.instance import Instance
from tests.docs.shell import printed, unlike
from tests.servers import REPOSITORY


def test_the_page_shows_what_comes_back(tmp_path: Path) -> None:
    found = examples(REPOSITORY / "docs" / "grants.md")
    given = {"ORDINAUT_AUTH": "jwt", "ORDINAUT_GRANTS": "agents"}
    one = Instance.start(tmp_path, **given)
    answers = printed(found, port=one.port, folder=tmp_path, ORDINAUT_HOME=str(tmp_path / "var"), **given)
    assert one.stop() == 0, one.lines()
    assert sum(example.shown is not None for example in found) >= 3
    assert unlike(found, answers) == []
