"""Background tasks and grants of extensions over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.storage.engines import make_engine
from app.storage.unit_of_work import SqlUnitsOfWork
from ordinaut import TaskInfo
from tests.integration.api.conftest import Api, make_settings, serving
from tests.servers import Databases

AT = datetime(2026, 11, 25, 8, 30, tzinfo=UTC)
CODE = """
from ordinaut import Capability, Extension, ExtensionInfo

class Shop(Extension):
    def info(self):
        return ExtensionInfo(id="{id}", name="Shop", version="1")

    def requested_capabilities(self):
        return {{Capability.BACKGROUND_TASKS, Capability.TOOLS}}

    def setup(self, context):
        {setup}

def get_extension():
    return Shop()
"""
GRANTS = ["ROUTES", "BACKGROUND_TASKS"]


@pytest.fixture(scope="module")
def shop(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """An installation with `shop`, which does without what it was refused, and `picky`, which does not."""
    folder: Path = tmp_path_factory.mktemp("tasks")
    for name, setup in (("shop", "pass"), ("picky", "context.tool_registry.list_tools()")):
        (folder / "extensions" / name).mkdir(parents=True)
        manifest = {"id": name, "name": name, "version": "1", "grants": GRANTS}
        (folder / "extensions" / name / "extension.json").write_text(json.dumps(manifest))
        (folder / "extensions" / name / "extension.py").write_text(CODE.format(id=name, setup=setup))
    settings = make_settings(
        databases.sqlite(folder / "ordinaut.db"), folder, ORDINAUT_EXT_PATHS=str(folder / "extensions")
    )
    with serving(settings) as api:
        engine = make_engine(settings.database_url)
        with SqlUnitsOfWork(engine)() as unit:
            for name, status in (("sweep", "running"), ("count", "finished")):
                unit.extension_work.save_task("shop", TaskInfo(name=name, status=status, started_at=AT, restarts=2))
        engine.dispose()
        yield api


def test_they_are_listed_as_they_stand_in_the_cluster(shop: Api) -> None:
    one = {"owner": None, "started_at": "2026-11-25T08:30:00Z", "restarts": 2, "error": None}
    # Nobody holds the extension: what was at work waits for a process.
    assert shop.get("/ext/shop/background_tasks") == {
        "items": [{"name": "count", "status": "finished", **one}, {"name": "sweep", "status": "restarting", **one}]
    }


def test_one_that_is_at_work_is_asked_to_stop(shop: Api) -> None:
    answer = shop.post("/ext/shop/background_tasks/sweep/stop", expect=202)
    assert answer["details"] == {"extension_id": "shop", "name": "sweep"}
    engine = make_engine(shop.settings.database_url)
    with SqlUnitsOfWork(engine)(read_only=True) as unit:
        assert list(unit.extension_work.stops("shop")) == ["sweep"]
    engine.dispose()


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("shop/background_tasks/count/stop", "No background task of that name is at work"),
        ("shop/background_tasks/nothing/stop", "No background task of that name is at work"),
        ("unknown/background_tasks/sweep/stop", "Extension not found"),
    ],
)
def test_what_is_not_at_work_is_not_found(shop: Api, path: str, message: str) -> None:
    body = shop.send("POST", f"/ext/{path}", json={}, expect=404).get_json()
    assert (body["error"], body["message"]) == ("not_found", message)


def test_grants_say_what_was_asked_for_and_what_came_of_it(shop: Api) -> None:
    answer = shop.get("/ext/shop/grants")
    assert answer == {"granted": ["BACKGROUND_TASKS"], "refused": ["TOOLS"], "unused": ["ROUTES"]}
    assert shop.get("/ext/picky/grants")["refused"] == ["TOOLS"], "that for whose want it failed"
    shop.get("/ext/unknown/grants", expect=404)
