"""Documents of tasks: their form, every mistake in it, and what is written of a task."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pytest

from app.cli.manifests import Manifest, exported, read_manifests, settable
from app.cli.plans import diff
from app.cli.remote.documents import Document, json_object, read
from app.cli.remote.refusals import Refused, Stopped
from app.cli.remote.yaml_text import load_all

DEFAULTS = {"schedule_kind": None, "title": None, "tags": None, "priority": 5, "status": "active", "payload": None}
TASK: dict[str, Any] = {
    "id": "1",
    "external_id": "a",
    "title": "A",
    "schedule_kind": "manual",
    "tags": ["x", "managed-by:s"],
    "priority": 5,
    "status": "paused",
    "payload": {"params": {}, "pipeline": []},
    "created_by": "ana",
    "version": 7,
    "next_run": None,
}
HEAD = "apiVersion: ordinaut/v1\nkind: Task\n"


def test_what_is_written_of_a_task() -> None:
    document = exported(TASK, {**DEFAULTS, "created_by": None})
    assert list(document) == ["apiVersion", "kind", "external_id", "managed_by", "spec"]
    assert (document["external_id"], document["managed_by"]) == ("a", "s")
    assert list(document["spec"]) == ["title", "status", "schedule_kind", "tags", "payload"]
    assert document["spec"]["tags"] == ["x"]


@pytest.mark.parametrize("by_id", [True, False])
def test_a_task_without_an_external_id_is_written_by_its_id(by_id: bool) -> None:
    task = TASK if by_id else {**TASK, "external_id": None}
    assert exported(task, DEFAULTS, by_id=by_id)["id"] == "1"


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    from app.cli.remote.yaml_text import dump

    file = tmp_path / "tasks.yaml"
    file.write_text(dump(exported(TASK, DEFAULTS)))
    (manifest,) = read_manifests([str(file)])
    assert manifest.body()["tags"] == TASK["tags"] and manifest.path == "/tasks/by-external-id/a"


def test_defaults_come_from_the_description() -> None:
    members = {"title": {"type": "string"}, "priority": {"default": 5}}
    assert settable({"components": {"schemas": {"TaskReplace": {"properties": members}}}}) == {
        "title": None,
        "priority": 5,
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- a", "1: /: a document has to be a mapping"),
        (HEAD + "external_id: a\nspec: {}\nname: b\n", "5: /name: is none of"),
        ("kind: Task\nexternal_id: a\nspec: {}\n", "1: /apiVersion: apiVersion has to be ordinaut/v1"),
        ("apiVersion: ordinaut/v2\nkind: Job\nexternal_id: a\nspec: {}\n", "2: /kind: kind has to be Task"),
        (HEAD + "spec: {}\n", "1: /: give one of external_id and id"),
        (HEAD + "external_id: a\nid: b\nspec: {}\n", "1: /: give one of external_id and id"),
        (HEAD + "external_id: 7\nspec: {}\n", "3: /external_id: external_id has to be text"),
        (HEAD + "external_id: a\nmanaged_by: a b\nspec: {}\n", "4: /managed_by: a set has a name"),
        (HEAD + "external_id: a\nspec: []\n", "4: /spec: spec has to be a mapping"),
        (HEAD + "external_id: a\nspec: {}\n---\n" + HEAD + "external_id: a\nspec: {}\n", "a is there twice: first in "),
        ('{"kind": "Task",\n "kind": 1}', "'kind' is there twice"),
        ('{"kind":\n }', "2:2: Expecting value"),
        ("a: \x00", "it cannot be read as YAML"),
        ("a: [\n", "2:1: expected"),
    ],
)
def test_every_mistake_names_its_place(text: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "tasks.yaml"
    file.write_text(text)
    with pytest.raises(Stopped) as caught:
        read_manifests([str(file)])
    assert caught.value.exit_code == 6
    assert said in caught.value.message and caught.value.message.startswith(str(file))


def test_a_folder_is_its_files_by_name(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    for name in ("b.yaml", "a.json", "below/c.yml", "notes.md"):
        (tmp_path / name).write_text(f'{{"name": "{name}"}}')
    assert [document.value["name"] for document in read([str(tmp_path)])] == ["a.json", "b.yaml", "below/c.yml"]


def test_an_empty_folder_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(Stopped, match="holds no file"):
        read([str(tmp_path)])


@pytest.mark.parametrize(
    ("tags", "managed_by", "sent"),
    [([], "s", ["managed-by:s"]), (["managed-by:s"], "s", ["managed-by:s"]), (["a"], None, ["a"]), ("a", "s", "a")],
)
def test_the_tag_of_the_set_is_sent_along(tags: Any, managed_by: str | None, sent: Any) -> None:
    manifest = Manifest({"tags": tags}, Document({}, "f"), external_id="a", managed_by=managed_by)
    assert manifest.body()["tags"] == sent


def test_what_the_server_refuses_is_told_with_its_line() -> None:
    ((value, node),) = load_all(HEAD + "external_id: a\nspec:\n  title: A\n  priority: 70\n")
    document = Document(value, "tasks.yaml", node).part("spec")
    problem = {"pointer": "/priority", "field": "priority", "issue": "too high"}
    told = document.refused(Refused(400, {"message": "No", "details": {"errors": [problem]}}))
    assert told.message == "No\ntasks.yaml:6: /spec/priority: priority: too high"


def test_equal_documents_have_no_diff() -> None:
    assert diff("a", {"x": 1}, {"x": 1}) == ()
    assert diff("a", None, {"x": 1})[-1] == "+x: 1"


@pytest.mark.parametrize("text", ["nonsense", "[]", "1", "{"])
def test_arguments_have_to_be_an_object(text: str) -> None:
    with pytest.raises(click.UsageError):
        json_object(text)
