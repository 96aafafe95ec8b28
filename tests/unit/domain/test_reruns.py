"""What a rerun takes over: by hand for the cases that matter, by a model for all the others."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.errors import InvalidInput
from app.domain.pipelines.model import Step
from app.domain.pipelines.progress import Progress
from app.domain.reruns import Mark, items_taken_over, marked, taken_over
from app.domain.runs import Record
from app.domain.templates import compile_template

NOW = datetime(2026, 11, 25, tzinfo=UTC)
NOTE = Mark(step_id="b", status="succeeded", output=7, note="by hand", by="ana")


def steps(*names: str, uses: str = "data.set") -> list[Step]:
    return [Step(id=name, uses=uses, arguments=compile_template({})) for name in names]


def journal(*bodies: dict[str, Any]) -> list[Record]:
    full = ({"uses": "data.set", "attempt": 1, **body} for body in bodies)
    return [Record(number, NOW, "step", body) for number, body in enumerate(full, start=1)]


def ended(name: str, status: str = "succeeded", **more: Any) -> dict[str, Any]:
    return {"id": name, "status": status, **more}


OLD = journal(
    ended("a", "running", input={"x": 1}),
    ended("a", output="A"),
    ended("b", "skipped"),
    ended("c", "failed", error={"type": "timeout"}),
)


@pytest.mark.parametrize(
    ("start", "taken"),
    [
        ("failed", ["a", "b"]),
        ("start", []),
        ("a", []),
        ("b", ["a"]),
        ("c", ["a", "b"]),
    ],
)
def test_the_steps_before_the_first_one_are_taken_over(start: str, taken: list[str]) -> None:
    bodies = taken_over(OLD, steps("a", "b", "c", "d"), start)
    assert [body["id"] for body in bodies] == taken
    assert all(body["reused"] for body in bodies)


def test_what_only_the_beginning_of_a_step_told_is_kept() -> None:
    (body,) = taken_over(OLD, steps("a", "b"), "b")
    assert (body["input"], body["output"], body["status"]) == ({"x": 1}, "A", "succeeded")


def test_a_failure_that_the_run_went_on_with_is_an_outcome() -> None:
    records = journal(ended("a", "failed", error={"type": "timeout"}, continued=True), ended("b", "failed", error={}))
    restored = Progress.restored(
        [Record(1, NOW, "step", body) for body in taken_over(records, steps("a", "b"), "failed")],
        {step.id: step for step in steps("a", "b")},
    )
    assert restored.outputs == {"a": {"error": {"type": "timeout"}}}


def test_one_item_of_a_list_is_not_its_step() -> None:
    assert taken_over(journal(ended("a", output=1, item=0)), steps("a"), "failed") == []


def test_the_items_of_a_list_that_are_done_are_taken_over() -> None:
    listed = Step(id="a", uses="data.set", arguments=compile_template({}), foreach=compile_template("${params.all}"))
    records = journal(
        ended("a", "expanded", items=[1, 2, 3], started_at="2026-11-25T00:00:00Z"),
        ended("a", "running", item=0),
        ended("a", item=0, output="one"),
        ended("a", "failed", item=1, error={}),
        ended("a", "failed", item=2, error={"type": "x"}, continued=True),
        ended("a", "failed", error={}),
    )
    taken = items_taken_over(records, [listed], [])
    restored = Progress.restored([Record(1, NOW, "step", body) for body in taken], {"a": listed})
    assert restored.items == {"a": [1, 2, 3]}
    assert restored.results == {"a": {0: "one", 2: {"error": {"type": "x"}}}}
    assert items_taken_over(OLD, steps("a", "b", "c"), taken_over(OLD, steps("a", "b", "c"), "failed")) == []


def test_a_step_that_calls_another_tool_now_is_not_taken_over() -> None:
    assert taken_over(OLD, steps("a", uses="data.transform"), "failed") == []
    with pytest.raises(InvalidInput, match="Invalid request parameters"):
        taken_over(OLD, [*steps("a", uses="data.transform"), *steps("b")], "b")


@pytest.mark.parametrize(
    ("start", "words"),
    [
        ("x", "There is no step x in this pipeline"),
        ("d", "Step c comes before it and has no outcome in this run"),
    ],
)
def test_what_cannot_be_gone_on_from_is_refused(start: str, words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        taken_over(OLD, steps("a", "b", "c", "d"), start)
    (problem,) = caught.value.problems
    assert (problem.field, problem.message) == ("from", words)
    assert problem.hint in ("Its steps are a, b, c, d", "Go on from c or from a step before it")


def test_a_mark_stands_after_what_is_taken_over() -> None:
    first, second = marked(OLD, steps("a", "b", "c"), NOTE, "2026-11-25T00:00:00Z")
    assert (first["id"], first["reused"]) == ("a", True)
    assert (second["id"], second["output"], second["attempt"]) == ("b", 7, 2)
    assert second["marked"] == {"by": "ana", "note": "by hand"}


NAMES = ["a", "b", "c", "d", "e"]


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Record], Sequence[str]]:
    """A journal of steps in order, in which the first ones ended, with what each of those came to."""
    count = draw(st.integers(0, len(NAMES)))
    bodies = []
    for name in NAMES[:count]:
        bodies += [ended(name, "failed", error={}) for _ in range(draw(st.integers(0, 2)))]
        bodies.append(draw(st.sampled_from([ended(name, output=name), ended(name, "skipped")])))
    bodies += [ended(NAMES[count], "failed", error={})] if count < len(NAMES) and draw(st.booleans()) else []
    return journal(*bodies), NAMES[:count]


@given(histories())
def test_a_worker_that_reads_them_goes_on_where_the_run_failed(history: tuple[list[Record], Sequence[str]]) -> None:
    records, done = history
    by_id = {step.id: step for step in steps(*NAMES)}
    taken = taken_over(records, list(by_id.values()), "failed")
    restored = Progress.restored([Record(1, NOW, "step", body) for body in taken], by_id)
    once = Progress.restored(records, by_id)
    assert restored.done == once.done == set(done)
    assert restored.outputs == once.outputs
    assert restored.last_output == once.last_output
