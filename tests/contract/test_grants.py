"""Grants on both databases: kept, listed, and decided once, whoever decides or edits at the same moment."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from app.domain.clock import SystemClock
from app.domain.errors import Conflict, NotFound
from app.domain.grants import Grant, GrantFilter, GrantPolicy, grant_hold
from app.domain.permissions import covered, permissions_of
from app.services.grants import Acceptance, GrantService
from app.services.lifecycle import Herald
from app.services.tasks import TaskService
from app.storage.unit_of_work import SqlUnitsOfWork
from app.tools.forms import SchemaForms
from ordinaut import Caller
from tests.fakes.stores import CountingQueue
from tests.fakes.task_world import some_tools

ANA, BOB = Caller("ana", frozenset({"tasks:create"})), Caller("bob", frozenset({"approvals:decide"}))


def doing(value: int) -> dict[str, Any]:
    return {"params": {}, "pipeline": [{"uses": "test.echo", "with": {"value": value}}]}


class World:
    """A database in which the tasks of agents need grants."""

    def __init__(self, units: SqlUnitsOfWork) -> None:
        clock, queue = SystemClock(), CountingQueue()
        policy = GrantPolicy(mode="agents")
        self.units = units
        self.tasks = TaskService(
            units=units, tools=some_tools(), queue=queue, clock=clock, forms=SchemaForms(), grants=policy
        )
        self.grants = GrantService(units=units, clock=clock, herald=Herald.silent(clock))

    def task(self) -> str:
        fields = {"title": "A task", "schedule_kind": "manual", "payload": doing(1)}
        return self.tasks.create(fields, caller=ANA).id

    def of(self, task_id: str) -> Grant:
        return self.grants.of_task(task_id, caller=ANA)

    def together(self, *acts: Callable[[], Any]) -> Counter[str]:
        """Do these at the same moment; how each ended."""
        ended: Counter[str] = Counter()
        begin = threading.Barrier(len(acts))

        def do(act: Callable[[], Any]) -> None:
            begin.wait(20)
            try:
                act()
                ended["done"] += 1
            except Conflict:
                ended["conflict"] += 1

        threads = [threading.Thread(target=do, args=(act,)) for act in acts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        return ended


@pytest.fixture
def world(units: SqlUnitsOfWork) -> World:
    """An empty one."""
    return World(units)


def test_what_is_kept_comes_back(world: World) -> None:
    task_id = world.task()
    grant = world.of(task_id)
    assert world.grants.get(grant.id) == grant
    until = grant.asked_at + timedelta(days=3)
    wish = Acceptance(until=until, outside="ask", calls_per_day=5, comment="Fine")
    said = world.grants.accept(grant.id, wish, caller=BOB)
    assert world.grants.get(grant.id) == said
    assert (said.terms.until, said.terms.outside, said.terms.calls_per_day, said.decided_by) == (until, "ask", 5, "bob")
    world.task()
    found = world.grants.page(GrantFilter(status=("accepted",)), limit=10, offset=0)
    assert (found.items, found.total) == ((said,), 1)
    assert world.grants.page(GrantFilter(), limit=1, offset=1).items == (said,)
    assert world.grants.page(GrantFilter(task_id=task_id), limit=10, offset=0).items == (said,)
    world.tasks.delete(task_id, caller=ANA)
    with pytest.raises(NotFound):
        world.grants.get(grant.id)


def test_one_of_several_who_accept_is_first(world: World) -> None:
    grant = world.of(world.task())
    accept = lambda: world.grants.accept(grant.id, Acceptance(), caller=BOB)  # noqa: E731
    assert world.together(*[accept] * 6) == {"done": 1, "conflict": 5}


@pytest.mark.parametrize("attempt", range(4))
def test_nobody_accepts_what_they_have_not_seen(world: World, attempt: int) -> None:
    """While it is accepted its author has it do something else: that is accepted by nobody."""
    task_id = world.task()
    grant = world.of(task_id)
    ended = world.together(
        lambda: world.grants.accept(grant.id, Acceptance(), caller=BOB),
        lambda: world.tasks.patch(task_id, {"payload": doing(2)}, caller=ANA),
    )
    task, latest = world.tasks.get(task_id, caller=ANA), world.of(task_id)
    assert ended["done"] >= 1
    assert (task.grant_status, latest.status) == ("pending", "pending")
    wanted = permissions_of(task.payload["pipeline"], {}, lambda tool: False)
    assert covered(wanted, latest.permissions) and not covered(wanted, grant.permissions)
    assert grant_hold(task.grant_status, task.granted_until, task.updated_at) is not None
