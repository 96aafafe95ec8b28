"""What any process can ask of the worker side of extensions: tasks, dead letters, and whether all is well."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from app.domain.errors import Unavailable
from app.domain.extension_work import CRASHED, IDLE, LIVE, DeadLetter, ExtensionWorkUnits, LeaseState
from app.domain.paging import Page
from ordinaut import TaskInfo

TROUBLED_ATTEMPTS = 2
"""Failed attempts at one event from which on its subscription counts as troubled."""

Word = Literal["healthy", "unhealthy"]


class ExtensionWorkService:
    """The use cases; everything is read from the database, wherever the work is done."""

    def __init__(self, *, units: ExtensionWorkUnits) -> None:
        self._units = units

    def troubles(self, extension_id: str) -> list[str]:
        """Patterns whose next event is being tried in vain."""
        with self._units(read_only=True) as unit:
            found = unit.extension_work.subscriptions(extension_id)
        return [one.pattern for one in found if one.attempts >= TROUBLED_ATTEMPTS]

    def tasks(self, extension_id: str) -> list[TaskInfo]:
        """The background tasks, by name; those whose process is gone are to begin anew elsewhere."""
        with self._units(read_only=True) as unit:
            lease = unit.extension_work.lease(extension_id)
            found = unit.extension_work.tasks(extension_id)
        return found if lease is not None and lease.held else [_orphaned(task, lease) for task in found]

    def stop_task(self, extension_id: str, name: str) -> bool:
        """Ask the process that runs it to cancel it, which takes about a second; False when none runs."""
        with self._units() as unit:
            return unit.extension_work.ask_to_stop(extension_id, name)

    def health(self, extension_id: str) -> Word:
        """Unhealthy when its process has crashed or is gone, or a task has; an extension without work is healthy."""
        with self._units(read_only=True) as unit:
            lease = unit.extension_work.lease(extension_id)
        if lease is None or lease.status == IDLE:
            return "healthy"
        tasks = self.tasks(extension_id)
        well = lease.held and not lease.crashes and all(task.status not in ("failed", "restarting") for task in tasks)
        return "healthy" if well else "unhealthy"

    def trouble(self, extension_id: str) -> str | None:
        """Why it is unhealthy, in one line, where that is known."""
        with self._units(read_only=True) as unit:
            lease = unit.extension_work.lease(extension_id)
        if lease is not None and lease.status == CRASHED and lease.error:
            return lease.error
        broken = (task for task in self.tasks(extension_id) if task.status in ("failed", "restarting") and task.error)
        return next((f"{task.name}: {task.error}" for task in broken), None)

    def crashes(self) -> dict[str, str]:
        """Extension -> why its process ended, of those that have none for that reason; none while nobody can say."""
        try:
            with self._units(read_only=True) as unit:
                leases = unit.extension_work.leases()
        except Unavailable:
            return {}
        return {one.extension_id: one.error for one in leases if one.status == CRASHED and one.error}

    def dead_letters(self, extension_id: str, *, limit: int, offset: int) -> Page[DeadLetter]:
        """Events that its handlers could not take, newest first."""
        with self._units(read_only=True) as unit:
            return unit.extension_work.letters(extension_id, limit=limit, offset=offset)

    def redeliver(self, extension_id: str, letter_id: str) -> DeadLetter:
        """Ask for one more delivery; the letter goes when it succeeds. NotFound when there is none."""
        with self._units() as unit:
            letter = replace(unit.extension_work.letter(extension_id, letter_id), redelivering=True)
            unit.extension_work.save_letter(letter)
        return letter

    def delete_dead_letter(self, extension_id: str, letter_id: str) -> None:
        """Give the event up for good. NotFound when there is none."""
        with self._units() as unit:
            unit.extension_work.delete_letter(extension_id, letter_id)


def _orphaned(task: TaskInfo, lease: LeaseState | None) -> TaskInfo:
    if task.status not in LIVE:
        return task
    crashed = lease is not None and lease.status == CRASHED
    return replace(task, status="restarting", owner=None, error=lease.error if lease and crashed else task.error)
