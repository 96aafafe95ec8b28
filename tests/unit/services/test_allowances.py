"""What somebody is asked about a call that goes beyond a grant."""

from __future__ import annotations

from typing import Any

from app.domain.pipelines.model import Step
from app.domain.templates import compile_template
from app.services.allowances import LONGEST_MESSAGE, MOST_SHOWN, question


def asked(**facts: Any) -> Any:
    """The question about a call with these arguments."""
    step = Step(id="far", uses="x.y", arguments=compile_template({}))
    return question(step, facts, run_id="r", asked_by="ana")


def test_a_question_is_bounded_and_says_where_it_is_cut() -> None:
    few = asked(a="x" * 1000)
    assert few.data["call"] == {"a": "x" * 1000}
    many = asked(**{f"a{number}": "x" * 1000 for number in range(100)})
    assert len(many.message) == LONGEST_MESSAGE and many.message.endswith("…")
    call = many.data["call"]
    assert (call["truncated"], call["bytes"] > 100_000, len(call["excerpt"])) == (True, True, MOST_SHOWN)


def test_a_question_holds_nothing_that_no_database_takes() -> None:
    one = asked(**{"a\0": ["b\0", {"c": "\ud800"}]})
    assert one.data["call"] == {"a\ufffd": ["b\ufffd", {"c": "?"}]}
    assert "\0" not in one.message
