"""A run asks, people decide, and the first decision counts, on both databases."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import Engine, text

from app.domain.approval_links import LinkWish
from app.domain.approvals import Approval, ApprovalFilter, Decision
from app.domain.clock import SystemClock
from app.domain.errors import Conflict, Forbidden, Gone, InvalidInput, NotFound, Unavailable
from app.domain.runs import Run
from app.services.approval_links import ApprovalLinkService
from app.services.approvals import ApprovalService
from app.services.lifecycle import Herald, RunWitness
from app.services.publishing import Publisher, Triggers
from app.services.run_ends import cancel_run
from app.services.waking import Waker
from app.storage.ledger import SqlRunLedger
from app.storage.unit_of_work import SqlUnitsOfWork
from app.tools.approvals import request_approval_tool
from app.tools.forms import SchemaForms
from ordinaut import Caller
from tests.contract.test_events import on_event
from tests.fakes.hands import Bell, Hands
from tests.fakes.pipelines import get, pipeline, step, steps_of
from tests.fakes.rows import queued, stored

BOB = Caller("bob", frozenset({"approvals:decide"}))
EVE = Caller("eve", frozenset({"approvals:decide"}))


@dataclass(frozen=True, slots=True)
class World:
    """A database with people who decide."""

    units: SqlUnitsOfWork
    hands: Hands
    waker: Waker
    service: ApprovalService
    herald: Herald

    def ask(self, **arguments: Any) -> Approval:
        """Let a run ask; what it asks."""
        given = {"title": "Sure?", **arguments}
        asks = step("ask", "pure.ask", **{"with": given})
        (run_id,) = queued(self.units, stored(self.units, pipeline(asks, step("after", "pure.echo"), max_retries=0)))
        self.hands.executor.drain()
        return self.of_run(run_id)

    def of_run(self, run_id: str) -> Approval:
        """The run's newest approval."""
        with self.units(read_only=True) as unit:
            return unit.approvals.page(ApprovalFilter(run_id=run_id), limit=1, offset=0).items[0]

    def decide(self, approval: Approval, option: str = "approve", caller: Caller = BOB, **more: Any) -> Approval:
        """Decide; the approval afterwards."""
        return self.service.decide(approval.id, Decision(option=option, **more), caller=caller)

    def cancel(self, approval: Approval) -> None:
        """Cancel the run that asks, as the API does."""
        with self.units() as unit:
            telling = self.herald.opened(unit, "run.canceled")
            cancel_run(unit, unit.runs.get(approval.run_id), SystemClock().now(), telling)

    def on(self, approval: Approval) -> Run:
        """Let the worker go on; the run."""
        self.hands.executor.drain()
        return get(self.units, approval.run_id)


@pytest.fixture
def world(units: SqlUnitsOfWork, ledger: SqlRunLedger) -> World:
    """An empty one."""
    clock, bell, forms = SystemClock(), Bell(), SchemaForms()
    herald = Herald(publisher=Publisher(Triggers()), clock=clock, queue=bell)
    ledger.witness = RunWitness(units=units, herald=herald)
    tools = {"pure.ask": request_approval_tool(clock, forms).run, "pure.echo": lambda call: dict(call.arguments)}
    service = ApprovalService(units=units, queue=bell, clock=clock, herald=herald, forms=forms)
    waker = Waker(units=units, queue=bell, clock=clock, herald=herald)
    return World(units, Hands(ledger, tools), waker, service, herald)


def topics(units: SqlUnitsOfWork) -> list[str]:
    """Topics of the stored events, in order."""
    with units(read_only=True) as unit:
        return [one.event.topic for one in unit.events.after(0, None, 100)]


def audited(units: SqlUnitsOfWork) -> list[tuple[str, str]]:
    """`(actor, action)` of the audit log, in order."""
    with units(read_only=True) as unit:
        return [(row.entry.actor, row.entry.action) for row in unit.audit.rows(0, 100)]


def time_is_up(engine: Engine) -> None:
    """All limits have come."""
    with engine.begin() as connection:
        connection.execute(text("UPDATE approvals SET expires_at = 1 WHERE expires_at IS NOT NULL"))
        connection.execute(text("UPDATE waits SET due_at = 1 WHERE due_at IS NOT NULL"))


def test_a_run_asks_and_goes_on_with_the_decision(world: World) -> None:
    asked = world.ask(message="All of it", data={"n": 1})
    run = get(world.units, asked.run_id)
    assert (run.status, run.lease_owner) == ("waiting", None)
    assert (asked.status, asked.title, asked.data, asked.asked_by, asked.step_id) == (
        "pending", "Sure?", {"n": 1}, "local", "ask",
    )  # fmt: skip
    decided = world.decide(asked, comment="Go")
    assert decided.status == "decided" and decided.outcome is not None
    assert (decided.outcome.by, decided.outcome.decision.comment) == ("bob", "Go")
    assert world.on(asked).status == "succeeded"
    assert steps_of(world.units, asked.run_id)[:3] == [
        ("ask", "waiting", 1),
        ("ask", "resumed", 1),
        ("ask", "succeeded", 1),
    ]
    assert audited(world.units) == [("bob", "approval.decided")]


def test_only_what_a_message_says_will_do(world: World) -> None:
    asks = step("ask", "pure.ask", **{"with": {"message": " \n First line\nmore"}})
    (run_id,) = queued(world.units, stored(world.units, pipeline(asks)))
    world.hands.executor.drain()
    assert world.of_run(run_id).title == "First line"


def test_a_rejection_is_an_output_and_on_wish_a_failure(world: World) -> None:
    lenient, strict = world.ask(), world.ask(fail_on=["reject"])
    world.decide(lenient, "reject")
    world.decide(strict, "reject")
    assert world.on(lenient).status == "succeeded"
    run = world.on(strict)
    assert run.error is not None
    assert (run.status, run.error["type"], run.error["details"]["decided_by"]) == ("failed", "not_approved", "bob")


def test_of_ten_who_decide_at_once_the_first_one_counts(world: World) -> None:
    asked = world.ask(options=["a", "b"])
    refused: list[Exception] = []
    ready = threading.Barrier(10)

    def decide(number: int) -> None:
        ready.wait()
        try:
            world.decide(asked, "ab"[number % 2], Caller(f"p{number}", frozenset({"approvals:decide"})))
        except Conflict as error:
            refused.append(error)

    threads = [threading.Thread(target=decide, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    run, outcome = world.on(asked), world.service.get(asked.id, caller=BOB).outcome
    assert outcome is not None and len(refused) == 9
    assert {error.details["decided_by"] for error in refused if isinstance(error, Conflict)} == {outcome.by}
    assert run.status == "succeeded"
    assert len(audited(world.units)) == 1


def test_refusals_change_nothing(world: World) -> None:
    asked = world.ask(approvers=["eve"], form={"type": "object", "required": ["sum"]})
    with pytest.raises(Forbidden):
        world.decide(asked)
    for decision in ({"option": "perhaps"}, {"option": "approve"}, {"option": "approve", "form": {"a": "\x00"}}):
        with pytest.raises(InvalidInput):
            world.decide(asked, caller=EVE, **decision)
    assert world.of_run(asked.run_id).status == "pending"
    world.decide(asked, caller=EVE, form={"sum": 1})
    with pytest.raises(Conflict):
        world.decide(asked, caller=EVE, form={"sum": 1})


@pytest.mark.parametrize(
    ("policy", "status", "decision"), [("fail", "failed", None), ("reject", "succeeded", "reject")]
)
def test_its_time_runs_out(world: World, engine: Engine, policy: str, status: str, decision: str | None) -> None:
    asked = world.ask(timeout_hours=1, on_timeout=policy)
    time_is_up(engine)
    with pytest.raises(Gone):
        world.decide(asked)
    assert world.waker.look() == 0.0
    expired = world.of_run(asked.run_id)
    assert (expired.status, expired.outcome and expired.outcome.decision.option) == ("expired", decision)
    assert world.on(asked).status == status
    assert audited(world.units) == [("system", "approval.expired")]
    with pytest.raises(Gone):
        world.decide(asked)


def test_a_canceled_run_takes_its_approval_along(world: World) -> None:
    asked = world.ask()
    world.cancel(asked)
    assert world.of_run(asked.run_id).status == "canceled"
    with pytest.raises(Conflict):
        world.decide(asked)


def test_a_deleted_task_takes_its_approvals_along(world: World) -> None:
    asked = world.ask()
    with world.units() as unit:
        unit.tasks.delete(asked.task_id)
    with pytest.raises(NotFound):
        world.decide(asked)


def test_each_item_of_a_list_asks_for_itself_side_by_side(world: World) -> None:
    asks = step("ask", "pure.ask", foreach=[1, 2], max_parallel=2, **{"with": {"message": "Item ${item}"}})
    (run_id,) = queued(world.units, stored(world.units, pipeline(asks)))
    world.hands.executor.drain()
    with world.units(read_only=True) as unit:
        found = unit.approvals.page(ApprovalFilter(run_id=run_id), limit=9, offset=0).items
    assert sorted((one.title, one.item) for one in found) == [("Item 1", 0), ("Item 2", 1)]
    for one in found:
        world.decide(one)
    world.hands.executor.drain()
    run = world.on(found[0])
    assert (run.status, [one["decision"] for one in run.output]) == ("succeeded", ["approve", "approve"])


def test_the_parts_of_a_canceled_run_ask_no_more(world: World) -> None:
    asks = step("ask", "pure.ask", foreach=[1, 2], max_parallel=2, **{"with": {"message": "Item ${item}"}})
    (run_id,) = queued(world.units, stored(world.units, pipeline(asks)))
    world.hands.executor.drain()
    world.cancel(world.of_run(run_id))
    world.waker.tidy()
    with world.units(read_only=True) as unit:
        found = unit.approvals.page(ApprovalFilter(run_id=run_id), limit=9, offset=0).items
    assert [one.status for one in found] == ["canceled"] * 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"on_timeout": "later"},
        {"fail_on": ["later"]},
        {"options": ["fail", "go"]},
        {"approvers": ["approvals:everybody"]},
        {"form": {"type": "nothing"}},
        {"message": "a\x00b"},
    ],
)
def test_what_nobody_could_decide_is_not_asked(world: World, wrong: dict[str, Any]) -> None:
    asks = step("ask", "pure.ask", **{"with": {"title": "T", **wrong}})
    (run_id,) = queued(world.units, stored(world.units, pipeline(asks, max_retries=0)))
    world.hands.executor.drain()
    run = get(world.units, run_id)
    assert (run.status, run.error and run.error["type"]) == ("failed", "invalid_arguments")


def test_lists_show_what_one_may_see(world: World) -> None:
    for_all, for_eve = world.ask(), world.ask(approvers=["eve"])
    by_scope = world.ask(approvers=["audit:read"])
    clerk = Caller("x", frozenset({"approvals:decide", "audit:read"}))
    seen = {
        who.agent_id: [one.id for one in world.service.page(ApprovalFilter(), caller=who, limit=9, offset=0).items]
        for who in (BOB, EVE, clerk, Caller("local", frozenset()))
    }
    assert seen == {
        "bob": [for_all.id],
        "eve": [for_eve.id, for_all.id],
        "x": [by_scope.id, for_all.id],
        "local": [by_scope.id, for_eve.id, for_all.id],
    }
    everybody = Caller("root", frozenset({"admin"}))
    narrowed = ApprovalFilter(status=("pending",), task_id=for_eve.task_id)
    assert [one.id for one in world.service.page(narrowed, caller=everybody, limit=9, offset=0).items] == [for_eve.id]
    assert world.service.page(ApprovalFilter(status=("decided",)), caller=everybody, limit=9, offset=0).total == 0


def test_what_happens_to_it_is_told_where_somebody_durable_listens(world: World, engine: Engine) -> None:
    world.decide(world.ask())
    assert topics(world.units) == []
    on_event(world.units, "approval.*")
    world.decide(world.ask())
    world.ask(timeout_seconds=60)
    time_is_up(engine)
    world.waker.look()
    assert topics(world.units) == ["approval.requested", "approval.decided", "approval.requested", "approval.expired"]


def test_of_ten_who_use_a_link_at_once_one_does(world: World) -> None:
    asked = world.ask()
    links = ApprovalLinkService(
        units=world.units, clock=SystemClock(), herald=world.herald, approvals=world.service, keys=["k" * 32],
        caller=lambda _: BOB,
    )  # fmt: skip
    token, _ = links.make(asked.id, LinkWish(), caller=BOB)
    refused: list[Exception] = []
    ready = threading.Barrier(10)

    def use() -> None:
        ready.wait()
        try:
            links.decide(token, "approve", None, None)
        except (Conflict, Gone) as error:
            refused.append(error)

    threads = [threading.Thread(target=use) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 9
    assert [action for _, action in audited(world.units)] == [
        "approval.link_made", "approval.decided", "approval.link_used",
    ]  # fmt: skip


def test_a_link_ends_with_its_time_its_approval_or_its_key(world: World, engine: Engine) -> None:
    asked = world.ask(timeout_seconds=60)
    links = [
        ApprovalLinkService(
            units=world.units, clock=SystemClock(), herald=world.herald, approvals=world.service, keys=keys,
            caller=lambda _: BOB,
        )
        for keys in (["a" * 32], ["b" * 32, "a" * 32], ["b" * 32], [])
    ]  # fmt: skip
    token, made = links[0].make(asked.id, LinkWish(seconds=600), caller=BOB)
    assert made.expires_at == asked.expires_at
    assert links[1].look(token).approval.id == asked.id  # the key before the newest still opens
    for others in links[2:]:
        with pytest.raises(NotFound):
            others.look(token)
    with pytest.raises(Unavailable):
        links[3].make(asked.id, LinkWish(), caller=BOB)
    with engine.begin() as connection:
        connection.execute(text("UPDATE approval_links SET expires_at = 1"))
    with pytest.raises(Gone):
        links[0].look(token)


def test_deciding_canceling_and_the_time_limit_at_once_leave_one_end(world: World, engine: Engine) -> None:
    """All three want the wait: none waits for another for ever, and what stands fits together."""
    for _ in range(5):
        asked = world.ask(timeout_seconds=0.001, on_timeout="reject")
        with engine.begin() as connection:  # late enough to be decided, and due for beat
            connection.execute(text("UPDATE approvals SET expires_at = expires_at + 60000000"))
        ready = threading.Barrier(3)
        failed: list[Exception] = []
        ways = [lambda one=asked: world.decide(one), world.waker.look, lambda one=asked: world.cancel(one)]
        threads = [threading.Thread(target=_at_once, args=(ready, way, failed)) for way in ways]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert not [error for error in failed if not isinstance(error, Conflict | Gone)]
        ended, run = world.of_run(asked.run_id), world.on(asked)
        assert ended.status != "pending"
        assert (run.status == "canceled") or (ended.status in ("decided", "expired") and run.status == "succeeded")
        with world.units(read_only=True) as unit:
            assert unit.waits.of_run(asked.run_id) is None


def _at_once(ready: threading.Barrier, way: Callable[[], object], failed: list[Exception]) -> None:
    ready.wait()
    try:
        way()
    except Exception as error:  # noqa: BLE001 - the test looks at every one
        failed.append(error)
