"""Events from and to an extension's routes, over the real store."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.extensions import write_extension
from tests.integration.api.conftest import Api
from tests.integration.extensions.conftest import Serve

ROUTES = """
from flask import request

@page.post("/publish/<topic>")
async def publish(topic):
    return {"id": await context.events.publish(topic, request.get_json())}

@page.post("/plain/<topic>")
def plain(topic):
    return {"id": context.events.publish(topic, {"plain": True})}

@page.get("/recent")
def recent():
    return {"events": [[event.topic, event.source, dict(event.data)] for event in context.events.recent("**", 5)]}

@page.get("/listen")
def listen():
    def frames():
        for event in context.events.listen("shop.*", "0-0", idle_seconds=0.2):
            if event is None:
                yield None
                return
            yield f"id: {event.id}\\n\\n"
    return context.routes.event_stream(frames())

@page.get("/subscribe")
def subscribe():
    context.events.subscribe("a", print)

@page.get("/late")
def late():
    context.routes.websocket("/late")

@page.get("/start")
def start():
    async def work():
        pass
    context.background.start_task("work", work())

@page.get("/tasks")
def tasks():
    return {"tasks": context.background.list_tasks()}
"""


@pytest.fixture
def shop(serve: Serve, tmp_path: Path) -> Api:
    """An application with an extension that publishes."""
    write_extension(tmp_path, "shop", routes=ROUTES)
    return serve(tmp_path)


def test_an_event_is_stored_in_the_extension_s_name_and_starts_tasks(shop: Api) -> None:
    task = shop.task(schedule_kind="event", schedule_expr="shop.*", overlap="allow")
    event_id = shop.post("/ext/shop/publish/shop.paid", {"order": 7})["id"]
    assert shop.post("/ext/shop/plain/shop.sent")["id"] > event_id
    assert shop.get("/ext/shop/recent")["events"] == [
        ["shop.paid", "ext:shop", {"order": 7}],
        ["shop.sent", "ext:shop", {"plain": True}],
    ]
    assert shop.get(f"/runs?task_id={task['id']}")["total"] == 2


def test_a_stream_gives_what_comes_and_heartbeats(shop: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.http.streams.QUIET_SECONDS", 0.0)
    event_id = shop.post("/ext/shop/plain/shop.sent")["id"]
    text = shop.send("GET", "/ext/shop/listen", expect=200).get_data(as_text=True)
    assert text.endswith(f"id: {event_id}\n\n: still here\n\n")


def test_a_topic_that_is_none_is_refused(shop: Api) -> None:
    body = shop.post("/ext/shop/plain/not%20a%20topic", expect=400)
    assert body["details"]["field"] == "topic"
    assert shop.post("/ext/shop/plain/run.failed", expect=400)["error"] == "bad_request"


@pytest.mark.parametrize("path", ["/ext/shop/subscribe", "/ext/shop/start"])
def test_what_belongs_to_the_worker_side_is_refused_elsewhere(shop: Api, path: str) -> None:
    assert "worker side" in shop.get(path, expect=409)["message"]


def test_tasks_of_the_cluster_are_listed_anywhere(shop: Api) -> None:
    assert shop.get("/ext/shop/tasks") == {"tasks": []}


def test_a_socket_that_is_declared_in_a_view_is_a_defect(shop: Api) -> None:
    assert shop.get("/ext/shop/late", expect=500)["details"]["error_type"] == "RuntimeError"
