"""JSON Schemas that others wrote, compiled so that they can do no harm."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jsonschema_rs import Draft202012Validator, FancyRegexOptions, ReferencingError

_BACKTRACK_LIMIT = 20_000


def compiled(schema: Mapping[str, Any]) -> Draft202012Validator:
    """The schema, ready to check values.

    Raises:
        ValueError: It is no JSON Schema 2020-12, or refers to one that is elsewhere.
    """
    try:
        # Offline: a `$ref` of a stranger's schema must not make this process fetch anything.
        return Draft202012Validator(
            dict(schema),
            validate_formats=True,
            offline=True,
            pattern_options=FancyRegexOptions(backtrack_limit=_BACKTRACK_LIMIT),
        )
    except ReferencingError as error:
        raise ValueError(str(error)) from error
