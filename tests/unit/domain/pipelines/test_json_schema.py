"""The schema that editors use agrees with validation, and takes templates anywhere."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import pytest

from app.domain.pipelines.json_schema import pipeline_schema
from tests.unit.domain.pipelines.tools import SCHEMAS

SCHEMA = pipeline_schema(SCHEMAS.items())


def test_it_is_a_schema() -> None:
    jsonschema_rs.meta.validate(SCHEMA)
    jsonschema_rs.meta.validate(pipeline_schema([]))


@pytest.mark.parametrize(
    ("step", "valid"),
    [
        ({"uses": "http.request", "with": {"url": "https://x.example"}}, True),
        ({"uses": "http.request", "with": {"url": "x", "expect_status": "${params.s}"}}, True),
        ({"uses": "http.request", "with": {"url": "x", "expect_status": ["${params.s}", 200]}}, True),
        ({"uses": "http.request", "with": {"url": "x", "expect_status": ["200"]}}, False),
        ({"uses": "http.request", "with": {"url": "x", "nope": 1}}, False),
        ({"uses": "http.request"}, False),  # url is missing
        ({"uses": "log.write", "with": {"message": "m", "level": "info"}}, True),
        ({"uses": "log.write", "with": {"message": "m", "level": "${params.l}"}}, True),
        ({"uses": "log.write", "with": {"message": "m", "level": "loud"}}, False),  # behind a $ref
        ({"uses": "nope"}, False),
        ({"uses": "data.set", "with": {"value": 1}, "max_retries": True}, False),
        ({"uses": "data.set", "with": {"value": 1}, "unknown": 1}, False),
    ],
)
def test_steps(step: dict[str, Any], valid: bool) -> None:
    assert jsonschema_rs.Draft202012Validator(SCHEMA).is_valid([step]) is valid
