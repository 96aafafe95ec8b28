"""Whether a call is made again whose end nobody knows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from app.domain.pipelines.model import OnUnknown, Step
from app.domain.pipelines.unknown import decide
from app.domain.templates import compile_template
from ordinaut import Tool


@pytest.mark.parametrize(
    ("says", "flags", "verdict"),
    [
        (None, {}, "retry"),  # such as http.request: its key tells the other side
        (None, {"destructive": True}, "ask"),
        (None, {"destructive": True, "idempotent": True}, "retry"),
        (None, {"destructive": True, "read_only": True}, "retry"),
        (None, {"destructive": True, "pure": True}, "retry"),
        ("fail", {"idempotent": True}, "fail"),
        ("ask", {}, "ask"),
        ("retry", {"destructive": True}, "retry"),
    ],
)
def test_the_step_has_the_last_word(says: OnUnknown | None, flags: dict[str, Any], verdict: str) -> None:
    tool = Tool(name="a.b", description="", schema={"type": "object"}, run=lambda call: None, **flags)
    assert (
        decide(Step(id="a", uses="a.b", arguments=compile_template({}), on_unknown=says), tool, alone=True) == verdict
    )


def test_a_part_has_nobody_to_ask() -> None:
    tool = Tool(name="a.b", description="", schema={"type": "object"}, run=lambda call: None, destructive=True)
    asking = Step(id="a", uses="a.b", arguments=compile_template({}))
    assert decide(asking, tool, alone=False) == "fail"
    assert decide(replace(asking, on_unknown="retry"), tool, alone=False) == "retry"
