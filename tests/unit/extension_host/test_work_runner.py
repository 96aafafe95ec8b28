"""What `context.events` and `context.background` do on the worker side, without a database."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from app.domain.errors import Unavailable
from app.extension_host import work_contexts, work_tasks
from ordinaut import Event, RequestRefused, TaskInfo
from tests.fakes.extension_runner import Scene, played


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work_tasks, "pause_after", lambda failures: 0)


async def handle(event: Event) -> None:
    """A handler."""


async def lasting() -> None:
    """A task that goes on."""
    await asyncio.Event().wait()


# Subscriptions.


def test_a_subscription_reads_until_it_is_ended() -> None:
    async def play(scene: Scene) -> None:
        assert scene.runner.nothing_to_do
        scene.runner.subscribe("shop", "shop.*", handle)
        assert scene.session.patterns == ["shop.*"] == list(scene.runner.readers)
        await scene.until(lambda: scene.runner.reading)
        scene.runner.unsubscribe("shop", "shop.*")
        await scene.until(lambda: not scene.runner.reading)
        assert scene.session.patterns == list(scene.runner.readers) == []

    assert played(play).crashes == []


def test_a_subscription_listens_again_when_the_database_was_away() -> None:
    tries: list[str] = []

    async def play(scene: Scene) -> None:
        def away(pattern: str) -> Iterator[Event | None]:
            tries.append(pattern)
            raise Unavailable

        scene.runner._events.listen = away  # type: ignore[method-assign]
        scene.runner.subscribe("shop", "shop.*", handle)
        await scene.until(lambda: len(tries) > 1)

    played(play)


REFUSED = [
    # each row: pattern, code, and a word of the message
    ("shop..", "bad_request", "pattern"),
    ("a" * 501, "bad_request", "500"),
    ("taken.*", "conflict", "already"),
]


@pytest.mark.parametrize(("pattern", "code", "word"), REFUSED)
def test_a_subscription_that_cannot_be_is_refused(pattern: str, code: str, word: str) -> None:
    async def play(scene: Scene) -> None:
        scene.runner.subscribe("shop", "taken.*", handle)
        with pytest.raises(RequestRefused, match=word) as refused:
            scene.runner.subscribe("shop", pattern, handle)
        assert refused.value.code == code

    assert played(play).session.patterns == ["taken.*"]


def test_this_process_works_for_no_other_extension() -> None:
    async def play(scene: Scene) -> None:
        with pytest.raises(RequestRefused, match="on_startup"):
            scene.runner.subscribe("till", "shop.*", handle)
        with pytest.raises(RequestRefused, match="worker side"):
            scene.runner.unsubscribe("till", "shop.*")
        with pytest.raises(RequestRefused, match="on_startup"):
            scene.runner.start_task("till", "sweep", lasting())
        scene.runner.stop_task("till", "sweep")

    assert played(play).elsewhere.asked == [("till", "sweep")]


# Background tasks.


def test_a_task_that_returns_has_finished() -> None:
    async def play(scene: Scene) -> None:
        async def brief() -> None:
            await asyncio.sleep(0)

        scene.runner.start_task("shop", "brief", brief())
        await scene.until(lambda: "finished" in scene.session.states("brief"))
        assert not scene.runner.nothing_to_do

    assert played(play).session.states("brief") == ["starting", "running", "finished"]


def test_a_task_given_as_a_function_begins_anew() -> None:
    lives: list[int] = []

    async def frail() -> None:
        lives.append(1)
        if len(lives) < 3:
            raise ValueError("no")

    async def play(scene: Scene) -> None:
        scene.runner.start_task("shop", "frail", frail)
        await scene.until(lambda: "finished" in scene.session.states("frail"))

    scene = played(play)
    again = ["restarting", "running"]
    assert scene.session.states("frail") == ["starting", "running", *again, *again, "finished"]
    last = scene.session.saved[-1]
    assert (last.restarts, last.error, scene.crashes) == (2, "ValueError: no", [])


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(1), asyncio.CancelledError()])
def test_a_task_given_as_a_coroutine_takes_its_process_along(error: BaseException) -> None:
    async def frail() -> None:
        raise error

    async def play(scene: Scene) -> None:
        scene.runner.start_task("shop", "frail", frail())
        await scene.until(lambda: scene.crashes)

    scene = played(play)
    assert scene.session.states("frail")[-1] == "failed"
    assert scene.crashes[0].startswith(f"The background task frail crashed: {type(error).__name__}")


def test_a_task_that_is_stopped_says_so_and_may_be_started_again() -> None:
    async def play(scene: Scene) -> None:
        scene.runner.start_task("shop", "sweep", lasting)
        await scene.until(lambda: "running" in scene.session.states("sweep"))
        scene.runner.stop_task("shop", "sweep")
        await scene.until(lambda: "stopped" in scene.session.states("sweep"))
        scene.runner.start_task("shop", "sweep", lasting())
        await scene.until(lambda: scene.session.states("sweep").count("running") == 2)

    scene = played(play)
    # What ends with its process was not stopped by anybody.
    assert scene.session.states("sweep")[-1] == "running"
    assert scene.elsewhere.asked == []


@pytest.mark.parametrize("make", [lambda: lasting, lasting], ids=["function", "coroutine"])
def test_a_task_that_is_stopped_before_its_first_step_says_so(make: Callable[[], Any]) -> None:
    async def play(scene: Scene) -> None:
        scene.runner.start_task("shop", "sweep", make())
        scene.runner.stop_task("shop", "sweep")
        await scene.until(lambda: "stopped" in scene.session.states("sweep"))

    assert played(play).session.states("sweep") == ["starting", "stopped"]


def test_a_task_that_fails_while_it_is_stopped_does_not_begin_anew() -> None:
    async def stubborn() -> None:
        try:
            await lasting()
        finally:
            raise ValueError("cannot close")

    async def play(scene: Scene) -> None:
        scene.runner.start_task("shop", "sweep", stubborn)
        await scene.until(lambda: "running" in scene.session.states("sweep"))
        scene.runner.stop_task("shop", "sweep")
        await scene.until(lambda: scene.session.states("sweep")[-1] != "running")

    assert played(play).session.states("sweep") == ["starting", "running", "stopped"]


def test_what_a_stop_cuts_short_is_written_first() -> None:
    async def play(scene: Scene) -> None:
        writing, go_on = threading.Event(), threading.Event()
        save = scene.session.save_task

        def slow(task: TaskInfo, *, anew: bool = False) -> None:
            if task.status == "running":
                writing.set()
                go_on.wait(5)
            save(task, anew=anew)

        scene.session.save_task = slow  # type: ignore[method-assign]
        scene.runner.start_task("shop", "sweep", lasting)
        await scene.until(writing.is_set)
        scene.runner.stop_task("shop", "sweep")
        await asyncio.sleep(0)
        assert scene.session.states("sweep") == ["starting"]
        go_on.set()
        await scene.until(lambda: "stopped" in scene.session.states("sweep"))

    assert played(play).session.states("sweep") == ["starting", "running", "stopped"]


def test_a_task_whose_state_cannot_be_written_takes_its_process_along() -> None:
    async def play(scene: Scene) -> None:
        scene.runner.start_task("shop", "sweep", lasting)
        scene.session.lost = True
        await scene.until(lambda: scene.crashes)

    assert played(play).crashes[0].startswith("LeaseLost")


def test_tasks_that_have_ended_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work_contexts, "MOST_ENDED", 2)

    async def brief() -> None:
        """A task that is soon over."""

    async def play(scene: Scene) -> None:
        scene.runner.start_task("shop", "sweep", lasting)
        for number in range(4):
            scene.runner.start_task("shop", f"order {number}", brief)
            await scene.until(partial(getattr, scene.runner.tasks[f"order {number}"], "over"))
        scene.runner.start_task("shop", "order 2", brief)
        assert list(scene.runner.tasks) == ["sweep", "order 1", "order 3", "order 2"]

    assert played(play).session.forgotten == ["order 0"]


UNUSABLE: list[tuple[str, Any, str]] = [
    # each row: a task's name, its work, and the code of the refusal
    ("", lasting, "bad_request"),
    ("n" * 201, lasting, "bad_request"),
    ("sweep", "no work", "bad_request"),
    ("taken", lasting, "conflict"),
]


@pytest.mark.parametrize(("name", "work", "code"), UNUSABLE)
def test_a_task_that_cannot_be_is_refused(name: str, work: Any, code: str) -> None:
    async def play(scene: Scene) -> None:
        scene.runner.start_task("shop", "taken", lasting)
        with pytest.raises(RequestRefused) as refused:
            scene.runner.start_task("shop", name, work)
        assert refused.value.code == code
        if work is lasting:
            # A coroutine that is refused is closed: nobody complains that it was never awaited.
            with pytest.raises(RequestRefused):
                scene.runner.start_task("shop", name, lasting())

    played(play)


def test_a_database_that_is_away_refuses_a_task() -> None:
    async def play(scene: Scene) -> None:
        scene.session.away = True
        with pytest.raises(RequestRefused) as refused:
            scene.runner.start_task("shop", "sweep", lasting())
        assert refused.value.code == "unavailable"
        assert scene.runner.nothing_to_do

    played(play)


def test_handlers_in_threads_may_begin_and_end_things() -> None:
    async def play(scene: Scene) -> None:
        def elsewhere() -> None:
            scene.runner.subscribe("shop", "shop.*", handle)
            scene.runner.start_task("shop", "sweep", lasting)

        thread = threading.Thread(target=elsewhere)
        thread.start()
        await asyncio.to_thread(thread.join)
        await scene.until(lambda: scene.runner.reading and "running" in scene.session.states("sweep"))

    played(play)
