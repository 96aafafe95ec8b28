"""Which extensions may have work, and when a fingerprint changes."""

from __future__ import annotations

import json
from pathlib import Path

from app.extension_host.discovery import Sources, discover
from app.extension_host.work_versions import with_work
from tests.fakes.extensions import World, write_extension


def found(folder: Path) -> dict[str, str]:
    """Versions of those that may have work."""
    return with_work(World([folder]).host.records())


def test_only_those_that_may_subscribe_or_run_tasks_have_work(tmp_path: Path) -> None:
    write_extension(tmp_path, "reads", grants=["EVENTS_SUB"])
    write_extension(tmp_path, "runs", grants=["BACKGROUND_TASKS", "ROUTES"])
    write_extension(tmp_path, "shows", grants=["ROUTES", "TOOLS", "EVENTS_PUB", "STATIC"])
    write_extension(tmp_path, "sleeps", grants=["EVENTS_SUB"], enabled=False)
    write_extension(tmp_path, "broken", grants=["EVENTS_SUB"], version=7)
    assert sorted(found(tmp_path)) == ["reads", "runs"]


def test_a_built_in_without_on_startup_has_none(tmp_path: Path) -> None:
    more = "async def on_startup(self, context): pass"
    write_extension(tmp_path, "reads", grants=["EVENTS_SUB"])
    write_extension(tmp_path, "works", grants=["EVENTS_SUB"], more=more)
    assert list(with_work(discover(Sources(builtin=tmp_path, entry_points=list)))) == ["works"]


def test_a_version_changes_with_code_manifest_and_grants(tmp_path: Path) -> None:
    home = write_extension(tmp_path, "shop", grants=["EVENTS_SUB"])
    (home / "parts").mkdir()
    (home / ".venv").mkdir()
    (home / ".venv" / "tool.py").write_text("x = 1")
    (home / "gone.py").symlink_to(tmp_path / "nowhere.py")
    versions = [found(tmp_path)["shop"], found(tmp_path)["shop"]]
    assert versions[0] == versions[1] and versions[0].startswith("1.0.0 ")
    (home / "parts" / "more.py").write_text("x = 1")
    versions.append(found(tmp_path)["shop"])
    (home / "parts" / "more.py").write_text("x = 2")
    versions.append(found(tmp_path)["shop"])
    manifest = json.loads((home / "extension.json").read_text())
    for change in ({"version": "1.0.1"}, {"grants": ["EVENTS_SUB", "TOOLS"]}):
        (home / "extension.json").write_text(json.dumps({**manifest, **change}))
        versions.append(found(tmp_path)["shop"])
    assert len(set(versions)) == len(versions) - 1
