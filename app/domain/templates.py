"""Templates: JSON values with `${…}` in their strings, compiled once, rendered often, never twice over."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from app.domain.evaluation import EvaluationError, Meter, text_of
from app.domain.expression_text import find_end
from app.domain.expressions import (
    Expression,
    Reference,
    TemplateError,
    TemplateSyntaxError,
    compile_expression,
)
from app.domain.texts import t

__all__ = [
    "Template",
    "TemplateError",
    "TemplateSyntaxError",
    "compile_template",
    "escape",
    "holds_expression",
]

DEPTH_LIMIT: Final = 64

_MARK: Final = re.compile(r"\$\$\{|\$\{")

Render = Callable[[Mapping[str, Any], Meter], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A compiled template.

    Attributes:
        is_constant: There is nothing to fill in; `render` returns the same value every time.
        references: Every path the expressions read from the scope, in the order they are written.
        reads_all: Whether one of them looks at the scope as a whole.
    """

    is_constant: bool
    references: tuple[Reference, ...]
    reads_all: bool
    run: Render = field(repr=False, compare=False)

    def render(self, scope: Mapping[str, Any]) -> Any:
        """Fills in the expressions and returns the value; it may share parts with the scope: only read it.

        Args:
            scope: Plain JSON data under the root names; `now` is RFC 3339 text or an aware datetime.

        Raises:
            TemplateError: An expression cannot be evaluated, or the result is larger than 1 MiB.
        """
        return self.run(scope, Meter())


@dataclass(frozen=True, slots=True)
class _Part:
    """A compiled piece: its rendering, or None where `value` stands as it is."""

    value: Any
    run: Render | None
    references: tuple[Reference, ...] = ()
    reads_all: bool = False


def compile_template(value: Any) -> Template:
    """Compiles a JSON value whose strings may hold `${…}`; keys of objects are taken as they are.

    Raises:
        TemplateSyntaxError: A `${` is never closed, an expression is wrong, or the nesting is too deep.
    """
    part = _compile(value, "", 0)
    constant = part.value
    return Template(
        is_constant=part.run is None,
        references=part.references,
        reads_all=part.reads_all,
        run=part.run or (lambda _scope, _meter: constant),
    )


def holds_expression(text: str) -> bool:
    """Says whether a string is a template rather than plain text."""
    return any(mark.group() == "${" for mark in _MARK.finditer(text))


def escape(text: str) -> str:
    """Returns a template that renders as exactly this text."""
    return text.replace("${", "$${")


def _compile(value: Any, pointer: str, depth: int) -> _Part:
    if depth > DEPTH_LIMIT:
        raise TemplateSyntaxError(t("The value is nested deeper than {limit} levels.", limit=DEPTH_LIMIT), "", pointer)
    if isinstance(value, str):
        return _compile_text(value, pointer)
    if isinstance(value, Mapping):
        return _compile_members(dict(value), list(value.items()), pointer, depth)
    if isinstance(value, (list, tuple)):
        return _compile_members(list(value), list(enumerate(value)), pointer, depth)
    return _Part(value, None)


def _compile_members(base: Any, members: list[tuple[Any, Any]], pointer: str, depth: int) -> _Part:
    """Compiles the members of an object or a list; `base` keeps the constants and is copied to render."""
    moving: list[tuple[Any, Render]] = []
    references: list[Reference] = []
    reads_all = False
    for key, member in members:
        part = _compile(member, f"{pointer}/{_token(key)}", depth + 1)
        references.extend(part.references)
        reads_all = reads_all or part.reads_all
        base[key] = part.value
        if part.run is not None:
            moving.append((key, part.run))
    return _Part(base, _fill(base, tuple(moving)) if moving else None, tuple(references), reads_all)


def _fill(base: Any, moving: tuple[tuple[Any, Render], ...]) -> Render:
    def fill(scope: Mapping[str, Any], meter: Meter) -> Any:
        filled = base.copy()
        for key, run in moving:
            filled[key] = run(scope, meter)
        return filled

    return fill


def _compile_text(text: str, pointer: str) -> _Part:
    if "${" not in text:
        return _Part(text, None)
    pieces = list(_pieces(text, pointer))
    expressions = [piece for piece in pieces if isinstance(piece, Expression)]
    read = (reference for expression in expressions for reference in expression.references)
    references = tuple(replace(reference, pointer=pointer) for reference in read)
    if not expressions:
        return _Part("".join(str(piece) for piece in pieces), None)
    run = _whole(expressions[0]) if len(pieces) == 1 else _joined(tuple(pieces))
    return _Part(None, run, references, any(expression.reads_all for expression in expressions))


def _pieces(text: str, pointer: str) -> Iterator[str | Expression]:
    """Cuts a string into plain text and expressions."""
    position = 0
    while mark := _MARK.search(text, position):
        if mark.start() > position:
            yield text[position : mark.start()]
        if mark.group() == "$${":
            yield "${"
            position = mark.end()
            continue
        end = find_end(text, mark.end())
        if end < 0:
            raise TemplateSyntaxError(
                t("A `${{` is never closed: {text}", text=text[mark.start() : mark.start() + 60]),
                text[mark.end() :],
                pointer,
                t("Close it with `}`, or write `$${` for a literal `${`."),
            )
        yield _expression(text[mark.end() : end], pointer)
        position = end + 1
    if position < len(text):
        yield text[position:]


def _expression(text: str, pointer: str) -> Expression:
    try:
        return compile_expression(text.strip())
    except TemplateSyntaxError as error:
        raise TemplateSyntaxError(error.message, error.expression, pointer, error.hint) from None


def _whole(expression: Expression) -> Render:
    def whole(scope: Mapping[str, Any], meter: Meter) -> Any:
        value = expression.evaluate(scope, meter)
        _count(expression, value, meter)
        return value

    return whole


def _joined(pieces: tuple[str | Expression, ...]) -> Render:
    def joined(scope: Mapping[str, Any], meter: Meter) -> str:
        return "".join([piece if isinstance(piece, str) else _as_text(piece, scope, meter) for piece in pieces])

    return joined


def _as_text(expression: Expression, scope: Mapping[str, Any], meter: Meter) -> str:
    value = expression.evaluate(scope, meter)
    _count(expression, value, meter)
    return text_of(value)


def _count(expression: Expression, value: Any, meter: Meter) -> None:
    try:
        meter.add(value)
    except EvaluationError as error:
        raise TemplateError(
            t("`{expression}` cannot be used: {error}", expression=expression.text, error=error), expression.text
        ) from None


def _token(key: Any) -> str:
    return str(key).replace("~", "~0").replace("/", "~1")
