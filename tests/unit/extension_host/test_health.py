"""What the platform adds to an extension's health: how its work on the worker side is, and why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.schemas.extensions import status_out
from tests.fakes.extensions import World, write_extension


class Crashed:
    """The worker side of an extension whose `on_startup` raises."""

    def troubles(self, extension_id: str) -> list[str]:
        """No event is tried in vain: none is tried at all."""
        return []

    def health(self, extension_id: str) -> str:
        """Its process has crashed."""
        return "unhealthy"

    def crashes(self) -> dict[str, str]:
        """Why."""
        return {"shop": "on_startup: ValueError: closed today"}

    def trouble(self, extension_id: str) -> str | None:
        """Why."""
        return "on_startup: ValueError: closed today"


@pytest.mark.parametrize(
    ("grants", "checks"),
    [
        # each row: what it may do, and what of that is unhealthy
        (["ROUTES"], {}),
        (["BACKGROUND_TASKS"], {"background_tasks": "unhealthy"}),
        (["EVENTS_SUB"], {"event_handlers": "unhealthy"}),
        (["BACKGROUND_TASKS", "EVENTS_SUB"], {"background_tasks": "unhealthy", "event_handlers": "healthy"}),
    ],
)
def test_a_start_that_fails_on_the_worker_side_is_told_with_its_reason(
    tmp_path: Path, grants: list[str], checks: dict[str, Any]
) -> None:
    write_extension(tmp_path, "shop", grants=grants)
    report = World([tmp_path], doors={"work": Crashed()}).host.health("shop")
    assert report is not None
    assert report.checks == checks
    why = "on_startup: ValueError: closed today"
    assert report.errors == {name: why for name, word in checks.items() if word == "unhealthy"}


def test_it_is_in_the_status_as_well(tmp_path: Path) -> None:
    write_extension(tmp_path, "shop")
    write_extension(tmp_path, "till")
    host = World([tmp_path], doors={"work": Crashed()}).host
    shown = status_out(host.overview(), str, lambda record: record.info.description)["extensions"]
    assert shown["shop"]["error"] == {"error_type": "WorkCrashed", "message": "on_startup: ValueError: closed today"}
    assert "error" not in shown["till"]
