"""Blocks of a server's answer that are too large for a run's journal: stored, and named where they stood."""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Callable
from typing import Any

from app.domain.blobs import Blob
from app.domain.json_text import storable
from app.domain.waits import StepCall
from ordinaut.tools import ToolCall

LARGEST_DATA = 64 * 1024
"""Characters of binary data that stay in an output…"""
LARGEST_TEXT = 512 * 1024
"""…and of a text."""
EXCERPT = 8192
LONGEST_TYPE = 200

Keep = Callable[[Blob], dict[str, Any] | None]
"""Stores a blob; what stands for it, or None where it is not stored."""


def without_blobs(answer: Any, call: ToolCall, keep: Keep) -> Any:
    """The answer with a reference in place of what is too large; outside of runs there is nowhere to store it."""
    if not isinstance(answer, dict):
        return answer
    if isinstance(blocks := answer.get("content"), list) and answer.keys() == {"content"}:
        return {"content": [_slim(block, call, keep) if isinstance(block, dict) else block for block in blocks]}
    if answer.keys() == {"text"} and isinstance(answer["text"], str):
        return _slim(answer, call, keep)
    return answer


def _slim(block: dict[str, Any], call: ToolCall, keep: Keep) -> dict[str, Any]:
    if isinstance(inner := block.get("resource"), dict):
        return {**block, "resource": _slim(inner, call, keep)}
    for name, most in (("data", LARGEST_DATA), ("blob", LARGEST_DATA), ("text", LARGEST_TEXT)):
        value = block.get(name)
        if isinstance(value, str) and len(value) > most:
            return _replaced(block, name, call, keep)
    return block


def _replaced(block: dict[str, Any], name: str, call: ToolCall, keep: Keep) -> dict[str, Any]:
    text: str = block[name]
    rest = {key: value for key, value in block.items() if key != name}
    if name == "text":
        rest["excerpt"] = text[:EXCERPT]
    data = _bytes(text) if name != "text" else text.encode()
    told = block.get("mimeType") or ("text/plain" if name == "text" else "application/octet-stream")
    stored = None
    # With secrets in it, what comes back may hold them too.
    if data is not None and isinstance(call, StepCall) and not call.has_secrets:
        # The run that people see: the key names it, whichever part of it asks.
        run_id, _, step = call.idempotency_key.partition(":")
        stored = keep(Blob(run_id=run_id, step_id=step[:100], media_type=storable(str(told)[:LONGEST_TYPE]), data=data))
    if stored is None:
        return {**rest, "omitted": True, "characters": len(text)}
    return {**rest, "stored": stored}


def _bytes(text: str) -> bytes | None:
    try:
        return b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
