"""Which runs a bulk action is for."""

from __future__ import annotations

from typing import Any

import pytest

from app.domain.bulk import BulkRequest, BulkResult, eligible
from app.domain.runs import RunFilter


@pytest.mark.parametrize(
    ("wish", "statuses"),
    [
        ({"action": "cancel"}, {"queued", "running", "waiting"}),
        ({"action": "cancel", "status": ("queued", "failed")}, {"queued"}),
        ({"action": "cancel", "status": ("failed",)}, None),
        ({"action": "rerun"}, {"failed", "canceled", "skipped"}),
        ({"action": "rerun", "start": "start"}, {"succeeded", "failed", "canceled", "skipped"}),
        ({"action": "rerun", "status": ("succeeded",)}, None),
        ({"action": "rerun", "status": ("running", "failed")}, {"failed"}),
    ],
)
def test_statuses(wish: dict[str, Any], statuses: set[str] | None) -> None:
    where = eligible(BulkRequest(where=RunFilter(status=wish.pop("status", ())), **wish))
    assert (None if where is None else set(where.status)) == statuses


def test_what_was_done_is_not_done_again() -> None:
    cancel = eligible(BulkRequest(action="cancel", where=RunFilter(task_id="t")))
    rerun = eligible(BulkRequest(action="rerun", where=RunFilter(task_id="t")))
    assert cancel is not None and (cancel.task_id, cancel.cancelling, cancel.repeated) == ("t", False, None)
    assert rerun is not None and (rerun.task_id, rerun.cancelling, rerun.repeated) == ("t", None, False)


def test_what_is_neither_done_nor_left_was_skipped() -> None:
    result = BulkResult(action="cancel", dry_run=False, matched=9, done=3, left=2, sample=())
    assert result.skipped == 4
