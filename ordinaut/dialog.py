"""What lies between a tool and whoever called it, while it works: news for them, and questions to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


class InputNeeded(Exception):
    """The tool, prompt or resource has to know more from its caller, who may call again with the answers.

    An assistant is asked, where its client can answer; everywhere else, as in a pipeline, the call fails with
    `input_required`.

    Args:
        questions: Name -> what is asked, in the words of MCP: `{"method": "elicitation/create", "params": {…}}`,
            `sampling/createMessage` or `roots/list`.
        state: A text that comes back with the answers, in `Dialog.state`. It is sealed on its way, holds for ten
            minutes, and only for the same caller, the same tool and the same arguments.
    """

    def __init__(self, questions: Mapping[str, Mapping[str, Any]], state: str | None = None) -> None:
        super().__init__("It has to know more: " + ", ".join(questions))
        self.questions = {name: dict(question) for name, question in questions.items()}
        self.state = state


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialog:
    """The caller's side of a call.

    Attributes:
        can_answer: Kinds of questions that can be asked: `elicitation`, `sampling`, `roots`; none where nobody is.
        answers: What was answered to the questions of `InputNeeded`, by their names. Hold each against what you
            asked: they come from outside.
        state: What `InputNeeded` had as its state.
        on_progress: Hears of progress; call `progress` instead.
        on_log: Hears the lines of `ToolCall.log`.
    """

    can_answer: frozenset[str] = frozenset()
    answers: Mapping[str, Any] = field(default_factory=dict)
    state: str | None = None
    on_progress: Callable[[float, float | None, str | None], None] | None = None
    on_log: Callable[[str, str], None] | None = None

    def progress(self, done: float, total: float | None = None, message: str | None = None) -> None:
        """Tell the caller how far it is; nothing happens where nobody wants to know."""
        if self.on_progress is not None:
            self.on_progress(done, total, message)
