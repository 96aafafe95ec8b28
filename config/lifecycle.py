"""Whether this process was told to stop; long answers (streams) ask once a second and end themselves."""

from __future__ import annotations

from typing import Protocol


class Worker(Protocol):
    """What is needed of a gunicorn worker."""

    alive: bool
    """False from the moment it was told to stop."""


_attached: list[Worker] = []


def attach(worker: Worker) -> None:
    """Make `worker` the one that `stopping` asks; gunicorn calls this in each worker process."""
    _attached[:] = [worker]


def stopping() -> bool:
    """True once this process's worker was told to stop; False where no worker was attached, as in tests."""
    return any(not worker.alive for worker in _attached)
