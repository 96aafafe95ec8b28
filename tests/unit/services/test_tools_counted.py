"""Direct calls while the database is away: nothing is held for ever, and no answer is withheld."""

from __future__ import annotations

from typing import Any, cast

import pytest

from app.domain.errors import Unavailable
from app.domain.tool_limits import Holder
from app.services.tools import MAX_CALLS, ToolService
from app.telemetry import attach, detach
from app.tools.registry import ToolRegistry
from ordinaut import Tool
from tests.fakes.access import ANA


class Away:
    """Counts nothing, from the moment that is named."""

    def __init__(self, *moments: str) -> None:
        self._moments = moments

    def begin(self, call: Any) -> None:
        if "begin" in self._moments:
            raise Unavailable

    def end(self, call: Any, output: Any) -> None:
        raise Unavailable


class Turns:
    """Who is inside."""

    def __init__(self) -> None:
        self.inside: set[str] = set()

    def take(self, tool: str, holder: Holder) -> None:
        self.inside.add(holder.id)

    def leave(self, tool: str, holder_id: str) -> None:
        self.inside.discard(holder_id)


def service(turns: Turns, *moments: str) -> ToolService:
    """One tool with an effect."""
    tool = Tool(name="fx.do", description="Does.", schema={"type": "object"}, run=lambda call: "done")
    return ToolService(tools=ToolRegistry([tool]), turns=cast(Any, turns), spending=cast(Any, Away(*moments)))


def test_an_answer_is_given_although_it_cannot_be_counted() -> None:
    told: list[str] = []

    def hear(event: str, facts: dict[str, Any]) -> None:
        told.append(event)

    attach(hear)
    try:
        assert service(Turns()).invoke("fx.do", {}, caller=ANA).output == "done"
    finally:
        detach(hear)
    assert told == ["budget.not_counted"]


def test_a_call_that_cannot_begin_leaves_its_place() -> None:
    turns = Turns()
    one = service(turns, "begin")
    for _ in range(MAX_CALLS + 1):
        with pytest.raises(Unavailable) as caught:
            one.invoke("fx.do", {}, caller=ANA)
        assert "Too many" not in caught.value.message
    assert turns.inside == set()
