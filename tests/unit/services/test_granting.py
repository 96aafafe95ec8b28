"""Whose tasks need a grant, and what a change of them means for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import pytest

from app.domain.errors import Forbidden
from app.domain.grants import NO_GRANTS, Grant, GrantMode, GrantPolicy, Terms, check_judge, grant_hold, keeps
from app.domain.tasks import Task
from app.services.granting import Grantor
from app.services.tasks import TaskService
from app.tools.forms import SchemaForms
from ordinaut import Caller
from tests.fakes.access import Calling
from tests.fakes.rows import MOMENT, a_task
from tests.fakes.task_world import START, TaskWorld, some_tools

NEVER_ASKED = cast(Any, None)
ROOT, ANA = Caller("root", frozenset({"admin"})), Caller("ana", frozenset({"tasks:create"}))
ECHO: Mapping[str, Any] = {"uses": "test.echo", "with": {"value": 1}}


def world(mode: GrantMode) -> TaskWorld:
    """Tasks with this policy; the calling agent is told at each call."""
    one = TaskWorld()
    policy = GrantPolicy(mode=mode)
    service = TaskService(
        units=one.units, tools=one.tools, queue=one.queue, clock=one.clock, forms=SchemaForms(), grants=policy
    )
    one.tasks = Calling(service, ANA)
    return one


def make(one: TaskWorld, caller: Caller = ANA, **fields: Any) -> Task:
    """A new task of the caller."""
    base = {"title": "A task", "schedule_kind": "manual", "payload": steps(1)}
    task: Task = one.tasks.create({**base, **fields}, caller=caller)
    return task


def grants(one: TaskWorld) -> list[Grant]:
    return sorted(one.units.rows.grants.values(), key=lambda grant: grant.id)


def steps(value: int) -> dict[str, Any]:
    return {"params": {}, "pipeline": [{**ECHO, "with": {"value": value}}]}


def test_off_asks_the_store_nothing() -> None:
    grantor, task = Grantor(tools=some_tools(), policy=NO_GRANTS), a_task(payload=steps(1))
    assert grantor.asked(NEVER_ASKED, None, task, ANA) == (task, None)
    assert grantor.asked(NEVER_ASKED, a_task(), task, ANA) == (task, None)


@pytest.mark.parametrize(
    ("mode", "caller", "status"),
    [("off", ANA, None), ("agents", ANA, "pending"), ("agents", ROOT, None), ("all", ROOT, "pending")],
)
def test_whose_tasks_need_one(mode: GrantMode, caller: Caller, status: str | None) -> None:
    one = world(mode)
    task = make(one, caller)
    assert task.grant_status == status
    assert [(grant.status, grant.asked_by) for grant in grants(one)] == ([(status, caller.agent_id)] if status else [])


def test_only_a_change_of_what_it_does_is_looked_at() -> None:
    one = world("agents")
    task = make(one)
    assert one.tasks.patch(task.id, {"title": "Other", "priority": 1}).grant_status == "pending"
    assert len(grants(one)) == 1
    one.tasks.patch(task.id, {"payload": steps(2)})
    assert [grant.status for grant in grants(one)] == ["replaced", "pending"]


def test_a_preview_says_what_would_have_to_be_accepted_and_stores_nothing() -> None:
    one = world("agents")
    fields = {"title": "A task", "schedule_kind": "manual", "payload": steps(1)}
    seen = one.tasks.preview(fields)
    assert (seen.task.grant_status, [warning.pointer for warning in seen.warnings]) == (
        "pending",
        ["/payload/pipeline"],
    )
    assert one.tasks.preview(fields, caller=ROOT).warnings == ()
    task = make(one)
    wider = one.tasks.preview_change(task.id, {"payload": steps(2)}, whole=False)
    assert wider.warnings[-1].message == "What the task may do has to be accepted first"
    assert [grant.status for grant in grants(one)] == ["pending"]
    harmless: dict[str, Any] = {"payload": {"params": {}, "pipeline": []}}
    assert one.tasks.preview_change(task.id, harmless, whole=False).task.grant_status == "accepted"


def test_what_touches_nothing_is_allowed_for_good() -> None:
    one = world("agents")
    task = make(one, payload={"params": {}, "pipeline": []})
    (grant,) = grants(one)
    assert (grant.terms.until, grant.terms.calls_per_day, task.granted_until) == (None, None, None)
    make(one)
    assert grants(one)[-1].terms == Terms(until=START + timedelta(days=365), outside="fail", calls_per_day=1000)


def test_a_task_from_before_goes_on_until_what_it_does_is_changed() -> None:
    one = world("agents")
    task = make(one, ROOT, created_by="ana")
    assert one.tasks.patch(task.id, {"title": "Other"}).grant_status is None
    assert one.tasks.patch(task.id, {"payload": steps(2)}).grant_status == "pending"


def test_an_accepted_grant_that_has_ended_keeps_nothing() -> None:
    one = world("agents")
    make(one)
    (grant,) = grants(one)
    grant = replace(grant, status="accepted", terms=replace(grant.terms, until=MOMENT))
    assert keeps(grant, grant.permissions, MOMENT - timedelta(microseconds=1))
    assert not keeps(grant, grant.permissions, MOMENT)
    assert not keeps(replace(grant, status="refused"), (), MOMENT - timedelta(days=1))
    assert grant_hold("accepted", MOMENT, MOMENT) == "Its grant ended at 2026-11-24T08:30:00Z"


@pytest.mark.parametrize("caller", [Caller("ana", frozenset({"approvals:decide"})), Caller("owner", frozenset())])
def test_neither_author_nor_owner_decides(caller: Caller) -> None:
    one = world("agents")
    make(one)
    grant = replace(grants(one)[0], owner="owner")
    with pytest.raises(Forbidden):
        check_judge(grant, caller)
    check_judge(grant, Caller(caller.agent_id, frozenset({"admin"})))
    check_judge(grant, Caller("bob", frozenset()))
