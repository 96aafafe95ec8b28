"""WebSockets without a network."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any


class FakeSocket:
    """A WebSocket whose client says what it was given and then leaves; `sent` is what it got."""

    def __init__(self, messages: Iterable[str | bytes] = ()) -> None:
        self.messages = list(messages)
        self.sent: list[str | bytes] = []
        self.connected = True
        self.code: int | None = None

    def receive(self, timeout: float | None = None) -> str | bytes | None:
        """The next message; ConnectionError once there is none left."""
        if not self.messages:
            self.connected = False
            raise ConnectionError("The client has left")
        return self.messages.pop(0)

    def send(self, data: str | bytes) -> None:
        """Note what is sent."""
        self.sent.append(data)

    def receive_json(self, timeout: float | None = None) -> Any:
        """The next message as JSON."""
        message = self.receive(timeout)
        return None if message is None else json.loads(message)

    def send_json(self, value: Any) -> None:
        """Note a value, as JSON text."""
        self.send(json.dumps(value, ensure_ascii=False))

    def close(self, code: int | None = None, reason: str | None = None) -> None:
        """Note the end."""
        self.connected, self.code = False, code

    def __iter__(self) -> Iterator[str | bytes]:
        """What the client says."""
        while self.messages:
            yield self.messages.pop(0)
