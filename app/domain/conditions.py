"""Conditions: one expression that decides whether a step runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.domain.expression_text import ExpressionSyntax, unwrap
from app.domain.expressions import Expression, Reference, TemplateSyntaxError, compile_expression
from app.domain.texts import t


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A compiled condition.

    Attributes:
        text: The condition as its author wrote it.
        references: Every path it reads from the scope.
        expression: What is evaluated, or None where the answer is always `constant`.
        constant: The answer without an expression.
    """

    text: str
    references: tuple[Reference, ...] = ()
    expression: Expression | None = None
    constant: bool = True

    def holds(self, scope: Mapping[str, Any]) -> bool:
        """Answers on this scope; false, null, "", [] and {} do not hold, everything else (0 too) does.

        Raises:
            TemplateError: A path does not exist, a value is of the wrong type, or a limit is reached.
        """
        if self.expression is None:
            return self.constant
        return is_true(self.expression.evaluate(scope))


def is_true(value: Any) -> bool:
    """Says whether a value counts as true, as JMESPath has it: all but false, null, "", [] and {}."""
    return not (value is None or value is False or (isinstance(value, (str, list, dict)) and not value))


def compile_condition(text: str | bool) -> Condition:
    """Compiles `if`: an expression with or without `${}`, or a plain boolean.

    Raises:
        TemplateSyntaxError: The text is not an expression.
    """
    if isinstance(text, bool):
        return Condition(text=str(text).lower(), constant=text)
    try:
        expression = compile_expression(unwrap(text).strip())
    except ExpressionSyntax as error:
        message = t("`{condition}` is not a condition: {message}", condition=text[:80], message=error.message)
        raise TemplateSyntaxError(message, text, hint=error.hint) from None
    return Condition(text=text, references=expression.references, expression=expression)
