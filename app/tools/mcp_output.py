"""Answers of servers, held against what their tools promise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jsonschema_rs import ValidationError

from app.domain.texts import t
from app.tools.json_schemas import compiled
from ordinaut.tools import ToolFailed


def checked(answer: Any, output_schema: Mapping[str, Any] | None, tool: str) -> Any:
    """The answer, which fits what its tool promises.

    Raises:
        ToolFailed: `invalid_output`.
    """
    if output_schema is None:
        return answer
    try:
        compiled(output_schema).validate(answer)
    except ValidationError as error:
        message = t("The answer of {tool} does not fit its own schema", tool=tool)
        details = {"pointer": "/".join(["", *map(str, error.instance_path)])}
        raise ToolFailed(message, type="invalid_output", retryable=False, details=details) from error
    except ValueError:
        pass  # a schema that cannot be used promises nothing
    return answer
