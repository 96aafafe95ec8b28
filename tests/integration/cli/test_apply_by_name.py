"""`ordinaut apply` of documents with external ids, against a server in memory that makes tasks by them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.cli.main import main
from tests.fakes.task_server import TaskServer, task_server


@dataclass(frozen=True, slots=True)
class Applied:
    """A server, and files to apply to it."""

    server: TaskServer
    file: Path
    capsys: pytest.CaptureFixture[str]

    def apply(self, text: str, *words: str, code: int = 0) -> str:
        """What applying this text prints."""
        self.file.write_text(text, encoding="utf-8")
        self.capsys.readouterr()
        found = main(["apply", "-f", str(self.file), *words])
        told = self.capsys.readouterr()
        assert found == code, told
        return told.out + told.err

    def actions(self, text: str, *words: str, code: int = 0) -> dict[str, str]:
        """What it does to each task."""
        changes = json.loads(self.apply(text, *words, "--json", code=code))["changes"]
        return {one["name"]: one["action"] for one in changes}


@pytest.fixture
def applied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Applied]:
    """With a server of the test's own."""
    with task_server() as server:
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("ORDINAUT_URL", server.url)
        yield Applied(server, tmp_path / "a.yaml", capsys)


def document(name: str, spec: str, head: str = "") -> str:
    """A document of YAML."""
    begin = f"---\napiVersion: ordinaut/v1\nkind: Task\nexternal_id: {name}\n"
    return f"{begin}{head}spec:\n  schedule_kind: manual\n  {spec}\n"


def test_a_task_is_made_changed_and_left_alone(applied: Applied) -> None:
    one, two = document("made/ö", "title: One"), document("made/ö", "title: Two")
    assert applied.actions(one, "--dry-run", code=1) == {"made/ö": "create"}
    assert applied.actions(one) == {"made/ö": "create"}
    assert applied.actions(one, "--dry-run") == {"made/ö": "keep"}
    told = applied.apply(two, "--dry-run", code=1)
    assert "-  title: One\n+  title: Two\n" in told and told.endswith("made/ö: would be updated\n")
    assert applied.actions(two) == {"made/ö": "update"}
    assert applied.actions(two) == {"made/ö": "keep"}
    assert applied.server.written == ["PUT /tasks/by-external-id/made%2F%C3%B6"] * 2


def test_nothing_is_written_where_one_document_is_refused(applied: Applied) -> None:
    told = applied.apply(document("fine", "title: A") + document("wrong", "title: A\n  priority: 70"), code=6)
    assert "a.yaml:15: /spec/priority: priority: 1 to 9" in told and applied.server.written == []


def test_prune_deletes_what_is_gone_from_the_set_alone(applied: Applied) -> None:
    stays, goes = document("stays", "title: A"), document("goes", "title: B")
    applied.apply(stays + goes, "--set", "mine")
    applied.apply(document("other", "title: C", "managed_by: other\n"))
    applied.apply(stays, "--set", "mine", "--prune", code=2)
    assert applied.actions(stays, "--set", "mine", "--prune", "--yes") == {"stays": "keep", "goes": "delete"}
    assert {task["external_id"] for task in applied.server.tasks.values()} == {"stays", "other"}


@pytest.mark.parametrize(("agreed", "code", "left"), [(False, 1, 1), (True, 0, 0)])
def test_deleting_is_asked_for(
    applied: Applied, monkeypatch: pytest.MonkeyPatch, agreed: bool, code: int, left: int
) -> None:
    applied.apply(document("asked", "title: A"), "--set", "s")
    monkeypatch.setattr("app.cli.apply._terminal", lambda: True)
    monkeypatch.setattr("click.confirm", lambda *_, **__: agreed)
    applied.apply("---\n", "--set", "s", "--prune", code=code)
    assert len(applied.server.tasks) == left


def test_what_was_exported_changes_nothing(applied: Applied) -> None:
    spec = 'title: "on"\n  priority: 2\n  status: paused\n  tags: [a]\n  payload: {params: {when: "12:30"}}'
    applied.apply(document("b", spec, "managed_by: s\n") + document("a", "title: A"))
    applied.capsys.readouterr()
    assert main(["export"]) == 0
    text = applied.capsys.readouterr().out
    assert text.index("external_id: a") < text.index("external_id: b")
    assert applied.actions(text, "--dry-run") == {"a": "keep", "b": "keep"}
