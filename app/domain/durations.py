"""Lengths of time as people write them: `90`, `15m`, `1h30m`, `PT15M`."""

from __future__ import annotations

import re
from typing import Any

PATTERN = r"^([0-9]{1,9}[wdhms]){1,5}$|^P[0-9WDTHMS]{2,60}$"
"""What the texts look like, roughly, for a JSON Schema."""

_SECONDS = (604_800, 86_400, 3600, 60, 1)
_NUMBER = r"(\d{1,9})"
_SHORT = re.compile("".join(f"(?:{_NUMBER}{unit})?" for unit in "wdhms"), re.ASCII)
_ISO = re.compile(rf"P(?:{_NUMBER}W)?(?:{_NUMBER}D)?(?:T(?:{_NUMBER}H)?(?:{_NUMBER}M)?(?:{_NUMBER}S)?)?", re.ASCII)


def seconds_of(value: Any) -> int | None:
    """Whole seconds of a number of them, of units from the largest to the smallest, or of an ISO 8601 duration.

    Months and years have no fixed length and are not understood; None for whatever is none of these.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if not isinstance(value, str):
        return None
    match = _SHORT.fullmatch(value) or _ISO.fullmatch(value)
    if match is None or value.endswith("T") or not any(match.groups()):
        return None
    return sum(int(count) * unit for count, unit in zip(match.groups(), _SECONDS, strict=True) if count)
