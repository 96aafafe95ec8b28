"""The bars of a task's last runs."""

from __future__ import annotations

import pytest

from extensions.webui.board import LEAST, TALLEST, heights

BARS = [
    # how long each took, and how tall its bar is
    ([], []),
    ([1.0, 2.0, 0.0], [11.5, 18.0, 5.0]),
    ([0.0, 0.0], [18.0, 18.0]),
    ([None, 10.0, 5.0], [18.0, 18.0, 11.5]),
    ([None], [18.0]),
]


@pytest.mark.parametrize(("took", "tall"), BARS)
def test_a_longer_run_has_a_taller_bar(took: list[float | None], tall: list[float]) -> None:
    assert heights(took) == tall
    assert all(LEAST <= one <= TALLEST for one in tall)
