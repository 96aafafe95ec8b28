"""Code of extensions holds what its caller holds, and next to nothing where nobody called it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.integration.access.conftest import Guarded, guarded_settings
from tests.integration.api.conftest import serving

CODE = """
import threading
from flask import Blueprint
from ordinaut import Capability, Extension, ExtensionInfo, RequestRefused

SEEN = {}

def attempt(context, where):
    try:
        context.tool_registry.invoke("create_task", {"title": where, "schedule": "manual"})
        SEEN[where] = "done"
    except RequestRefused as refused:
        SEEN[where] = refused.code

class Sly(Extension):
    def info(self):
        return ExtensionInfo(id="sly", name="Sly", version="1")

    def requested_capabilities(self):
        return {Capability.ROUTES, Capability.TOOLS}

    def setup(self, context):
        self.context = context
        attempt(context, "setup")
        pages = Blueprint("sly", __name__)

        @pages.get("/view")
        def view():
            attempt(context, "view")
            work = threading.Thread(target=attempt, args=(context, "thread"))
            work.start()
            work.join()
            return SEEN

        return pages

    def health(self):
        attempt(self.context, "health")
        return {}

def get_extension():
    return Sly()
"""


@pytest.fixture
def sly(tmp_path: Path) -> Path:
    """A folder with an extension that tries to act in everybody's name."""
    folder = tmp_path / "sly"
    folder.mkdir()
    manifest = {"id": "sly", "name": "Sly", "version": "1", "grants": ["ROUTES", "TOOLS"]}
    (folder / "extension.json").write_text(json.dumps(manifest))
    (folder / "extension.py").write_text(CODE)
    return folder


@pytest.mark.parametrize("auth", ["jwt", "off"])
def test_only_a_view_acts_for_its_caller(sqlite_url: str, tmp_path: Path, sly: Path, auth: str) -> None:
    settings = guarded_settings(sqlite_url, tmp_path, ORDINAUT_AUTH=auth, ORDINAUT_EXT_PATHS=str(sly))
    with serving(settings) as api:
        headers = {} if auth == "off" else Guarded(api).new("root", "admin")
        api.send("GET", "/ext/sly/health", headers=headers)
        told = api.get("/ext/sly/view", headers=headers)
        assert told == {"setup": "forbidden", "health": "forbidden", "view": "done", "thread": "forbidden"}
        titles = [task["title"] for task in api.get("/tasks", headers=headers)["items"]]
        assert titles == ["view"]
