"""Templates keep types, are strict about missing paths, and are rendered once."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.templates import TemplateError, TemplateSyntaxError, compile_template, escape

SCOPE: dict[str, Any] = {
    "params": {"city": "Iași", "n": 3, "none": None, "trap": "${params.city}", "empty": ""},
    "steps": {"my-step": {"list": [1, 2.5, "x"], "ok": True}, "people": [{"name": "Ana"}, {"age": 3}]},
    "now": "2026-11-24T10:00:00Z",
    "event": None,
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${params.n}", 3),  # a single expression keeps its type
        ("${params.none}", None),  # an explicit null is a value
        ("${steps.my-step.list}", [1, 2.5, "x"]),  # names with hyphens need no quotes
        ('${steps."my-step".ok}', True),  # and may have them
        ("n=${params.n}, ${steps.my-step.list}", 'n=3, [1,2.5,"x"]'),  # otherwise text; lists as JSON
        ("${steps.my-step.ok} ${params.none}", "true null"),  # JSON's words
        (" ${params.n}", " 3"),  # a blank outside makes it text
        ("${params.nope || 'd'}", "d"),  # a default
        ("${params.empty || 'd'}", "d"),  # JMESPath: empty counts as missing
        ("${not_null(params.nope, params.n)}", 3),
        ("${now}", "2026-11-24T10:00:00Z"),
        ("${now+24h}", "2026-11-25T10:00:00Z"),
        ("${ now - 1h30m }", "2026-11-24T08:30:00Z"),
        ("${now-1w}", "2026-11-17T10:00:00Z"),
        ("${add_time(now, '90s')}", "2026-11-24T10:01:30Z"),
        ("$${params.n}", "${params.n}"),  # the escape
        ("$$${params.n}", "$${params.n}"),
        ("costs $5 {x}", "costs $5 {x}"),
        ("${'}'}", "}"),  # a brace inside quotes does not end it
        ("${{a: params.n, b: true}}", {"a": 3, "b": True}),
        ("${steps.my-step.list[0]}", 1),
        ("${steps.my-step.list[-1]}", "x"),
        ("${steps.people[*].name}", ["Ana"]),  # inside a projection a missing key is left out
        ("${steps.people[?name == 'Ana'] | [0].name}", "Ana"),
        ("${[1, -2.5, null]}", [1, -2.5, None]),  # bare numbers and words
        ("${params.trap}", "${params.city}"),  # data is never rendered again
        ("${to_string(params.city)}", "Iași"),
        ("${to_number('nan')}", None),  # JSON's numbers only
    ],
)
def test_renders(text: str, value: Any) -> None:
    rendered = compile_template({"k": [text]}).render(SCOPE)["k"][0]
    assert rendered == value
    assert type(rendered) is type(value)


@pytest.mark.parametrize(
    "expression",
    [
        "params.nope",
        "params.city.x",  # a text has no keys
        "params.none.x",  # null has none either
        "event.topic",
        "steps.my-step.list[3]",
        "length(params.nope)",
        "params.nope || params.neither",  # the last one has to exist
        "steps.people[?name == 'Eve'] | [0]",
        "params.n < 'a'",  # Python's own TypeError
        "abs('x')",
        "@.secrets",
        "sum(`[1e308, 1e308]`)",  # infinity is not JSON
        "sum(`[9223372036854775807, 1]`)",
        "add_time('yesterday', '1h')",
        "now+500000w",
        "&params",
    ],
)
def test_an_error_at_run_time_names_the_expression(expression: str) -> None:
    with pytest.raises(TemplateError) as caught:
        compile_template("${" + expression + "}").render(SCOPE)
    assert caught.value.expression == expression
    assert f"`{expression}`" in caught.value.message
    assert caught.value.type == "template_error"


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("${params.n", "Close it"),
        ("${}", "path"),
        ("${params.n = 3}", "=="),
        ("${params.a and params.b}", "&&"),
        ("${params.a ? 1 }", "default"),
        ("${params.a + 1}", "calculate"),
        ("${`x`}", "single quotes"),
        ("${'x}", "quote"),
        ("${lenght(params)}", "length()"),
        ("${length()}", "functions"),
        ("${now+999999999w}", "now+24h"),
        ("${add_time(now, 'soon')}", "now+24h"),
        ("${ " + "a" * 1001 + "}", "parts"),
        ("${ " + "(" * 400 + "a" + ")" * 400 + "}", "parts"),
        ("${ " + "!" * 990 + "a}", "parts"),
        ("${ a" + "||a" * 300 + "}", "parts"),
    ],
)
def test_a_syntax_error_names_the_place_and_the_cure(text: str, hint: str) -> None:
    with pytest.raises(TemplateSyntaxError) as caught:
        compile_template({"a/b": ["x", text]})
    assert caught.value.pointer == "/a~1b/1"
    assert hint in caught.value.hint


NASTY = {
    "params": {"s": "x" * 900_000, "l": list(range(30_000)), "o": [{"b": "y" * 10}] * 8000},
}


@pytest.mark.parametrize(
    "expression",
    [
        "|".join(["[@,@]"] * 21),
        "|".join(["[@,@]"] * 31),
        "|".join(["to_string([@,@])"] * 30),
        "params.s|[@,@]",
        "join(params.s, params.o[*].b)",
        "params.l[*].[@,@,@,@,@,@,@,@][]|[*].[@,@,@,@,@,@,@][]|[*].[@,@,@,@,@][]",
        "[params.o, params.l, params.l, params.l, params.l] | [[@,@,@], [@,@,@], [@,@,@]]",
        "`" + "[" * 300 + "]" * 300 + "`",
    ],
)
def test_a_nasty_expression_ends_soon_in_an_error(expression: str) -> None:
    template = compile_template("${" + expression + "}")
    started = time.process_time()
    with pytest.raises(TemplateError):
        template.render(NASTY)
    assert time.process_time() - started < 1.5


def test_many_small_expressions_share_one_limit() -> None:
    template = compile_template(["${params.s}", "${params.s}"])
    with pytest.raises(TemplateError, match="larger"):
        template.render(NASTY)


def test_constants_and_references_are_known() -> None:
    assert compile_template({"a": "$${x}"}).is_constant
    template = compile_template({"a": "${steps.x.y[0]} ${params.q || 'd'}"})
    assert [(one.path, one.pointer, one.required) for one in template.references] == [
        (("steps", "x", "y", 0), "/a", True),
        (("params", "q"), "/a", False),
    ]


def test_rendering_leaves_the_template_alone() -> None:
    template = compile_template({"a": {"b": "${params.n}"}, "c": 1})
    template.render(SCOPE)["a"]["b"] = "changed"
    assert template.render(SCOPE) == {"a": {"b": 3}, "c": 1}


text = st.text(max_size=20)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None)
@given(values.filter(lambda value: "${" not in json.dumps(value)))
def test_json_without_templates_renders_as_itself(value: Any) -> None:
    template = compile_template(value)
    assert template.is_constant
    assert template.render({}) == value


@settings(max_examples=60, deadline=None)
@given(values)
def test_a_single_expression_keeps_any_value(value: Any) -> None:
    assert compile_template("${params.v}").render({"params": {"v": value}}) == value


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet="${}ab.'`\"", max_size=30))
def test_escaped_text_comes_back(raw: str) -> None:
    assert compile_template(escape(raw)).render({}) == raw


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet="ab.[]*?@|&!<>='`\"(){},:-01 ", max_size=40))
def test_any_text_is_an_expression_or_a_syntax_error(raw: str) -> None:
    with suppress(TemplateError, TemplateSyntaxError):
        compile_template("${" + raw + "}").render({"a": {"b": [1, {"a": "x"}]}})
