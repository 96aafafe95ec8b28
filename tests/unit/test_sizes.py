"""The sizes and manners of ARCHITECTURE.md that no linter checks, for every file of ours."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent.parent
PRODUCT = ("app", "config", "ordinaut", "workers", "migrations", "extensions", "scripts", "bench")
FILES = sorted(path for room in (*PRODUCT, "tests") for path in (REPOSITORY / room).rglob("*.py"))
OURS = {"app", "config", "ordinaut", "workers", "extensions", "migrations"}
EMPTY_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "base", "manager"}

LONGEST_FUNCTION = 40
LONGEST_FILE = 400
MOST_PARAMETERS = 5
DEEPEST_NESTING = 3
# Made by `alembic revision`: as long as the schema is, and not read by hand.
GENERATED = "migrations/versions/"

Function = ast.FunctionDef | ast.AsyncFunctionDef
Nesting = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.TryStar, ast.Match)


def test_there_are_files_to_look_at() -> None:
    assert len(FILES) > 50


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(REPOSITORY).as_posix())
def test_the_file_keeps_the_house_rules(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not list(problems(path.relative_to(REPOSITORY), text))


def problems(path: Path, text: str) -> Iterator[str]:
    """Everything wrong with one file, as sentences."""
    tree = ast.parse(text)
    generated = path.as_posix().startswith(GENERATED)
    if text.count("\n") > LONGEST_FILE and not generated:
        yield f"{path} has more than {LONGEST_FILE} lines"
    if path.stem in EMPTY_NAMES:
        yield f"{path} is named after nothing in particular"
    yield from (f"{path}: {words}" for words in unfinished(path, text))
    for function, inside_class in functions(tree):
        where = f"{path}:{function.lineno} {function.name}"
        if not generated and length(function) > LONGEST_FUNCTION:
            yield f"{where} has {length(function)} lines"
        if function.returns is None:
            yield f"{where} does not say what it returns"
        if path.parts[0] != "tests":
            yield from (f"{where} {problem}" for problem in manners(path, function, inside_class))


def manners(path: Path, function: Function, inside_class: bool) -> Iterator[str]:
    """What only the product's functions are held to."""
    if function.name not in ("__init__", "__new__") and parameters(function, inside_class) > MOST_PARAMETERS:
        yield f"takes more than {MOST_PARAMETERS} parameters"
    if depth(function.body) > DEEPEST_NESTING:
        yield f"is nested deeper than {DEEPEST_NESTING}"
    if not path.as_posix().startswith("app/cli/") and any(imports_ours(node) for node in ast.walk(function)):
        yield "imports first-party code inside a function"


def unfinished(path: Path, text: str) -> Iterator[str]:
    """Marks of work left for later."""
    if path.name == Path(__file__).name:
        return
    pattern = r"\b(TODO|FIXME|XXX)\b|\bfor now\b|NotImplementedError|pragma: no cover"
    yield from (f"holds {match.group()!r}" for match in re.finditer(pattern, text))


def functions(tree: ast.AST, inside_class: bool = False) -> Iterator[tuple[Function, bool]]:
    """Every function, and whether it is a method."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, Function):
            yield node, inside_class
        yield from functions(node, isinstance(node, ast.ClassDef))


def length(function: Function) -> int:
    """Lines from `def` to the end, the docstring not counted."""
    first = function.body[0]
    documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    docstring = (first.end_lineno or 0) - first.lineno + 1 if documented else 0
    return (function.end_lineno or 0) - function.lineno + 1 - docstring


def parameters(function: Function, inside_class: bool) -> int:
    """How many a caller may give; `self` and `cls` are not given."""
    given = function.args
    count = len(given.posonlyargs) + len(given.args) + len(given.kwonlyargs)
    static = any(isinstance(mark, ast.Name) and mark.id == "staticmethod" for mark in function.decorator_list)
    return count - (inside_class and not static)


def depth(body: list[ast.stmt]) -> int:
    """The deepest nesting of blocks; `elif` is as deep as its `if`, an inner function starts anew."""
    return max((depth_of(node) for node in body), default=0)


def depth_of(node: ast.stmt) -> int:
    """The nesting that one statement brings."""
    if not isinstance(node, Nesting):
        return 0
    if isinstance(node, ast.If) and len(node.orelse) == 1 and isinstance(node.orelse[0], ast.If):
        return max(1 + depth(node.body), depth_of(node.orelse[0]))
    parts = ["body", "orelse", "finalbody"]
    bodies = [getattr(node, part, []) for part in parts]
    bodies += [part.body for part in [*getattr(node, "handlers", []), *getattr(node, "cases", [])]]
    return 1 + max(depth(body) for body in bodies)


def imports_ours(node: ast.AST) -> bool:
    """Whether it is an import of first-party code."""
    if isinstance(node, ast.ImportFrom):
        return node.level > 0 or (node.module or "").split(".")[0] in OURS
    return isinstance(node, ast.Import) and any(alias.name.split(".")[0] in OURS for alias in node.names)


WRONG = [
    # each row: what a file may not hold, and a word of the complaint
    ("def f():\n    return 1\n", "does not say"),
    ("def f(a, b, c, d, e, g) -> None:\n    pass\n", "parameters"),
    ("def f(a, *, b, c, d, e, g) -> None:\n    pass\n", "parameters"),
    ("def f() -> None:\n" + "    pass\n" * 40, "41 lines"),
    (
        "def f() -> None:\n  if a:\n    for b in c:\n      while d:\n        with e:\n          pass\n",
        "nested",
    ),
    ("def f() -> None:\n    from app.domain import ids\n", "first-party"),
    ("# TODO later\n", "TODO"),
    ("x = 1\n" * 401, "400 lines"),
]


@pytest.mark.parametrize(("text", "complaint"), WRONG)
def test_what_is_wrong_is_found(text: str, complaint: str) -> None:
    assert any(complaint in problem for problem in problems(Path("app/x.py"), text))


RIGHT = [
    # a docstring does not count, nor does `self`; a constructor takes what it needs; elif is no nesting
    'def f() -> None:\n    """' + "text\n" * 60 + '    """\n',
    "class A:\n    def f(self, a, b, c, d, e) -> None:\n        pass\n",
    "class A:\n    def __init__(self, *, a, b, c, d, e, f, g) -> None:\n        pass\n",
    "def f() -> None:\n  if a:\n    b\n  elif b:\n    b\n  elif c:\n    b\n  elif d:\n    if e:\n      b\n",
]


@pytest.mark.parametrize("text", RIGHT)
def test_what_is_right_passes(text: str) -> None:
    assert not list(problems(Path("app/x.py"), text))
