"""Conditions: the language of templates, with bare numbers, and JMESPath's idea of truth."""

from __future__ import annotations

from typing import Any

import pytest

from app.domain.conditions import compile_condition
from app.domain.templates import TemplateError, TemplateSyntaxError

SCOPE: dict[str, Any] = {
    "params": {
        "n": 3,
        "zero": 0,
        "no": False,
        "none": None,
        "text": "",
        "list": [],
        "object": {},
        "ok": "ok",
    },
    "steps": {"weather": {"temperature": 30.5, "days": [1, 2]}},
    "now": "2026-11-24T10:00:00Z",
}


@pytest.mark.parametrize(
    ("condition", "answer"),
    [
        ("steps.weather.temperature > 25", True),
        ("${steps.weather.temperature > 25}", True),
        ("${steps.weather.temperature} > 31", False),  # several ${} in one condition
        ("${params.n} == 3 && ${params.ok} == 'ok'", True),
        ("params.n == `3`", True),  # JMESPath's own way still works
        ("steps.weather.days[1] == 2", True),  # the index stays an index
        ("params.n > -1.5e1", True),
        ("params.no == false", True),
        ("!params.no", True),  # read as !(params.no)
        ("!steps.weather.days[?@ > 1]", False),
        ("params.nope == null", True),  # asking whether it is there
        ("params.nope.deeper != null", False),
        ("contains(steps.weather.days, 2)", True),
        ("now > now-1h", True),
        (True, True),
        (False, False),
        ("true", True),
        ("params.zero", True),  # 0 holds, as in JMESPath
        ("params.no", False),
        ("params.none", False),
        ("params.text", False),
        ("params.list", False),
        ("params.object", False),
    ],
)
def test_holds(condition: str | bool, answer: bool) -> None:
    assert compile_condition(condition).holds(SCOPE) is answer


def test_a_path_that_does_not_exist_is_an_error_here_too() -> None:
    with pytest.raises(TemplateError, match=r"params\.verbose"):
        compile_condition("params.verbose").holds(SCOPE)


@pytest.mark.parametrize("condition", ["", "params.n >", "'${params.n}' == '3'", "${params.n", "a = 1"])
def test_a_wrong_condition_has_a_hint(condition: str) -> None:
    with pytest.raises(TemplateSyntaxError) as caught:
        compile_condition(condition)
    assert caught.value.hint
