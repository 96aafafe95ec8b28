"""Runs that are not made since one with the same key was accepted a while ago."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from app.domain.runs import NewRun
from app.domain.texts import Text, t


class DedupeStore(Protocol):
    """The keys of accepted runs, inside a unit of work; a key is its task's own."""

    def accept(self, run: NewRun, now: datetime) -> str | None:
        """Take the run's key for its window; the id of the run that has it, where one was accepted inside its own."""

    def release(self, task_id: str, run_id: str) -> None:
        """Give back the key of a run that was not made after all, or is gone."""

    def purge(self, now: datetime, limit: int) -> int:
        """Forget keys whose window is over, `limit` at most; how many."""


def deduped_reason(seconds: int) -> Text:
    """Why an occurrence is not run."""
    return t("A run with the same key was accepted within {seconds} s", seconds=seconds)
