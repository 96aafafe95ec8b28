"""Servers that ask for things and take their time: runs wait for them without a worker."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from app.bootstrap.parts import open_database
from app.services import mcp as service
from app.services.execution import Executor
from app.tools import mcp_conversation, mcp_pauses
from tests.fakes.mcp_remote import Remote
from tests.fakes.mcp_task_server import FORM, NUMBER
from tests.integration.api.conftest import Api, make_settings, serving
from tests.integration.mcp.conftest import worked
from tests.servers import wait_for

ACCEPT = {"decision": "approve", "form": {"account": "main"}}


@pytest.fixture
def api(database_url: str, tmp_path: Path, remote: Remote, hurried: None) -> Iterator[Api]:
    """The application, on SQLite and on PostgreSQL, which has asked the server for its tools."""
    servers = json.dumps({"far": {"url": remote.url}})
    with serving(make_settings(database_url, tmp_path, ORDINAUT_MCP_SERVERS=servers)) as api:
        assert api.post("/mcp/servers/far/test")["error"] is None
        yield api


def started(api: Api, tool: str, *, max_retries: int = 0, **arguments: Any) -> str:
    """A run of one call, at the point where no worker can do more."""
    steps = [
        {"id": "far", "uses": f"far.{tool}", "with": arguments},
        {"id": "then", "uses": "data.set", "with": {"value": "${steps.far}"}},
    ]
    run_id = api.run(api.task(payload={"pipeline": steps}, max_retries=max_retries))
    if max_retries:
        api.work()
    else:
        worked(api, run_id)
    return run_id


def pending(api: Api, run_id: str) -> Any:
    """What the run asks."""
    assert api.get(f"/runs/{run_id}")["status"] == "waiting"
    (found,) = api.get(f"/approvals?run_id={run_id}&status=pending")["items"]
    return found


def decided(api: Api, run_id: str, decision: Any) -> Any:
    """The run after the answer."""
    api.post(f"/approvals/{pending(api, run_id)['id']}/decide", decision)
    worked(api, run_id)
    return api.get(f"/runs/{run_id}")


def test_a_task_that_asks_is_an_approval_and_goes_on_with_the_answer(api: Api, remote: Remote) -> None:
    run_id = started(api, "work", asks={"account": FORM})
    asked = pending(api, run_id)
    assert (asked["title"], asked["form"], asked["data"]) == ("Which account?", FORM, {"server": "far"})
    refused = api.post(f"/approvals/{asked['id']}/decide", {**ACCEPT, "form": {"account": "none"}}, expect=400)
    assert refused["details"]["field"] == "form.account"
    run = decided(api, run_id, ACCEPT)
    assert (run["status"], run["output"]) == ("succeeded", {"answers": {"account": ["accept", {"account": "main"}]}})
    assert (run["steps"][0]["attempt"], run["attempt"]) == (1, 1)
    assert remote.works()[-1]["updates"] == 1
    assert "again" not in api.send("GET", f"/runs/{run_id}/stream").get_data(as_text=True)


def test_several_questions_are_one_form_and_one_may_be_an_address(api: Api) -> None:
    asks = {"account": FORM, "sum": NUMBER, "page": "https://bank.example/confirm"}
    run_id = started(api, "work", asks=asks)
    asked = pending(api, run_id)
    assert asked["form"]["required"] == ["account", "sum"] and asked["data"]["urls"] == [asks["page"]]
    run = decided(api, run_id, {"decision": "approve", "form": {"account": {"account": "main"}, "sum": {"number": 3}}})
    assert run["output"]["answers"] == {
        "account": ["accept", {"account": "main"}],
        "sum": ["accept", {"number": 3}],
        "page": ["accept", None],
    }


def test_a_rejection_is_told_and_is_the_servers_to_deal_with(api: Api) -> None:
    run = decided(api, started(api, "work", asks={"account": FORM}), {"decision": "reject"})
    assert run["output"] == {"answers": {"account": ["decline", None]}}


def test_a_long_task_is_followed_without_a_worker(
    api: Api, remote: Remote, tick: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mcp_conversation, "PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr(mcp_conversation, "FIRST_PAUSE", 0.1)
    run_id = started(api, "work", seconds=1.0)
    run = api.get(f"/runs/{run_id}")
    assert (run["status"], run["steps"][0]["waiting"]["kind"]) == ("waiting", "sleep")

    def over() -> bool:
        tick()
        api.work()
        return bool(api.get(f"/runs/{run_id}")["finished_at"])

    wait_for(over, seconds=30, what="the task to end")
    run = api.get(f"/runs/{run_id}")
    assert (run["status"], run["attempt"], run["steps"][0]["attempt"]) == ("succeeded", 1, 1)
    assert not remote.works()[-1]["canceled"]
    tick()
    assert not remote.works()[-1]["canceled"], "what has succeeded is not canceled afterwards"


@pytest.mark.parametrize("way", ["cancel", "delete"])
def test_a_task_that_nobody_waits_for_is_canceled_over_there(
    api: Api, remote: Remote, tick: Callable[[], Any], way: str
) -> None:
    run_id = started(api, "work", asks={"account": FORM})
    tick()
    assert remote.works()[-1]["status"] == "input_required"
    if way == "cancel":
        assert api.post(f"/runs/{run_id}/cancel", expect=202)["details"]["status"] == "canceled"
        assert api.get(f"/approvals?run_id={run_id}")["items"][0]["status"] == "canceled"
    else:
        api.send("DELETE", f"/tasks/{api.get(f'/runs/{run_id}')['task_id']}", expect=204)
    tick()
    assert remote.works()[-1]["status"] == "cancelled"


def test_a_task_left_by_a_step_that_failed_is_canceled_though_its_run_succeeded(
    api: Api, remote: Remote, tick: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    # It cannot be reached, and there is no time to ask again, nor anybody to tell.
    monkeypatch.setattr(mcp_pauses, "AWAY_SECONDS", 1e6)
    monkeypatch.setattr(service, "AGAIN_SECONDS", 0.0)
    step = {"id": "far", "uses": "far.work", "with": {"asks": {"account": FORM}}, "on_error": "continue"}
    run_id = api.run(api.task(payload={"pipeline": [step]}))
    api.work()
    remote.open(False)
    run = decided(api, run_id, ACCEPT)
    remote.open(True)
    assert (run["status"], run["steps"][0]["error"]["type"]) == ("succeeded", "timeout")
    assert not remote.works()[-1]["canceled"]
    tick()
    assert remote.works()[-1]["canceled"]


def test_what_no_database_takes_is_replaced_in_questions(api: Api) -> None:
    asked = pending(api, started(api, "work", asks={"account": FORM}, says="Which\N{SYMBOL FOR NULL} one?"))
    assert (asked["title"], asked["message"]) == ("Which\ufffd one?", "Which\ufffd one?")


def test_what_the_server_forgets_cannot_be_answered_any_more(api: Api, remote: Remote, tick: Callable[[], Any]) -> None:
    run_id = started(api, "work", asks={"account": FORM}, ttl_ms=300)
    assert pending(api, run_id)["expires_at"]

    def over() -> bool:
        tick()
        api.work()
        return bool(api.get(f"/runs/{run_id}")["finished_at"])

    wait_for(over, seconds=30, what="the time to be up")
    assert api.get(f"/runs/{run_id}")["error"]["type"] == "timeout"
    assert remote.works()[-1]["canceled"]


def test_a_question_in_place_of_an_answer_is_asked_as_often_as_it_comes(api: Api, remote: Remote) -> None:
    run_id = started(api, "ask", times=2)
    assert decided(api, run_id, ACCEPT)["status"] == "waiting"
    run = decided(api, run_id, ACCEPT)
    assert (run["status"], run["output"]) == (
        "succeeded",
        {"account": {"account": "main"}, "action": "accept", "times": 2},
    )
    assert [call["state"] for call in remote.seen()["calls"][-3:]] == [None, "0", "1"]


def test_what_a_direct_call_or_a_lent_secret_cannot_wait_for(api: Api, remote: Remote) -> None:
    told = api.post("/tools/far.work/invoke", {"arguments": {"asks": {"account": FORM}}}, expect=422)
    assert told["details"]["type"] == "input_required" and remote.works()[-1]["canceled"]
    api.send("PUT", "/secrets/KEY", json={"value": "hush hush"}, expect=200)
    run_id = started(api, "work", asks={"account": FORM}, key="${secrets.KEY}")
    assert api.get(f"/runs/{run_id}")["error"]["type"] == "input_required" and remote.works()[-1]["canceled"]


def test_what_no_person_can_give(api: Api) -> None:
    assert api.get(f"/runs/{started(api, 'sample')}")["error"]["type"] == "input_required"
    asks = {"account": {"type": "object", "properties": {"n": {"type": "string", "pattern": "("}}}}
    assert api.get(f"/runs/{started(api, 'work', asks=asks)}")["error"]["type"] == "input_required"


def test_items_side_by_side_ask_each_for_itself(api: Api) -> None:
    each = {"id": "far", "uses": "far.work", "with": {"asks": {"account": FORM}}, "foreach": [1, 2], "max_parallel": 2}
    run_id = api.run(api.task(payload={"pipeline": [each]}, max_retries=0))
    api.work()
    for one in api.get(f"/approvals?run_id={run_id}")["items"]:
        api.post(f"/approvals/{one['id']}/decide", ACCEPT)
    api.work()
    said = {"answers": {"account": ["accept", {"account": "main"}]}}
    assert api.get(f"/runs/{run_id}")["output"] == [said, said]


def test_a_task_that_fails_is_a_step_that_fails(api: Api) -> None:
    run = api.get(f"/runs/{started(api, 'work', fails=True)}")
    assert (run["status"], run["error"]["type"]) == ("failed", "server_error")


def test_a_server_that_cannot_be_reached_for_a_while_is_asked_again(
    api: Api, remote: Remote, tick: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mcp_pauses, "AWAY_SECONDS", 0.1)
    run_id = started(api, "work", asks={"account": FORM})
    remote.open(False)
    run = decided(api, run_id, ACCEPT)
    assert (run["status"], run["steps"][0]["waiting"]["kind"]) == ("waiting", "sleep")
    remote.open(True)

    def over() -> bool:
        tick()
        api.work()
        return bool(api.get(f"/runs/{run_id}")["finished_at"])

    wait_for(over, seconds=30, what="the answer to arrive")
    assert api.get(f"/runs/{run_id}")["output"] == {"answers": {"account": ["accept", {"account": "main"}]}}


def test_a_server_is_told_later_where_it_cannot_be_told_now(
    api: Api, remote: Remote, tick: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "AGAIN_SECONDS", 0.0)
    run_id = started(api, "work", asks={"account": FORM})
    remote.open(False)
    api.post(f"/runs/{run_id}/cancel", expect=202)
    tick()
    remote.open(True)
    assert not remote.works()[-1]["canceled"]
    tick()
    assert remote.works()[-1]["canceled"]


def test_a_call_that_was_answered_is_not_made_again_behind_anybodys_back(
    api: Api, remote: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = started(api, "ask", max_retries=1)
    approval = pending(api, run_id)["id"]
    api.post(f"/approvals/{approval}/decide", ACCEPT)
    before = len(remote.seen()["calls"])
    # The worker is lost in the call that carries the answer: the tool may do anything, so somebody is asked.
    monkeypatch.setattr(Executor, "checkpoint", _lost_after(Executor.checkpoint))
    with pytest.raises(SystemError):
        api.work()
    monkeypatch.undo()
    with closing(open_database(api.settings)) as database:
        assert database.ledger.rescue(database.ledger.owners("test")) == 1
    api.work()
    run = api.get(f"/runs/{run_id}")
    assert (run["status"], run["steps"][0]["asks"]) == ("waiting", True)
    assert len(remote.seen()["calls"]) == before


def _lost_after(real: Callable[..., None]) -> Callable[..., None]:
    def checkpoint(*given: Any) -> None:
        real(*given)
        raise SystemError

    return checkpoint
