"""What is stored in place of large pieces of a server's answer."""

from __future__ import annotations

import time
from typing import Any

from app.domain.blobs import Blob
from app.domain.waits import StepCall
from app.tools.mcp_blobs import LARGEST_DATA, without_blobs
from ordinaut import Caller


def test_a_type_that_no_database_takes_is_replaced() -> None:
    kept: list[Blob] = []

    def keep(blob: Blob) -> dict[str, Any]:
        kept.append(blob)
        return blob.reference

    call = StepCall(
        arguments={},
        idempotency_key="run:step",
        deadline=time.monotonic() + 5,
        caller=Caller("ana", frozenset()),
        log=lambda level, message: None,
        should_stop=lambda: False,
        has_secrets=False,
    )
    block = {"type": "image", "mimeType": "image/\0png", "data": "AAAA" * LARGEST_DATA}
    without_blobs({"content": [block]}, call, keep)
    assert [blob.media_type for blob in kept] == ["image/\ufffdpng"]
