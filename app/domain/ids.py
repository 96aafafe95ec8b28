"""Identifiers that sort by the time they were made (UUID version 7, RFC 9562)."""

from __future__ import annotations

import os
import time
from datetime import datetime

from app.domain.clock import to_micros


def new_id() -> str:
    """A new UUIDv7 in its canonical form: milliseconds, then their fraction, so indexes grow at their end.

    The fraction has 12 bits (RFC 9562, 6.2, method 3): ids of one process sort as they were made.
    """
    millis, nanos = divmod(time.time_ns(), 1_000_000)
    raw = bytearray(millis.to_bytes(6, "big") + (nanos * 4096 // 1_000_000).to_bytes(2, "big") + os.urandom(8))
    raw[6] |= 0x70
    raw[8] = 0x80 | raw[8] & 0x3F
    digits = raw.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def id_border(moment: datetime) -> str:
    """A text that sorts after every id made before `moment` and before every later one, to the millisecond."""
    digits = f"{to_micros(moment) // 1000:012x}"
    return f"{digits[:8]}-{digits[8:]}"
