"""Expressions: JMESPath over a scope of plain data, compiled once, bounded, strict about missing paths."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, ClassVar, Final, cast

import jmespath

from app.domain.evaluation import (
    EvaluationError,
    Functions,
    Interpreter,
    Meter,
    MissingPath,
    describe,
    parse_shift,
    shift_time,
)
from app.domain.expression_text import NESTING_LIMIT, ExpressionSyntax, hint_for, rewrite
from app.domain.texts import t

Path = tuple[str | int, ...]
Evaluate = Callable[[Any, Meter], Any]
Node = dict[str, Any]

_NO_SHIFT: Final = timedelta()
_NOTHING: Final[dict[str | int, Any]] = {}


class TemplateError(Exception):
    """An expression cannot be filled in at run time.

    Attributes:
        message: One sentence that names the expression.
        expression: The expression as its author wrote it, without `${}`.
        type: `template_error`, the kind of failure a run records; trying again does not help.
    """

    type: ClassVar[str] = "template_error"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, expression: str) -> None:
        super().__init__(message)
        self.message = message
        self.expression = expression


class TemplateSyntaxError(Exception):
    """A template or an expression is written wrongly.

    Attributes:
        message: One sentence that names the expression.
        expression: The expression as its author wrote it.
        pointer: JSON pointer (RFC 6901) into the template; empty for a lone expression.
        hint: How to write it.
    """

    def __init__(self, message: str, expression: str, pointer: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.expression = expression
        self.pointer = pointer
        self.hint = hint


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A path that an expression reads from the root of the scope.

    Attributes:
        path: Keys and indexes as far as they are fixed: `("steps", "fetch", "body", 0)`.
        expression: The expression that reads it.
        pointer: JSON pointer of the template's string that holds the expression.
        required: False where a missing path is no error, as on the left of `||`.
    """

    path: Path
    expression: str
    pointer: str = ""
    required: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Expression:
    """A compiled expression.

    Attributes:
        reads_all: Whether it looks at the scope as a whole, such as `@`: references do not tell what it reads.
    """

    text: str
    references: tuple[Reference, ...]
    reads_all: bool
    run: Evaluate = field(repr=False, compare=False)

    def evaluate(self, scope: Any, meter: Meter | None = None) -> Any:
        """Returns the value of the expression on `scope`; `meter` carries the limits of a larger rendering.

        Raises:
            TemplateError: A path does not exist, a value is of the wrong type, or a limit is reached.
        """
        try:
            return self.run(scope, meter or Meter())
        except MissingPath as error:
            message = t(
                "`{expression}` does not exist: {error}; write `… || 'default'` where it may be missing",
                expression=self.text,
                error=error,
            )
            raise TemplateError(message, self.text) from None
        except EvaluationError as error:
            message = t("`{expression}` cannot be evaluated: {error}", expression=self.text, error=error)
            raise TemplateError(message, self.text) from None
        except RecursionError:
            message = t("`{expression}` cannot be evaluated: it is nested too deeply", expression=self.text)
            raise TemplateError(message, self.text) from None
        except (ValueError, TypeError, ArithmeticError, LookupError, AttributeError) as error:
            # JMESPath checks types in part only: 'a' < 1, say, ends in Python's own TypeError.
            message = t("`{expression}` cannot be evaluated: {error}", expression=self.text, error=error)
            raise TemplateError(message, self.text) from None


@lru_cache(maxsize=4096)
def compile_expression(text: str, *, strict: bool = True) -> Expression:
    """Compiles an expression.

    Args:
        text: The expression without `${}`, at most 1,000 characters.
        strict: A path that does not exist is an error; otherwise it is null, as in plain JMESPath.

    Raises:
        TemplateSyntaxError: The text is not an expression.
    """
    try:
        return _compile(text, strict)
    except ExpressionSyntax as error:
        raise TemplateSyntaxError(
            t("`{expression}` is not an expression: {message}", expression=_short(text), message=error.message),
            text,
            hint=error.hint,
        ) from None


def _compile(text: str, strict: bool) -> Expression:
    parsed = _parse(text, rewrite(text))
    _check(parsed)
    tree = _negated_last(parsed)
    references = tuple(
        Reference(path=path, expression=text, required=required) for path, required in _references(tree, True)
    )
    return Expression(text=text, references=references, reads_all=_reads_all(tree), run=_choose(tree, strict))


def _parse(text: str, rewritten: str) -> Node:
    try:
        tree = cast(Node, jmespath.compile(rewritten).parsed)
    except RecursionError:
        raise ExpressionSyntax(t("it is nested too deeply"), t("Compute it in parts.")) from None
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        reason = str(error).split("\n")[0].removeprefix("Bad jmespath expression: ").rstrip(": ")
        raise ExpressionSyntax(reason or t("it cannot be read"), hint_for(text)) from None
    return tree


def _children(node: Node) -> list[Node]:
    return [child for child in node.get("children", ()) if isinstance(child, dict)]


def _check(tree: Node) -> None:
    """Refuses a tree that is too deep, and calls of functions that do not exist or lack arguments."""
    level, depth = [tree], 0
    while level:
        depth += 1
        if depth > NESTING_LIMIT:
            raise ExpressionSyntax(
                t("it is nested deeper than {limit} levels", limit=NESTING_LIMIT), t("Compute it in parts.")
            )
        for node in level:
            if node["type"] == "function_expression":
                _check_call(node["value"], len(node["children"]))
        level = [child for node in level for child in _children(node)]


def _check_call(name: str, given: int) -> None:
    spec = Functions.FUNCTION_TABLE.get(name)
    if spec is None:
        near = difflib.get_close_matches(name, Functions.FUNCTION_TABLE, 1)
        known = ", ".join(sorted(Functions.FUNCTION_TABLE))
        hint = t("Did you mean {near}()?", near=near[0]) if near else t("Known: {known}.", known=known)
        raise ExpressionSyntax(t("there is no function {name}()", name=name), hint)
    wanted = len(spec["signature"])
    variadic = bool(wanted and spec["signature"][-1].get("variadic"))
    if given != wanted and not (variadic and given > wanted):
        message = t("{name}() takes {wanted} argument(s), not {given}", name=name, wanted=wanted, given=given)
        raise ExpressionSyntax(message, t("See the JMESPath functions."))


def _negated_last(node: Node) -> Node:
    """Copies a tree with `!a.b` read as `!(a.b)`; the parser binds `!` first, but a boolean has no keys."""
    given = node.get("children", ())
    children = [_negated_last(child) if isinstance(child, dict) else child for child in given]
    fixed = {**node, "children": children}
    if node["type"] not in _REACHING or children[0]["type"] != "not_expression":
        return fixed
    inner = _negated_last({**fixed, "children": [children[0]["children"][0], *children[1:]]})
    return {**children[0], "children": [inner]}


_REACHING: Final = frozenset(
    {"subexpression", "index_expression", "projection", "value_projection", "filter_projection", "flatten"}
)

# Children of these nodes that are evaluated on something else than the node itself is.
_INNER: Final = {
    "subexpression": 1,
    "index_expression": 1,
    "pipe": 1,
    "projection": 1,
    "value_projection": 1,
    "filter_projection": 1,
    "flatten": 1,
    "expref": 0,
}


def _path(node: Node) -> Path | None:
    """The path a node is, if it is nothing but fields and indexes from where it starts; else None."""
    kind = node["type"]
    if kind in ("field", "index"):
        return (node["value"],)
    if kind == "current":
        return ()
    if kind not in ("subexpression", "index_expression"):
        return None
    parts = [_path(child) for child in node["children"]]
    return None if None in parts else tuple(key for part in parts if part for key in part)


def _prefix(node: Node) -> Path:
    """The longest fixed path at the beginning of a node."""
    path = _path(node)
    if path is not None or node["type"] not in ("subexpression", "index_expression"):
        return path or ()
    fixed: list[str | int] = []
    for child in node["children"]:
        fixed.extend(_prefix(child))
        if _path(child) is None:
            break
    return tuple(fixed)


def _references(node: Node, required: bool) -> Iterator[tuple[Path, bool]]:
    """Yields every path read from the root of the scope, and whether it has to exist."""
    path = _prefix(node)
    if path:
        yield path, required
        return
    lenient = _lenient_children(node)
    rooted = _INNER.get(node["type"], len(_children(node)))
    for position, child in enumerate(_children(node)[:rooted]):
        yield from _references(child, required and position not in lenient)


def _reads_all(node: Node) -> bool:
    """Whether it reads more from the root of the scope than its references say."""
    if _prefix(node):
        return False
    if node["type"] in ("current", "identity", "expref"):
        return True
    rooted = _INNER.get(node["type"], len(_children(node)))
    return any(_reads_all(child) for child in _children(node)[:rooted])


def _lenient_children(node: Node) -> frozenset[int]:
    """Positions of the children where a path that does not exist is an answer and not an error."""
    kind, children = node["type"], _children(node)
    if kind == "or_expression":
        return frozenset({0})
    if kind == "function_expression" and node["value"] == "not_null":
        return frozenset(range(len(children)))
    if kind == "comparator" and any(_is_null(child) for child in children):
        return frozenset({0, 1})
    if kind in ("projection", "value_projection", "filter_projection"):
        return frozenset({1, 2})
    return frozenset({0}) if kind == "expref" else frozenset()


def _is_null(node: Node) -> bool:
    return bool(node["type"] == "literal") and node["value"] is None


def _hardened(node: Node) -> Node:
    """Copies a tree with every field and index that has to exist marked as strict."""
    if node["type"] in ("field", "index"):
        return {**node, "type": f"strict_{node['type']}"}
    lenient = _lenient_children(node)
    children = [
        child if position in lenient or not isinstance(child, dict) else _hardened(child)
        for position, child in enumerate(node.get("children", ()))
    ]
    return {**node, "children": children}


def _choose(tree: Node, strict: bool) -> Evaluate:
    """Plain paths and `now±…` get functions of their own, several times faster than the interpreter."""
    path = _path(tree)
    if path == ("now",):
        return lambda scope, _meter: _now(scope, _NO_SHIFT)
    if tree["type"] == "function_expression" and tree["value"] == "add_time":
        moment, shift = tree["children"]
        if _path(moment) == ("now",) and isinstance(shift.get("value"), str) and shift["type"] == "literal":
            return _shifted_now(shift["value"])
    if path and strict:
        return _getter(path)
    return _interpreted(_hardened(tree) if strict else tree)


def _shifted_now(text: str) -> Evaluate:
    try:
        amount = parse_shift(text)
    except EvaluationError as error:
        raise ExpressionSyntax(error.args[0], t("Write now+24h, now-7d or now+1h30m.")) from None
    return lambda scope, _meter: _now(scope, amount)


def _getter(path: Path) -> Evaluate:
    def get(scope: Any, _meter: Meter) -> Any:
        value = scope
        for key in path:
            try:
                # An index applies to lists alone: to Python, "text"[0] and {0: …}[0] would do as well.
                value = value[key] if type(key) is str or type(value) is list else _NOTHING[key]
            except (KeyError, TypeError, IndexError):
                raise _missing(key, value) from None
        return value

    return get


def _missing(key: str | int, value: Any) -> MissingPath:
    if isinstance(key, str):
        return MissingPath(t("there is no `{name}` in {value}", name=key, value=describe(value)))
    return MissingPath(t("there is no element {position} in {value}", position=key, value=describe(value)))


def _interpreted(tree: Node) -> Evaluate:
    def interpret(scope: Any, meter: Meter) -> Any:
        if isinstance(scope, Mapping) and isinstance(scope.get("now"), datetime):
            scope = {**scope, "now": _now(scope, _NO_SHIFT)}
        return Interpreter(meter).visit(tree, scope)

    return interpret


def _now(scope: Any, shift: timedelta) -> Any:
    if not isinstance(scope, Mapping) or "now" not in scope:
        raise MissingPath(t("there is no `{name}` in {value}", name="now", value=describe(scope)))
    now = scope["now"]
    return now if isinstance(now, str) and not shift else shift_time(now, shift)


def _short(text: str) -> str:
    return text if len(text) <= 80 else text[:79] + "…"
