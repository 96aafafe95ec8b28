"""Validation finds every problem at once, each with a place, a sentence and a cure."""

from __future__ import annotations

from typing import Any

import pytest

from app.domain.pipelines.model import parse_pipeline
from app.domain.pipelines.validate import Report, validate_pipeline
from tests.unit.domain.pipelines.tools import FewTools

SET = {"uses": "data.set", "with": {"value": 1}}
EACH_WAY = {"id": "ways", "foreach": [1, 2], "parallel": [[{**SET, "id": "a"}], [SET]]}


def validate(document: Any, params: dict[str, Any] | None = None) -> Report:
    return validate_pipeline(document, tools=FewTools(), params=params)


def deep(levels: int) -> Any:
    return [] if levels == 0 else [deep(levels - 1)]


@pytest.mark.parametrize(
    ("document", "pointer", "words"),
    [
        ({}, "", "not a list"),
        ([3], "/0", "not an object"),
        ([{}], "/0/uses", "missing"),
        ([{**SET, "uses": ""}], "/0/uses", "name of a tool"),
        ([{"uses": "http.reqest", "with": {}}], "/0/uses", "http.reqest"),
        ([{"uses": "${params.tool}"}], "/0/uses", "no tool"),
        ([{**SET, "wth": {}}], "/0/wth", "known key"),
        ([{**SET, "a/b": 1}], "/0/a~1b", "known key"),
        ([{**SET, "foreach": "x"}], "/0/foreach", "a list or a template"),
        ([{**SET, "foreach": "${steps.x}"}], "/0/foreach", "does not exist"),
        ([{**SET, "foreach": "${item}"}], "/0/foreach", "`item`"),  # its own items it does not know
        ([{**SET, "foreach": "${secrets.KEY}"}], "/0/foreach", "outside of `with`"),
        ([{**SET, "foreach": [1], "if": "item"}], "/0/if", "`item`"),
        ([{**SET, "foreach": [1], "max_parallel": 0}], "/0/max_parallel", "1 to 100"),
        ([{"parallel": []}], "/0/parallel", "branches"),
        ([{"parallel": [[]]}], "/0/parallel", "branches"),
        ([{"uses": "data.set", "parallel": [[SET]]}], "/0/uses", "beside"),
        ([{"parallel": [[SET]], "with": {}}], "/0/with", "beside"),
        ([{"parallel": [[SET]], "foreach": "x"}], "/0/foreach", "a list or a template"),
        ([{"parallel": [[SET]], "foreach": [1], "if": "item"}], "/0/if", "`item`"),
        ([{"parallel": [[{**SET, "if": "item"}]]}], "/0/parallel/0/0/if", "`item`"),
        ([EACH_WAY, {**SET, "if": "steps.a"}], "/1/if", "done for each item of a list"),
        ([{"parallel": [[3]]}], "/0/parallel/0/0", "Step 1.1.1"),
        ([{"parallel": [[{**SET, "id": "a"}], [{**SET, "id": "a"}]]}], "/0/parallel/1/0/id", "step 1.1.1"),
        ([{"parallel": [[{**SET, "id": "a"}], [{**SET, "if": "steps.a"}]]}], "/0/parallel/1/0/if", "`a`"),
        ([{**SET, "id": "1a"}], "/0/id", "a name"),
        ([{**SET, "id": "a\n"}], "/0/id", "a name"),
        ([{**SET, "id": None}], "/0/id", "a name"),
        ([{**SET, "save_as": "a b"}], "/0/save_as", "a name"),
        ([{**SET, "id": "a"}, {**SET, "id": "a"}], "/1/id", "taken by step 1"),
        ([{**SET, "id": "step_2"}, SET], "/1/id", "taken by step 1"),  # the default is an id as well
        ([{**SET, "save_as": "b"}, {**SET, "id": "b"}], "/0/save_as", "taken by step 2"),
        ([{**SET, "with": []}], "/0/with", "an object"),
        ([{**SET, "if": 1}], "/0/if", "expression"),
        ([{**SET, "if": "params.a >"}], "/0/if", "condition"),
        ([{**SET, "timeout_seconds": 0}], "/0/timeout_seconds", "above 0"),
        ([{**SET, "timeout_seconds": True}], "/0/timeout_seconds", "true"),  # booleans are no numbers
        ([{**SET, "timeout_seconds": 86_401}], "/0/timeout_seconds", "86400"),
        ([{**SET, "max_retries": True}], "/0/max_retries", "whole number"),
        ([{**SET, "max_retries": 1.0}], "/0/max_retries", "whole number"),
        ([{**SET, "max_retries": 11}], "/0/max_retries", "0 to 10"),
        ([{**SET, "max_retries": 1, "backoff_seconds": -1}], "/0/backoff_seconds", "0 to 3600"),
        ([{**SET, "max_retries": 1, "backoff_strategy": "wild"}], "/0/backoff_strategy", "linear"),
        ([{**SET, "max_retries": 1, "backoff_strategy": []}], "/0/backoff_strategy", "linear"),
        ([{**SET, "max_retries": 1, "retry_on": ["Time Out"]}], "/0/retry_on", "snake_case"),
        ([{**SET, "on_error": "ignore"}], "/0/on_error", "continue"),
        ([{**SET, "with": {"value": ["${"]}}], "/0/with/value/0", "never closed"),
        ([{**SET, "with": {"value": "${foo.bar}"}}], "/0/with/value", "`foo`"),
        ([{**SET, "with": {"value": "${item}"}}], "/0/with/value", "`item`"),
        ([{**SET, "with": {"value": "${steps.x}"}}], "/0/with/value", "does not exist"),
        ([{**SET, "with": {"value": "${steps.x || 1}"}}], "/0/with/value", "does not exist"),
        ([{**SET, "id": "x", "if": "steps.x"}], "/0/if", "this step itself"),
        ([{**SET, "if": "steps.x"}, {**SET, "save_as": "x"}], "/0/if", "runs later"),
        ([{"uses": "http.request", "with": {"url": 3}}], "/0/with/url", "string"),
        ([{"uses": "http.request"}], "/0/with", "url"),
        ([{"uses": "http.request", "with": {"body": "${params.b}"}}], "/0/with", "url"),
        ([{"uses": "http.request", "with": {"url": "${params.u}", "x": 1}}], "/0/with", "x"),
        ([SET] * 201, "", "201 steps"),
        ([{"parallel": [[SET] * 200]}], "", "201 steps"),
        ([{**SET, "with": {"value": deep(40)}}], "", "deeper"),
        ([{**SET, "with": {"value": "x" * 262_144}}], "", "bytes"),
    ],
)
def test_one_error(document: Any, pointer: str, words: str) -> None:
    (problem,) = validate(document).errors
    assert problem.pointer == f"/pipeline{pointer}"
    assert words in problem.message
    assert problem.hint


@pytest.mark.parametrize(
    "document",
    [
        [{**SET, "id": "a-b", "save_as": "c"}, {**SET, "with": {"value": "${steps.a-b} ${steps.c.d[0]}"}}],
        [SET, {**SET, "if": "steps.step_1 > 0"}],  # default ids can be referred to
        [{**SET, "id": "same", "save_as": "same"}],
        [EACH_WAY, {**SET, "if": "steps.ways"}],
        [{"foreach": [1], "parallel": [[{**SET, "id": "a", "if": "item"}, {**SET, "if": "index > 0 && steps.a"}]]}],
        [{"foreach": [[1]], "parallel": [[{**SET, "foreach": "${item}", "if": "index"}]]}],
        [{"foreach": [1], "parallel": [[{"id": "b", "parallel": [[{**SET, "id": "a"}]]}, {**SET, "if": "steps.a"}]]}],
        [{**SET, "if": False, "timeout_seconds": 0.5, "max_retries": 10, "retry_on": []}],
        [{**SET, "with": {"value": "$${not a template"}}],
        [{"uses": "http.request", "with": {"url": "${params.u}", "expect_status": ["${params.s}"]}}],
        [{"uses": "http.request", "with": {"url": "x", "method": "${params.m}", "headers": "${params.h}"}}],
        [{"uses": "log.write", "with": {"message": "${now+1h} ${task} ${run.id} ${event.x || ''}"}}],
    ],
)
def test_valid(document: Any) -> None:
    report = validate(document)
    assert report == Report()
    assert len(parse_pipeline(document).steps) == len(document)


def test_all_problems_come_at_once() -> None:
    document = [{"uses": "nope", "max_retries": "3"}, {**SET, "x": 1, "with": {"value": "${a.b} ${c.d}"}}]
    assert len(validate(document).errors) == 5


@pytest.mark.parametrize(
    ("step", "params", "words"),
    [
        ({**SET, "with": {"value": "${params.city}"}}, {}, "`city`"),
        ({**SET, "with": {"value": "${params.a.b}"}}, {"a": {}}, "`a.b`"),
        ({**SET, "backoff_seconds": 3}, None, "no retries"),
    ],
)
def test_warnings_do_not_forbid(step: dict[str, Any], params: dict[str, Any] | None, words: str) -> None:
    report = validate([step], params)
    assert report.valid
    assert words in report.warnings[0].message


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        ("${parms.x}", "params"),
        ("${first.x}", "steps.first"),
        ("${city}", "params.city"),
        ('${params.city == "ok"}', "'ok'"),
        ("${steps.frist}", "first"),
    ],
)
def test_hints_name_the_cure(value: str, hint: str) -> None:
    document = [{**SET, "id": "first"}, {**SET, "with": {"value": value}}]
    assert hint in validate(document, {"city": "x"}).errors[0].hint


def test_no_steps_is_a_warning() -> None:
    assert validate([]).valid
    assert validate([]).warnings
