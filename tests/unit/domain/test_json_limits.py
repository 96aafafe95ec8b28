"""JSON from outside: what is refused, and that counting agrees with parsing."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.errors import InvalidInput
from app.domain.json_limits import check_json, depth_of


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[1,]",
        b"{'a':1}",
        b"\xef\xbb\xbf{}",  # byte order mark
        b'"\xff"',  # not UTF-8
        b"[NaN]",
        b"[-Infinity]",
        b"1e400",
        b"9223372036854775808",  # 2**63
        b"-9223372036854775809",
        b"[" + b"1" * 5000 + b"]",
        b'"\\ud800"',  # lone surrogate
        b'"a\\u0000"',
        b'{"\\u0000":1}',
        b'{"a":1,"b":{"c":1,"c":2}}',  # repeated key
        b'{"a":1,"\\u0061":2}',  # the same key, written otherwise
        b"[" * 65 + b"]" * 65,
        b'{"a":' * 65 + b"1" + b"}" * 65,
        json.dumps({str(n): n for n in range(10_001)}).encode(),
        b'"' + b"a" * (1024 * 1024 + 1) + b'"',
    ],
)
def test_refuses(body: bytes) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_json(body)
    assert caught.value.problems[0].message
    assert caught.value.problems[0].hint


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":[1,2.5,null,true,"x"]}',
        b"9223372036854775807",
        b"-9223372036854775808",
        b"1234567890.12345678901234567890",  # long, but no integer
        b'"\\\\u0000"',  # an escaped backslash, then text
        b'{"a":":::[[[[{{{{\\"","b":{"a":1}}',  # what stands in strings does not count
        b"[" * 64 + b"]" * 64,
        '"\U0001f600 ă"'.encode(),
        b'"\\ud83d\\ude00"',  # a pair of surrogates
    ],
)
def test_takes(body: bytes) -> None:
    assert check_json(body) == json.loads(body)


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 1_000_000,
        b'"' + b'\\"' * 500_000,  # a string that never ends
        b'"a' * 300_000,
        b"1.e-" * 250_000,
        b'"\\u0000' * 100_000,
        b"1" * 1_000_000,
    ],
)
def test_a_hostile_body_is_refused_quickly(body: bytes) -> None:
    started = time.process_time()
    with pytest.raises(InvalidInput):
        check_json(body)
    assert time.process_time() - started < 0.5


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(alphabet='[]{}:"\\a1,', max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=25,
)


def naive_depth(value: Any) -> int:
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if members is None else 1 + max(map(naive_depth, members), default=0)


@settings(max_examples=100, deadline=None)
@given(values)
def test_depth_agrees_with_a_recursive_count(value: Any) -> None:
    assert depth_of(json.dumps(value).encode()) == naive_depth(value)


@settings(max_examples=60, deadline=None)
@given(values)
def test_what_is_taken_comes_back(value: Any) -> None:
    body = json.dumps(value)
    if "\\u0000" not in body:
        assert check_json(body.encode()) == value
