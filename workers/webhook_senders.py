"""The senders of a beat: threads that turn events into deliveries and send them, never in the way of its ticks."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence

from app.domain.errors import NotFound, Unavailable
from app.domain.webhooks import WebhookDelivery
from app.services.webhook_sending import WebhookSending
from app.telemetry import emit

SENDERS = 8
OF_ONE = 2
"""Deliveries of one webhook that are under way at a time: one that hangs leaves threads to the others."""
STOP_SECONDS = 5.0


class WebhookSenders:
    """A planner and a few senders; `start` once, in the process that is to send.

    Args:
        poll: Seconds between two looks while nothing is to be done.
    """

    def __init__(self, sending: WebhookSending, *, poll: float, senders: int = SENDERS) -> None:
        self._sending = sending
        self._poll = poll
        self._senders = senders
        self._busy: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._due = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Begin."""
        self._threads = [self._thread("webhook planner", self._plan)]
        self._threads += [self._thread(f"webhook sender {number}", self._send) for number in range(self._senders)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Begin nothing more, and wait a little for what is under way; the rest is sent again by whoever comes next."""
        self._stopping.set()
        self._due.set()
        deadline = time.monotonic() + STOP_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _thread(self, name: str, work: Callable[[], None]) -> threading.Thread:
        return threading.Thread(target=self._repeat, args=(work,), name=name, daemon=True)

    def _repeat(self, work: Callable[[], None]) -> None:
        while not self._stopping.is_set():
            try:
                work()
            except Unavailable:
                self._stopping.wait(self._poll)
            except Exception as error:  # noqa: BLE001 - a sender that dies leaves receivers without news
                emit("webhook.failed", error=error)
                self._stopping.wait(self._poll)

    def _plan(self) -> None:
        """Look, for everybody: senders ask for work only when there is some."""
        seen = self._sending.look()
        more = bool(seen.webhooks) and self._sending.plan(seen.webhooks)
        if seen.due or seen.webhooks:
            self._due.set()
        if not more:
            self._stopping.wait(self._poll)

    def _send(self) -> None:
        self._due.wait()
        if not self._stopping.is_set() and not self.send_one():
            self._due.clear()

    def send_one(self) -> bool:
        """Send the delivery that has been due for longest; False when there is none."""
        claimed = self._claimed()
        if claimed is None:
            return False
        try:
            self._sending.send(claimed)
        except NotFound:
            return True  # the webhook was deleted meanwhile
        finally:
            with self._lock:
                self._busy[claimed.webhook_id] -= 1
        return True

    def _claimed(self) -> WebhookDelivery | None:
        with self._lock:
            claimed = self._sending.claim(self._full())
            if claimed is not None:
                self._busy[claimed.webhook_id] += 1
            return claimed

    def _full(self) -> Sequence[str]:
        return [one for one, count in self._busy.items() if count >= OF_ONE]
