"""The story of a run with its parts, told while it happens and taken up anywhere, on both databases."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from sqlalchemy import Engine, text

from app.domain.run_stories import Place, parse_place
from app.services.run_stories import Told, told_since
from app.storage.ledger import SqlRunLedger
from app.storage.unit_of_work import SqlUnitsOfWork
from ordinaut import ToolCall
from tests.fakes.hands import Hands
from tests.fakes.pipelines import pipeline, step
from tests.fakes.rows import queued, stored

LOOK = {"with": {"v": "${item}"}}
PIPELINES: dict[str, list[dict[str, Any]]] = {
    "no parts": [step("one", **{"with": {"v": 1}}), step("two", **{"with": {"v": 2}})],
    "items": [step("each", foreach=[1, 2, 3, 4, 5], max_parallel=2, **LOOK), step("last", **{"with": {"v": 9}})],
    "branches": [{"id": "both", "parallel": [[step("a"), step("a2")], [{"id": "in", "parallel": [[step("b")]]}]]}],
    "branches for items": [{"id": "ways", "foreach": [1, 2, 3], "parallel": [[step("a")], [step("b"), step("c")]]}],
    "the same side by side": [
        {"id": "ways", "foreach": [1, 2, 3], "max_parallel": 2, "parallel": [[step("a")], [step("b"), step("c")]]},
        {"id": "more", "parallel": [[step("d", foreach=[1, 2], max_parallel=2)]]},
    ],
}


class Reader:
    """Looks now and then, each time as a new client that knows nothing but the last id it got."""

    def __init__(self, units: SqlUnitsOfWork) -> None:
        self.told: list[Told] = []
        self.run_id = ""
        self._units = units

    def look(self, after: Place | None = None) -> None:
        """Read on."""
        place = after or (parse_place(self.told[-1].place) if self.told else Place())
        with self._units(read_only=True) as unit:
            self.told += told_since(unit.runs, self.run_id, place)


def key(one: Told) -> tuple[Any, ...]:
    """What is told once only."""
    part = one.part or {}
    body = {name: value for name, value in one.record.body.items() if name not in ("input", "output", "error")}
    return one.record.kind, repr(part), one.record.number, repr(sorted(body.items(), key=lambda item: item[0]))


def ran(units: SqlUnitsOfWork, ledger: SqlRunLedger, steps: list[dict[str, Any]], *, live: bool) -> Reader:
    """A reader of a run of these steps that has heard all."""
    reader = Reader(units)

    def work(call: ToolCall) -> Any:
        call.log("info", "At work")
        if live:
            reader.look()
        return call.arguments.get("v")

    (reader.run_id,) = queued(units, stored(units, pipeline(*steps)))
    Hands(ledger, {"fx.do": work}).executor.drain()
    reader.look()
    return reader


@pytest.mark.parametrize("live", [True, False])
@pytest.mark.parametrize("name", PIPELINES)
def test_everything_is_told_once(
    units: SqlUnitsOfWork, ledger: SqlRunLedger, engine: Engine, name: str, live: bool
) -> None:
    reader = ran(units, ledger, PIPELINES[name], live=live)
    with engine.connect() as connection:
        ids = list(connection.execute(text("SELECT id FROM runs")).scalars())
    expected: Counter[str] = Counter()
    for run_id in ids:
        with units(read_only=True) as unit:
            mine = unit.runs.journal(run_id)
        expected.update(one.kind for one in mine if run_id == reader.run_id or one.kind != "state")
    assert Counter(one.record.kind for one in reader.told) == expected
    own = [one.record.number for one in reader.told if one.part is None]
    assert own == list(range(1, len(own) + 1))
    assert (reader.told[-1].record.kind, reader.told[-1].record.body["status"]) == ("state", "succeeded")
    assert max(Counter(one.place for one in reader.told).values()) == 1


@pytest.mark.parametrize("name", PIPELINES)
def test_it_is_taken_up_after_any_record(units: SqlUnitsOfWork, ledger: SqlRunLedger, name: str) -> None:
    whole = ran(units, ledger, PIPELINES[name], live=False)
    for number, one in enumerate(whole.told, 1):
        again = Reader(units)
        again.run_id = whole.run_id
        again.look(parse_place(one.place))
        assert [key(later) for later in again.told] == [key(later) for later in whole.told[number:]], one.place


def test_records_of_parts_say_where_they_belong(units: SqlUnitsOfWork, ledger: SqlRunLedger) -> None:
    told = ran(units, ledger, PIPELINES["the same side by side"], live=True).told
    logged = {
        (one.record.body["step_id"], one.record.body.get("within"), one.record.body.get("item"), repr(one.part))
        for one in told
        if one.record.kind == "log"
    }
    branches = {"a": 0, "b": 1, "c": 1}
    assert logged == {
        *(
            (name, f"ways[{n}]", None, repr({"step": "ways", "branch": b}))
            for name, b in branches.items()
            for n in range(3)
        ),
        *(("d", None, n, repr({"step": "d"})) for n in range(2)),
    }


def test_parts_that_are_gone_are_passed_over(units: SqlUnitsOfWork, ledger: SqlRunLedger, engine: Engine) -> None:
    reader = ran(units, ledger, PIPELINES["items"], live=False)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM runs WHERE part IS NOT NULL"))
    reader.told.clear()
    reader.look()
    assert all(one.part is None for one in reader.told) and reader.told
