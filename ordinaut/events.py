"""What an event is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened, as it was published.

    Attributes:
        id: `<milliseconds since 1970>-<n>`; rises strictly in the order of commits. Empty for what the platform
            announces of itself without storing it.
        topic: Dot-separated, e.g. `shop.order.paid`; a stream of the founding document is a topic.
        data: The JSON object that was published.
        published_at: When, in UTC.
        source: Id of the agent or `ext:<id>` of the extension that published it.
        depth: How many events led to the run that published this one; 0 from outside.
    """

    id: str
    topic: str
    data: Mapping[str, Any]
    published_at: datetime
    source: str = ""
    depth: int = 0
