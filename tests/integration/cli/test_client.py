"""The commands of the client, against a real server."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from app.cli.remote.servers import contexts_file
from tests.integration.cli.conftest import ORDINAUT, Client, Served

GREETS = [{"id": "greet", "uses": "log.write", "with": {"message": "Hello ${params.name}"}}]
YAML = """# a comment
title: Morning briefing
schedule_kind: cron
schedule_expr: 30 8 * * 1-5
timezone: Europe/Chisinau
tags: [from-yaml]
payload:
  params: {name: Ana}
  pipeline:
    - id: greet
      uses: log.write
      with: {message: "Hello ${params.name}"}
"""


def test_a_task_from_a_file_through_its_life(client: Client) -> None:
    task = client.json("task", "create", "-f", client.file("task.yaml", YAML))
    assert task["description_text"] == "Monday to Friday at 08:30"
    assert task["id"] in client.says("task", "list", "--tag", "from-yaml")
    assert client.says("task", "list", "-q", "--tag", "from-yaml", "--status", "active") == f"{task['id']}\n"
    for action, status in (("pause", "paused"), ("resume", "active"), ("cancel", "canceled")):
        assert client.json("task", action, task["id"])["details"]["status"] == status
        assert client.json("task", "get", task["id"])["status"] == status
    client.says("task", "delete", "-q", task["id"])
    client.says("task", "get", task["id"], code=3)


def test_a_task_from_standard_input(client: Client, served: Served, tmp_path: Path) -> None:
    words = [*ORDINAUT, "task", "validate", "-f", "-"]
    done = subprocess.run(words, input=YAML.encode(), env=served.environment(tmp_path), capture_output=True, check=True)
    assert done.stdout == b"It is valid.\n"


def test_a_preview_says_when(client: Client) -> None:
    lines = client.says("task", "preview", "-f", client.file("task.yaml", YAML)).splitlines()
    assert lines[0] == "Monday to Friday at 08:30" and lines[1].startswith("WHEN") and len(lines) == 12


def test_a_run_is_waited_for_and_its_log_read(client: Client) -> None:
    task_id = client.task(GREETS)
    done = client.json("task", "run", task_id, "-p", "name=Ion", "--wait", "--timeout", "60")
    assert done["status"] == "succeeded" and done["params"] == {"name": "Ion"}
    assert client.says("run", "list", "-q", "--task", task_id) == f"{done['id']}\n"
    assert "Hello Ion" in client.says("run", "logs", done["id"])
    assert "Hello Ion" in client.says("run", "logs", "-f", done["id"])
    shown = client.says("run", "get", done["id"])
    assert "STEP" in shown and "greet" in shown
    client.says("run", "wait", done["id"])
    client.says("run", "cancel", done["id"], code=5)


def test_a_queued_run_tells_what_holds_it_back(client: Client) -> None:
    waits = [{"id": "call", "uses": "flow.wait_event", "with": {"topic": "cli.never"}}]
    task_id = client.task(waits, overlap="queue_all")
    first, second = (client.says("task", "run", task_id, "-q").strip() for _ in range(2))
    lines = client.says("run", "get", second).splitlines()
    (held,) = [line for line in lines if line.startswith("held_by")]
    assert held.endswith("The runs of its task go one at a time, and 1 run goes before it")
    for run_id in (second, first):
        client.says("run", "cancel", run_id)


def test_a_run_is_repeated(client: Client) -> None:
    task_id = client.task(GREETS, title="Fails without a name", max_retries=0)
    client.says("task", "run", task_id, "--wait", "--timeout", "60", code=1)
    (first,) = client.json("run", "list", "--task", task_id)["items"]
    code, out, _ = client.run("run", "retry", first["id"], "--wait", "--timeout", "60")
    assert code == 1 and first["id"] not in out
    assert len(client.json("run", "list", "--task", task_id)["items"]) == 2


def test_the_same_key_gives_the_same_run(client: Client) -> None:
    task_id = client.task(GREETS)
    runs = {client.says("task", "run", task_id, "--key", "once", "-q") for _ in range(2)}
    assert len(runs) == 1


def test_snoozing_and_asking_why(client: Client) -> None:
    task = client.json("task", "create", "-f", client.file("task.yaml", YAML))
    assert client.json("task", "snooze", task["id"], "--for", "1h30m", "--reason", "Rest")["details"]["snoozed_until"]
    client.says("task", "snooze", task["id"], code=2)
    assert client.says("task", "why", task["id"]).strip()
    client.says("task", "delete", task["id"])


def test_events_are_published_and_followed(client: Client) -> None:
    first = client.says("event", "publish", "-q", "cli.first").strip()
    second = client.says("event", "publish", "-q", "cli.second", "-d", '{"n": 2}').strip()
    assert second in client.says("event", "tail", "cli.*", "--since", first, "--count", "1")
    event = json.loads(client.says("event", "tail", "cli.*", "--since", first, "--count", "1", "--json"))
    assert (event["topic"], event["payload"]) == ("cli.second", {"n": 2})
    assert "cli.first" in client.says("event", "topics")
    assert client.says("event", "publish", "-q", "cli.second", "--key", "k") == client.says(
        "event", "publish", "-q", "cli.second", "--key", "k"
    )


def test_tools_are_shown_and_called(client: Client) -> None:
    assert "log.write" in client.says("tool", "list", "-q").splitlines()
    assert client.json("tool", "get", "data.set")["name"] == "data.set"
    assert client.says("tool", "call", "data.set", "-d", '{"value": "ö"}') == "ö\n"
    assert client.json("tool", "call", "data.set", "-f", client.file("a.yaml", "value: {on: 1}")) == {"on": 1}
    client.says("tool", "call", "data.set", "-d", "{}", code=6)


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("30 8 * * 1-5", "Monday to Friday at 08:30"),
        ("FREQ=DAILY;BYHOUR=9;BYMINUTE=0;BYSECOND=0", "09:00"),
        ("2099-01-02T08:00:00Z", "2099"),
    ],
)
def test_schedules_are_explained(client: Client, expression: str, said: str) -> None:
    assert said in client.says("schedule", "explain", expression, "--timezone", "Europe/Chisinau", "--count", "1")


def test_what_is_to_come_is_told(client: Client) -> None:
    hourly = "title: Hourly by CLI\nschedule_kind: cron\nschedule_expr: 0 * * * *\n"
    task_id = client.json("task", "create", "-f", client.file("hourly.yaml", hourly))["id"]
    assert "Hourly by CLI" in client.says("schedule", "upcoming", "--hours", "2", "--limit", "500")
    found = client.json("schedule", "upcoming", "--hours", "2", "--limit", "500")["items"]
    assert task_id in {one["task_id"] for one in found}
    client.says("schedule", "upcoming", "--hours", "0", code=2)


def test_extensions_tell_how_they_are(client: Client) -> None:
    assert "observability" in client.says("ext", "status")
    assert client.json("ext", "status")["total_extensions"] >= 1


def test_yaml_is_printed(client: Client) -> None:
    task_id = client.task(GREETS, title="on")
    shown = client.says("task", "get", task_id, "-o", "yaml")
    assert "title: 'on'\n" in shown and "message: Hello ${params.name}" in shown


def test_a_login_is_kept_for_its_owner_alone(client: Client, served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ORDINAUT_URL")
    monkeypatch.delenv("ORDINAUT_TOKEN")
    monkeypatch.setattr(sys, "stdin", _Typed(served.token))
    assert "You are ana" in client.says("login", served.url, "--name", "work")
    assert stat.S_IMODE(contexts_file().stat().st_mode) == 0o600
    assert stat.S_IMODE(contexts_file().parent.stat().st_mode) == 0o700
    client.says("task", "list")
    assert served.token not in client.says("context", "list")
    assert client.json("context", "list")["items"][0]["current"] is True


def test_a_login_that_is_refused_keeps_nothing(client: Client, served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", _Typed("oat_nonsense"))
    client.says("login", served.url, code=4)
    assert not contexts_file().exists()


def test_the_environment_wins_and_a_context_that_is_named_wins_over_it(
    client: Client, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.says("context", "add", "elsewhere", "http://127.0.0.1:1", "--no-token")
    client.says("task", "list")
    client.says("task", "list", "--context", "elsewhere", code=7)
    client.says("context", "remove", "elsewhere")
    client.says("task", "list", "--context", "elsewhere", code=3)


class _Typed:
    """Standard input with one line."""

    def __init__(self, line: str) -> None:
        self._line = line

    def isatty(self) -> bool:
        return False

    def readline(self) -> str:
        return f"{self._line}\n"
