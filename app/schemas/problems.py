"""What is wrong with an input, as reports and previews list it."""

from __future__ import annotations

from pydantic import BaseModel

from app.domain.errors import Problem


class ProblemOut(BaseModel):
    """One problem: where (a JSON pointer, RFC 6901), what, and how to mend it."""

    pointer: str
    message: str
    hint: str


def problem_out(problem: Problem) -> dict[str, str]:
    """The problem as `ProblemOut` describes it."""
    return {"pointer": problem.pointer, "message": problem.message, "hint": problem.hint}
