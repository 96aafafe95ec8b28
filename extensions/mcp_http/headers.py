"""Headers that have to agree with the body, as far as the SDK does not look at them itself."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from typing import NamedTuple

MODERN = "2026-07-28"
"""The first version without a handshake; dates compare as text."""
JSON = "application/json"
INVALID_REQUEST = -32600
HEADER_MISMATCH = -32020
_BEGIN, _END = "=?base64?", "?="


class Misfit(NamedTuple):
    """Why a request is refused."""

    status: int
    code: int
    message: str


def misfit(headers: Mapping[str, str], *, version: str | None, task: str | None) -> Misfit | None:
    """What is wrong with the headers; None where nothing is.

    Args:
        version: Of the protocol, as the body says it.
        task: The one that the body names.
    """
    told = headers.get("MCP-Protocol-Version", "")
    if headers.get("Content-Type", "").partition(";")[0].strip().lower() != JSON:
        return Misfit(400 if told >= MODERN else 415, INVALID_REQUEST, f"Content-Type must be {JSON}")
    if version is not None and not told:
        return Misfit(400, HEADER_MISMATCH, "The header MCP-Protocol-Version is missing")
    if task is not None and _decoded(headers.get("Mcp-Name", "")) != task:
        return Misfit(400, HEADER_MISMATCH, "The header Mcp-Name must name the task of the body")
    return None


def _decoded(value: str) -> str | None:
    """What does not go into a header as it is comes in base64 (SEP-2243); None for what cannot be read."""
    value = value.strip(" \t")
    if not (value.startswith(_BEGIN) and value.endswith(_END)):
        return value
    try:
        return b64decode(value.removeprefix(_BEGIN).removesuffix(_END), validate=True).decode()
    except ValueError:
        return None
