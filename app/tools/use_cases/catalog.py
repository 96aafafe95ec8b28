"""The use cases of the platform as tools: pipelines, REST and assistants call the same ones."""

from __future__ import annotations

from app.tools.use_cases.approvals import approval_tools
from app.tools.use_cases.events import event_tools
from app.tools.use_cases.incidents import incident_tools
from app.tools.use_cases.pipelines import pipeline_tools
from app.tools.use_cases.ports import UseCases
from app.tools.use_cases.runs import run_tools
from app.tools.use_cases.schedules import schedule_tools
from app.tools.use_cases.task_states import steering_tools
from app.tools.use_cases.tasks import task_tools
from app.tools.use_cases.tools import tool_tools
from ordinaut import Tool


def use_case_tools(uses: UseCases) -> list[Tool]:
    """One of each, for a `ToolRegistry`."""
    return [
        *task_tools(uses),
        *steering_tools(uses),
        *run_tools(uses),
        *schedule_tools(uses),
        *pipeline_tools(uses),
        *tool_tools(uses),
        *event_tools(uses),
        *approval_tools(uses),
        *incident_tools(uses),
    ]
