"""The tools every installation has."""

from __future__ import annotations

from app.domain.clock import Clock
from app.tools.approvals import request_approval_tool
from app.tools.data import data_set_tool, data_transform_tool
from app.tools.events import PublishEvent, events_publish_tool
from app.tools.flow import flow_sleep_tool, flow_wait_event_tool
from app.tools.forms import SchemaForms
from app.tools.http import http_request_tool
from app.tools.http_safety import HttpPolicy
from app.tools.log import log_write_tool
from app.tools.task_runs import RunChildren, tasks_run_tool
from app.tools.tasks import CreateTask, tasks_create_tool
from ordinaut.tools import Tool


def builtin_tools(
    *, http_policy: HttpPolicy, create_task: CreateTask, publish: PublishEvent, children: RunChildren, clock: Clock
) -> list[Tool]:
    """One of each, for a `ToolRegistry`.

    Args:
        http_policy: What `http.request` may reach beyond the public internet.
        create_task: What `tasks.create` calls.
        publish: What `events.publish` calls.
        children: What `tasks.run` calls.
        clock: The database's.
    """
    return [
        data_set_tool(),
        data_transform_tool(),
        events_publish_tool(publish),
        flow_sleep_tool(),
        flow_wait_event_tool(),
        http_request_tool(http_policy),
        log_write_tool(),
        tasks_create_tool(create_task),
        tasks_run_tool(children),
        request_approval_tool(clock, SchemaForms()),
    ]
