"""YAML as JSON is: what is written reads back the same, and words of YAML 1.1 stay words."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from app.cli.remote.yaml_text import dump, line_of, load_all

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


@given(VALUES)
def test_what_is_written_reads_back(value: Any) -> None:
    ((found, _),) = load_all(dump({"value": value}))
    assert found == {"value": value}


@given(st.sampled_from(["1e3", "0x10", "010", "1:30", "on", "=", "<<", "~", "2026-11-24", "1_000", ".inf", "- a"]))
def test_texts_that_look_like_something_else_stay_texts_for_all_readers(text: str) -> None:
    written = dump({"value": text})
    assert load_all(written)[0][0] == yaml.safe_load(written) == {"value": text}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on", "on"),  # YAML 1.1: true
        ("no", "no"),
        ("12:30:00", "12:30:00"),  # 1.1: 45000
        ("2026-11-24", "2026-11-24"),  # 1.1: a date
        ("010", "010"),  # 1.1: 8
        ("true", True),
        ("~", None),
        ("-3", -3),
        ("1.5e3", 1500.0),
        ("'1'", "1"),
    ],
)
def test_scalars(text: str, value: Any) -> None:
    assert load_all(f"a: {text}")[0][0] == {"a": value}


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "'a' is there twice"),
        ("a: 1\n2: b\n", 2, "a key has to be text"),
        ("a: 1\nb: [\n", 3, "expected the node content"),
        ("a: !!python/object:os.system x\n", 1, "could not determine a constructor"),
    ],
)
def test_mistakes_name_their_line(text: str, line: int, said: str) -> None:
    with pytest.raises(yaml.MarkedYAMLError) as caught:
        load_all(text)
    assert caught.value.problem_mark and caught.value.problem_mark.line + 1 == line
    assert said in str(caught.value.problem)


@pytest.mark.parametrize(
    ("pointer", "line"),
    [
        ("", 1),
        ("/spec/steps/1/uses", 5),
        ("/spec/a~1b", 6),
        ("/spec/nothing/here", 2),  # the nearest that is there
        ("/spec/steps/7", 3),
    ],
)
def test_pointers_have_lines(pointer: str, line: int) -> None:
    ((_, node),) = load_all("kind: Task\nspec:\n  steps:\n    - uses: a\n    - uses: b\n  a/b: 1\n")
    assert line_of(node, pointer) == line
