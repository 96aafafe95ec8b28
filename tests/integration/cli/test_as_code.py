"""`ordinaut export` and `ordinaut apply`, against a real server."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from tests.integration.cli.conftest import ORDINAUT, Client, Served

PIPELINE = [{"id": "say", "uses": "log.write", "with": {"message": "${params.text}"}}]
HEAD = "apiVersion: ordinaut/v1\nkind: Task\n"


def actions(client: Client, *words: str, code: int = 0) -> dict[str, str]:
    """What `apply` does to each task."""
    return {one["name"]: one["action"] for one in client.json("apply", *words, code=code)["changes"]}


def exported(client: Client, tag: str) -> str:
    """The tasks with this tag as documents."""
    return client.says("export", "--tag", tag)


def test_what_was_exported_changes_nothing(client: Client, tmp_path: Path) -> None:
    params = {"when": "12:30", "text": "two\nlines", "n": 1.5, "on": None}
    fields: dict[str, Any] = {
        "tags": ["round", "on"],
        "timezone": "Europe/Chisinau",
        "starts_at": "2030-01-01T08:00:00+02:00",
    }
    full = client.task(title="Full", priority=2, payload={"params": params, "pipeline": PIPELINE}, **fields)
    small = client.task(title="Small", tags=["round"])
    client.says("task", "pause", full)
    out = str(tmp_path / "exported.yaml")
    client.says("export", "--tag", "round", "-o", out)
    assert actions(client, "-f", out, "--dry-run") == {full: "keep", small: "keep"}
    assert exported(client, "round") == Path(out).read_text(encoding="utf-8")


def test_nothing_is_exported_that_is_as_it_would_be_anyway(client: Client) -> None:
    task_id = client.task(title="Small", tags=["small"])
    assert exported(client, "small") == (
        f"---\n{HEAD}id: {task_id}\nspec:\n  title: Small\n  schedule_kind: manual\n  tags:\n    - small\n"
        "  payload:\n    params: {}\n    pipeline: []\n"
    )


def test_a_changed_document_changes_its_task(client: Client) -> None:
    task_id = client.task(title="Before", tags=["changed"])
    file = client.file("a.yaml", exported(client, "changed").replace("Before", "After"))
    code, out, _ = client.run("apply", "-f", file, "--dry-run")
    assert code == 1 and "-  title: Before\n+  title: After\n" in out and f"{task_id}: would be updated" in out
    assert client.json("task", "get", task_id)["title"] == "Before"
    assert actions(client, "-f", file) == {task_id: "update"}
    assert client.json("task", "get", task_id)["title"] == "After"
    assert actions(client, "-f", file) == {task_id: "keep"}


def test_a_pause_by_hand_stays(client: Client) -> None:
    task_id = client.task(tags=["paused"])
    file = client.file("a.yaml", exported(client, "paused"))
    client.says("task", "pause", task_id)
    assert actions(client, "-f", file) == {task_id: "keep"}


def test_prune_deletes_what_is_gone_from_the_set_alone(client: Client) -> None:
    stays, other = client.task(tags=["managed-by:mine"]), client.task(tags=["managed-by:other"])
    file = client.file("a.yaml", exported(client, "managed-by:mine"))
    goes = client.task(tags=["managed-by:mine"])
    assert actions(client, "-f", file) == {stays: "keep"}
    client.says("apply", "-f", file, "--prune", code=2)
    assert actions(client, "-f", file, "--prune", "--dry-run", code=1) == {stays: "keep", goes: "delete"}
    assert actions(client, "-f", file, "--prune", "--yes") == {stays: "keep", goes: "delete"}
    client.says("task", "get", goes, code=3)
    client.says("task", "get", other)


def test_prune_needs_a_set(client: Client) -> None:
    client.task(tags=["no-set"])
    client.says("apply", "-f", client.file("a.yaml", exported(client, "no-set")), "--prune", code=2)


def test_nothing_is_written_where_one_document_is_refused(client: Client) -> None:
    fine = client.task(title="Before", tags=["refused"])
    client.task(title="Wrong", tags=["refused"])
    text = (
        exported(client, "refused").replace("Before", "After").replace("title: Wrong", "title: Wrong\n  priority: 70")
    )
    code, _, err = client.run("apply", "-f", client.file("a.yaml", text))
    assert code == 6 and "a.yaml:19: /spec/priority: priority: " in err
    assert client.json("task", "get", fine)["title"] == "Before"


def test_a_file_that_cannot_be_read_names_line_and_pointer(client: Client) -> None:
    code, _, err = client.run("apply", "-f", client.file("a.yaml", HEAD.replace("Task", "Job") + "id: a\nspec: {}\n"))
    assert code == 6 and "a.yaml:2: /kind: kind has to be Task" in err


def test_an_id_that_is_not_there_makes_nothing(client: Client) -> None:
    text = f"{HEAD}id: 019ab7d2-3c4e-7f10-8a2b-5d6e7f809a1b\nspec: {{title: A, schedule_kind: manual}}\n"
    code, _, err = client.run("apply", "-f", client.file("a.yaml", text))
    assert code == 3 and "a.yaml:4: " in err


def test_files_from_standard_input(client: Client, served: Served, tmp_path: Path) -> None:
    task_id = client.task(title="Before", tags=["piped"])
    text = exported(client, "piped").replace("Before", "After").encode()
    words = [*ORDINAUT, "task", "apply", "-f", "-", "--dry-run"]
    done = subprocess.run(words, input=text, env=served.environment(tmp_path), capture_output=True, check=False)
    assert done.returncode == 1 and done.stdout.endswith(f"{task_id}: would be updated\n".encode())
