"""Requests made from the description alone, against the real application: what it promises holds."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests.integration.api.conftest import Api

GROUPS = (
    "agents",
    "approvals",
    "audit",
    "auth",
    "backfills",
    "budgets",
    "secrets",
    "docs",
    "events",
    "extensions",
    "grants",
    "health",
    "incidents",
    "mcp",
    "oauth",
    "pipelines",
    "processes",
    "runs",
    "schedules",
    "tasks",
    "tools",
    "webhooks",
)
FIT, UNFIT = schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE


def operations(api: Api) -> list[Any]:
    """Every operation that answers with data; the page of `/docs` is a file, and a stream of events never ends."""
    schema = schemathesis.openapi.from_wsgi("/openapi.json", api.app)
    found = [one.ok() for one in schema.get_all_operations() if isinstance(one, Ok)]
    return [one for one in found if not one.path.startswith("/docs") and one.path != "/events/stream"]


def test_every_operation_belongs_to_a_group(lasting: Api) -> None:
    assert {tag for one in operations(lasting) for tag in one.tags} == set(GROUPS)


@pytest.mark.parametrize("group", GROUPS)
def test_fitting_requests_are_answered_as_described(lasting: Api, group: str) -> None:
    for operation in operations(lasting):
        if group in operation.tags:
            _fitting(lasting, operation)


# Requests of OAuth are texts, and may have anything beside what it knows (RFC 6749, section 3.1): all of them fit.
@pytest.mark.parametrize("group", [group for group in GROUPS if group != "oauth"])
def test_unfitting_requests_are_refused_as_described(lasting: Api, group: str) -> None:
    for operation in operations(lasting):
        if group in operation.tags and (operation.body or operation.query or operation.path_parameters):
            _unfitting(operation)


SETTINGS = settings(max_examples=20, deadline=None, database=None, suppress_health_check=list(HealthCheck))


def _fitting(api: Api, operation: Any) -> None:
    """Half of the requests are about a task and a run that exist."""

    @given(case=operation.as_strategy(generation_mode=FIT), real=st.booleans())
    @SETTINGS
    def answered(case: schemathesis.Case, real: bool) -> None:
        if real and case.path_parameters:
            task = api.task(schedule_kind="cron", schedule_expr="0 9 * * *", tags=["a"])
            ids = {"task_id": task["id"], "run_id": api.run(task), "name": "data.set"}
            case.path_parameters = {name: ids.get(name, value) for name, value in case.path_parameters.items()}
        if case.operation.path.endswith(("/wait", "/stream")):
            api.work()
        # What fits the schema may still be refused: JSON Schema knows no time zones, schedules and tools.
        case.call_and_validate(excluded_checks=[positive_data_acceptance])

    answered()


def _unfitting(operation: Any) -> None:
    @given(case=operation.as_strategy(generation_mode=UNFIT))
    @SETTINGS
    def answered(case: schemathesis.Case) -> None:
        # What was bent may fit by chance, and is then refused for what JSON Schema does not know, such as a used key.
        case.call_and_validate(excluded_checks=[positive_data_acceptance])

    answered()
