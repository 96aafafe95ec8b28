"""The comparison of examples sees what it should and overlooks what it should."""

from __future__ import annotations

import pytest

from tests.docs.examples import differences

ID, OTHER = "01a20faa-30ba-7abd-85cd-2b4f87a863f4", "01a20faa-9fd3-798b-91b6-e8d4d1b68c87"


@pytest.mark.parametrize(
    ("shown", "real"),
    [
        ('{"a": 1}', '{"a":1}'),
        ('{"a": 1, "…": "…"}', '{"a": 1, "b": 2}'),  # the page says that there is more
        (f'{{"id": "{ID}"}}', f'{{"id": "{OTHER}"}}'),  # ids differ from day to day
        ('{"at": "2026-11-24T22:26:10.5Z"}', '{"at": "2027-01-01T00:00:00Z"}'),
        ('{"a": 1}\n{"b": 2}', '{"a":1}{"b":2}'),  # two answers of two commands
        ("204\n", "204\n"),
        ("…\nevent: end\n…\n", "id: 1\n\nevent: end\ndata: x\n"),
    ],
)
def test_the_same(shown: str, real: str) -> None:
    assert differences(shown, real) == []


@pytest.mark.parametrize(
    ("shown", "real"),
    [
        ('{"a": 1}', '{"a": 2}'),
        ('{"a": 1}', '{"a": true}'),
        ('{"a": 1}', '{"a": 1, "b": 2}'),  # more than the page admits
        ('{"a": 1, "…": "…"}', '{"b": 2}'),
        ('{"a": [1]}', '{"a": [1, 2]}'),
        ('{"a": 1}', '{"a":1}{"b":2}'),
        (f'{{"id": "{ID}"}}', '{"id": "7"}'),
        ("204\n", "404\n"),
        ("event: end\n", "id: 1\nevent: end\n"),  # nothing was left out, says the page
        ("…\nevent: end\n", "id: 1\n"),
    ],
)
def test_not_the_same(shown: str, real: str) -> None:
    assert differences(shown, real)
