"""The order of the queue: urgent first, and nobody waits for ever."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from app.storage.ranks import rank_of

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
AGED = timedelta(minutes=8)
priorities = st.integers(1, 9)


@given(mine=priorities, theirs=priorities, later=st.integers(1, 86_400_000_000))
def test_whoever_came_eight_minutes_later_goes_later(mine: int, theirs: int, later: int) -> None:
    assert rank_of(NOON, mine) < rank_of(NOON + AGED + timedelta(microseconds=later), theirs)


@given(urgent=priorities, patient=priorities, moment=st.integers(0, 86_400))
def test_of_those_that_came_together_the_urgent_go_first(urgent: int, patient: int, moment: int) -> None:
    came = NOON + timedelta(seconds=moment)
    assert (rank_of(came, urgent) < rank_of(came, patient)) == (urgent < patient)


def test_a_stream_of_urgent_runs_starves_no_patient_one() -> None:
    """One urgent run comes each second and one is served each second: the patient one has its turn all the same."""
    queue = [(rank_of(NOON, 9), "patient")]
    for second in range(600):
        queue.append((rank_of(NOON + timedelta(seconds=second), 1), "urgent"))
        queue.sort()
        if queue.pop(0)[1] == "patient":
            break
    assert second == 8 * 60
