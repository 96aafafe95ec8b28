"""What people fill in, checked against the JSON Schema of its form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jsonschema_rs import Draft202012Validator, FancyRegexOptions, ReferencingError

from app.domain.errors import Problem
from app.domain.texts import t
from app.tools.argument_problems import problems_of

_BACKTRACK_LIMIT = 20_000


class SchemaForms:
    """See `app.domain.approvals.Forms`."""

    def schema_problem(self, schema: Mapping[str, Any]) -> str | None:
        """Why nothing can be checked against the schema."""
        try:
            _validator(schema)
        except (ValueError, ReferencingError) as error:
            return t("The form is not a usable JSON Schema: {error}", error=error)
        return None

    def problems(self, schema: Mapping[str, Any], value: Any) -> Sequence[Problem]:
        """What is wrong with a value."""
        known = schema.get("properties")
        return problems_of(_validator(schema).iter_errors(value), list(known) if isinstance(known, dict) else [])


def _validator(schema: Mapping[str, Any]) -> Draft202012Validator:
    # Offline: a `$ref` of a stranger's schema must not make this process fetch anything.
    return Draft202012Validator(
        dict(schema),
        validate_formats=True,
        offline=True,
        pattern_options=FancyRegexOptions(backtrack_limit=_BACKTRACK_LIMIT),
    )
