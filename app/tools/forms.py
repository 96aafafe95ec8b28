"""What people fill in, checked against the JSON Schema of its form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from app.domain.errors import Problem
from app.domain.texts import t
from app.tools.argument_problems import problems_of
from app.tools.json_schemas import compiled


class SchemaForms:
    """See `app.domain.approvals.Forms`."""

    def schema_problem(self, schema: Mapping[str, Any]) -> str | None:
        """Why nothing can be checked against the schema."""
        try:
            compiled(schema)
        except ValueError as error:
            return t("The form is not a usable JSON Schema: {error}", error=error)
        return None

    def problems(self, schema: Mapping[str, Any], value: Any) -> Sequence[Problem]:
        """What is wrong with a value."""
        known = schema.get("properties")
        return problems_of(compiled(schema).iter_errors(value), list(known) if isinstance(known, dict) else [])
