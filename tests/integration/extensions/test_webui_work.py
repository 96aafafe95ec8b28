"""Working with many runs, with logs, and with pipelines as they are written."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from html import unescape
from typing import Any

import pytest

from extensions.webui.definition import from_yaml
from tests.integration.api.conftest import Api, make_settings, serving
from tests.integration.extensions.pages import HOME, failing, page, post
from tests.servers import Databases


@pytest.fixture(scope="module")
def lasting(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """One installation for all tests of this file, which leave each other alone."""
    folder = tmp_path_factory.mktemp("webui-work")
    with serving(make_settings(databases.sqlite(folder / "ordinaut.db"), folder)) as api:
        yield api


def test_a_pipeline_is_read_while_it_is_written(lasting: Api) -> None:
    def problems(text: Any, expect: int = 200) -> Any:
        answer = lasting.send("POST", f"{HOME}/api/lint", json={"text": text}, expect=expect)
        return answer.get_json()["problems"] if expect == 200 else answer.get_json()

    text = "- id: a\n  uses: no.tool\n"
    [found] = problems(text)
    assert text[found["from"] : found["to"]] == "no.tool" and "no.tool" in found["message"]
    assert found["severity"] == "error"
    assert problems("- id: a\n  uses: data.set\n  with: {value: 1}\n") == [] == problems("")
    assert "line" in problems("- [")[0]["message"]
    assert problems("just words")[0]["message"]
    assert problems(5, expect=400)["details"]["field"] == "text"
    words = lasting.get(f"{HOME}/api/words")
    assert "foreach" in words["keys"] and "message" in words["tools"]["log.write"]["arguments"]


def test_the_log_is_narrowed_by_level_and_words(lasting: Api) -> None:
    said = {"info": "all is quiet", "warning": "a STORM comes", "error": "the storm is here"}
    steps = [{"uses": "log.write", "with": {"message": text, "level": level}} for level, text in said.items()]
    run_id = lasting.run(lasting.task(payload={"pipeline": steps}))
    lasting.work()

    def lines(query: str) -> list[str]:
        shown = page(lasting, f"/runs/{run_id}?{query}")
        return [text for text in said.values() if f"<span>{text}</span>" in shown]

    assert len(lines("")) == 3 and len(lines("level=odd")) == 3
    assert lines("level=warning") == ["a STORM comes", "the storm is here"]
    assert lines("find=storm&level=error&wrap=off") == ["the storm is here"]
    assert "No line is like this." in page(lasting, f"/runs/{run_id}?find=snow")
    assert "lines flat" in page(lasting, f"/runs/{run_id}?wrap=off")
    whole = lasting.send("GET", f"{HOME}/runs/{run_id}/log.txt", expect=200).get_data(as_text=True)
    assert "all is quiet" in whole and "the storm is here" in whole


def test_many_runs_are_repeated_after_a_look_at_what_that_means(lasting: Api) -> None:
    task, run_id = failing(lasting)
    _, other = failing(lasting)
    narrowed = f"status=failed&task_id={task['id']}&trigger=manual&since=24h"
    shown = page(lasting, f"/runs?{narrowed}")
    assert run_id in shown and other not in shown and "Repeat 1 run" in shown and "Cancel all" not in shown
    address = re.search(r'href="/ext/webui(/runs/bulk\?[^"]+)"', shown)
    assert address
    looked = page(lasting, address[1].replace("&amp;", "&"))
    assert "Nothing is done yet. Found: 1" in looked and run_id in looked and other not in looked
    assert lasting.get(f"/runs?task_id={task['id']}")["total"] == 1
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]+)"', looked.partition("<main")[2]))
    assert "Done: 1." in post(lasting, "/runs/bulk", fields, expect=200)
    again = lasting.get(f"/runs?task_id={task['id']}")["items"]
    assert [one["trigger"] for one in again] == ["rerun", "manual"]


def test_many_runs_are_canceled(lasting: Api) -> None:
    task = lasting.task(title="Sleepers", payload={"pipeline": [{"uses": "flow.sleep", "with": {"seconds": 3600}}]})
    runs = [lasting.run(task) for _ in range(3)]
    lasting.work()
    assert "Cancel all 3" in page(lasting, f"/runs?status=waiting&task_id={task['id']}")
    told = post(lasting, "/runs/bulk", expect=200, action="cancel", status="waiting", task_id=task["id"])
    assert "Done: 3." in told
    assert {lasting.get(f"/runs/{one}")["status"] for one in runs} == {"canceled"}


def test_all_runs_at_once_are_never_meant(lasting: Api) -> None:
    assert "at least one" in post(lasting, "/runs/bulk", expect=400, action="cancel")
    assert "action" in post(lasting, "/runs/bulk", expect=400, action="explode", status="failed")
    everything = page(lasting, "/runs?status=odd&trigger=odd&since=odd&offset=odd")
    assert "Repeat all" not in everything and "Cancel all" not in everything


def test_a_task_tells_how_its_runs_went_and_who_changed_it(lasting: Api) -> None:
    task, run_id = failing(lasting)
    lasting.send("PATCH", f"/tasks/{task['id']}", json={"title": "Renamed", "payload": {"pipeline": []}}, expect=200)
    lasting.run(task)
    lasting.work()
    stats = page(lasting, f"/tasks/{task['id']}/stats?days=30")
    assert "50<u>%</u>" in stats.replace(" ", "") and f"/runs/{run_id}" in stats and stats.count("<rect class=") == 2
    assert 'href="?days=30" aria-current="true"' in stats
    assert 'href="?days=7" aria-current="true"' in page(lasting, f"/tasks/{task['id']}/stats?days=odd")
    history = page(lasting, f"/tasks/{task['id']}/history")
    assert "task.updated" in history and "Broken" in history and "Renamed" in history and "task.created" in history
    for more in ("stats", "history"):
        assert "Task not found" in page(lasting, f"/tasks/01a21000-0000-7000-8000-000000000000/{more}", expect=404)


KINDS = [
    {"schedule_kind": "manual", "max_retries": 0, "tags": ["a"]},
    {"schedule_kind": "cron", "schedule_expr": "*/5 * * * *", "misfire": "all", "catchup_max": 3, "jitter_seconds": 20},
    {"schedule_kind": "cron", "schedule_expr": "0 9 * * *", "ends_at": "2099-01-01T00:00:00Z", "max_runs": 4},
    {"schedule_kind": "event", "schedule_expr": "shop.*", "debounce_seconds": 5, "expect": {"finish_within": 60}},
    {"schedule_kind": "once", "schedule_expr": "2099-01-01T00:00:00Z", "overlap": "queue_all", "concurrency_key": "k"},
]
WAYS = ("curl", "cli", "python")
OWN = {"id", "created_at", "updated_at", "version", "next_run", "next_run_effective", "external_id"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_task_is_told_as_commands_that_make_it_again(lasting: Api, kind: dict[str, Any]) -> None:
    task = lasting.task(title="Don't “say” it", description="Two\nlines", **kind)
    shown = page(lasting, f"/tasks/{task['id']}")
    texts = {
        one: unescape(shown.partition(f'id="as-{one}"')[2].partition(">")[2].partition("</pre>")[0]) for one in WAYS
    }
    bodies = [
        json.loads(texts["curl"].partition("<<'JSON'\n")[2].rpartition("\nJSON")[0]),
        from_yaml(texts["cli"].partition("<<'YAML'\n")[2].rpartition("YAML")[0]),
        ast.literal_eval(texts["python"].partition("task = ")[2].partition("\nanswer = ")[0]),
    ]
    for body in bodies:
        made = lasting.task(**body)
        assert {**made, **dict.fromkeys(OWN)} == {**task, **dict.fromkeys(OWN)}


def test_a_run_in_line_says_what_holds_it_back(lasting: Api) -> None:
    nap = {"pipeline": [{"uses": "flow.sleep", "with": {"seconds": 3600}}]}
    task = lasting.task(title="In line", payload=nap, overlap="queue_all")
    first = lasting.run(task)
    lasting.work()
    second = lasting.run(task)
    shown = page(lasting, f"/runs/{second}")
    assert 'class="held"' in shown and (f"/runs/{first}" in shown or "worker" in shown)
    assert 'class="held"' not in page(lasting, f"/runs/{first}")


def test_the_audit_log_is_narrowed_by_its_address(lasting: Api) -> None:
    task = lasting.task(title="Watched")
    lasting.send("PUT", "/secrets/WATCHED", json={"value": "x"}, expect=200)
    main = page(lasting, f"/audit?kind=task&actor=local&target={task['id']}").partition("<main")[2]
    assert "task.created" in main and "secret.created" not in main and f"/tasks/{task['id']}" in main
    assert 'value="task" selected' in main and 'value="local"' in main and "1 entry." in main
    assert "secret.created" in page(lasting, "/audit?kind=secret&actor=")
    assert "Nothing is like this." in page(lasting, "/audit?actor=nobody")


def test_health_tells_what_was_checked_and_who_is_missing(lasting: Api) -> None:
    main = page(lasting, "/health").partition("<main")[2]
    assert "database" in main and "answered within" in main
    assert "0 processes do the work." in main and "unhealthy" in main, "nobody works here"
    assert "Everything that is checked is well." not in main
