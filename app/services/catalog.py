"""The use cases of the web process, one service for each noun of the API."""

from __future__ import annotations

from dataclasses import dataclass

from app.services.health import HealthService
from app.services.runs import RunService
from app.services.schedules import ScheduleService
from app.services.tasks import TaskService
from app.services.tools import ToolService


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What a view may call."""

    tasks: TaskService
    schedules: ScheduleService
    runs: RunService
    tools: ToolService
    health: HealthService
