"""Tasks that a change of a server's tools leaves behind, and those that fit again."""

from __future__ import annotations

from collections.abc import Callable

from app.domain.clock import Clock
from app.domain.errors import NotFound
from app.domain.mcp import Known, Server
from app.domain.pipelines.drift import is_of, reviewed
from app.domain.pipelines.validate import ToolSchemas
from app.domain.ports import UnitsOfWork
from app.services.lifecycle import Herald, task_facts

DRIFTED, FITS = "task.drifted", "task.fits_again"

Schemas = Callable[[Server, Known], ToolSchemas]
"""The tools that a server has, as pipelines are checked against them."""


class TaskDrifts:
    """Holds tasks against the tools of servers."""

    def __init__(self, *, units: UnitsOfWork, clock: Clock, herald: Herald, schemas: Schemas) -> None:
        self._units = units
        self._clock = clock
        self._herald = herald
        self._schemas = schemas

    def review(self, server: Server, known: Known) -> list[str]:
        """Note what of every task no longer fits the tools of a server, and tell of it; ids of those tasks."""
        tools, now = self._schemas(server, known), self._clock.now()
        with self._units(read_only=True) as unit:
            using = unit.tasks.using(server.name)
        found = {task.id: (task.drift, reviewed(task, server.name, tools, now)) for task in using}
        for task_id, (before, after) in found.items():
            if before != after:
                self._note(task_id, server.name, tools)
        return [key for key, (_, drift) in found.items() if any(is_of(one["tool"], server.name) for one in drift)]

    def _note(self, task_id: str, server: str, tools: ToolSchemas) -> None:
        """The same for one task, which nobody edits meanwhile."""
        with self._units() as unit:
            telling = self._herald.opened(unit, DRIFTED, FITS)
            try:
                task = unit.tasks.get(task_id, lock=True)
            except NotFound:
                return
            drift = reviewed(task, server, tools, self._clock.now())
            if drift != task.drift:
                unit.tasks.set_drift(task_id, drift)
                telling.tell(DRIFTED if drift else FITS, task_facts(task, drift=list(drift)))
