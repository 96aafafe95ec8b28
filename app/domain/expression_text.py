"""How expressions are written: where `${…}` ends, and what is put right before JMESPath reads the text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Final

from app.domain.texts import t

EXPRESSION_LIMIT: Final = 1_000
NESTING_LIMIT: Final = 50

_TOKEN: Final = re.compile(
    r"""
      (?P<raw>'(?:[^'\\]|\\.)*')
    | (?P<quoted>"(?:[^"\\]|\\.)*")
    | (?P<literal>`(?:[^`\\]|\\.)*`)
    | (?P<start>\$\{)
    | (?P<shift>(?<![\w."-])now\s*[+-]\s*(?:[0-9]+[smhdw])+(?![\w-]))
    | (?P<index>\[\s*(?:-?[0-9]+\s*)?(?::\s*(?:-?[0-9]+\s*)?){0,2}\])
    | (?P<name>[A-Za-z_][A-Za-z0-9_-]*)
    | (?P<number>-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)
    | (?P<space>\s+)
    | (?P<open>[\[({])
    | (?P<close>[\])}])
    | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_QUOTES: Final = frozenset({"'", '"', "`"})
_WORDS: Final = frozenset({"true", "false", "null"})


class ExpressionSyntax(Exception):
    """The text is not an expression; `hint` says how to write it."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def find_end(text: str, start: int) -> int:
    """Returns the index of the `}` that closes a `${` whose expression begins at `start`, or -1.

    Braces inside quotes and those of multi-select hashes do not count.
    """
    depth = 0
    for token in _TOKEN.finditer(text, start):
        word = token.group()
        if word in ("{", "${"):
            depth += 1
        elif word == "}":
            if depth == 0:
                return token.start()
            depth -= 1
    return -1


def unwrap(condition: str) -> str:
    """Replaces every `${…}` of a condition by `(…)`, so that it can be read as one expression.

    Raises:
        ExpressionSyntax: A `${` is never closed, or stands inside quotes.
    """
    if "${" not in condition:
        return condition
    opened: list[str] = []
    out = [_unwrapped(token.lastgroup or "", token.group(), opened) for token in _TOKEN.finditer(condition)]
    if "${" in opened:
        raise ExpressionSyntax(t("a `${` is never closed"), t("Close it with `}`."))
    return "".join(out)


def _unwrapped(kind: str, word: str, opened: list[str]) -> str:
    if kind in ("raw", "quoted", "literal") and "${" in word:
        hint = t("Compare without quotes, for example steps.a.status == 'ok'.")
        raise ExpressionSyntax(t("`${…}` inside quotes is not filled in"), hint)
    if word in ("${", "{"):
        opened.append(word)
        return "(" if word == "${" else word
    if word == "}" and opened and opened.pop() == "${":
        return ")"
    return word


def rewrite(text: str) -> str:
    """Returns the JMESPath for an expression as people write it.

    Bare numbers and the words true, false and null become literals, names with hyphens are quoted, and
    `now-7d` becomes a call of `add_time`.

    Raises:
        ExpressionSyntax: The text is empty, longer than 1,000 characters, nested deeper than 50 brackets,
            or holds a literal that is not JSON.
    """
    if not text.strip():
        raise ExpressionSyntax(t("the expression is empty"), t("Write a path such as steps.fetch.body."))
    if len(text) > EXPRESSION_LIMIT:
        raise ExpressionSyntax(
            t(
                "the expression has {count} characters; at most {limit} are allowed",
                count=len(text),
                limit=EXPRESSION_LIMIT,
            ),
            t("Compute it in parts, in data.transform steps before this one."),
        )
    return "".join(_rewritten(text))


def _rewritten(text: str) -> Iterator[str]:
    depth, previous = 0, ""
    for token in _TOKEN.finditer(text):
        kind, word = token.lastgroup, token.group()
        depth += (kind == "open") - (kind == "close")
        if depth > NESTING_LIMIT:
            raise ExpressionSyntax(
                t("brackets are nested deeper than {limit}", limit=NESTING_LIMIT), t("Compute it in parts.")
            )
        yield _replaced(kind or "", word, previous, text[token.end() :].lstrip()[:1])
        if kind != "space":
            previous = word


def _replaced(kind: str, word: str, previous: str, following: str) -> str:
    if kind == "start":
        raise ExpressionSyntax(t("`${` inside an expression"), t("Inside ${…} write the path without another ${}."))
    if word in _QUOTES:
        raise ExpressionSyntax(
            t("a {quote} is never closed", quote=word), t("Close the quote; text goes in single quotes: 'so'.")
        )
    if kind == "number":
        return f"`{word}`"
    if kind == "shift":
        return f"add_time(now, '{''.join(word[3:].split())}')"
    if kind == "literal":
        return _checked_literal(word)
    if kind == "name" and word in _WORDS and previous != "." and following not in (":", "("):
        return f"`{word}`"
    if kind == "name" and "-" in word:
        return f'"{word}"'
    return word


def _checked_literal(word: str) -> str:
    try:
        json.loads(word[1:-1].replace("\\`", "`"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise ExpressionSyntax(
            t("{text} is not JSON", text=word), t("Text goes in single quotes: 'like this'.")
        ) from None
    return word


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def hint_for(text: str) -> str:
    """Guesses what the writer of a wrong expression meant, from the habits of other languages."""
    quoting = ("raw", "quoted", "literal")
    bare = "".join(token.group() for token in _TOKEN.finditer(text) if token.lastgroup not in quoting)
    guesses = (
        (r"\b(and|or|not)\b", t("Write && for and, || for or, ! for not.")),
        (r"(?<![=!<>])=(?!=)", t("Compare with ==.")),
        (r"===|!==", t("Compare with == or !=.")),
        (r"\s[+*/%-]\s", t("Expressions do not calculate; only now+24h and now-7d are understood.")),
        (r"\?[^\[]", t("Write value || 'default' for a default.")),
    )
    for pattern, hint in guesses:
        if re.search(pattern, bare):
            return hint
    return t("Expressions are JMESPath: a path such as steps.fetch.body[0].name, a comparison, a function call.")
