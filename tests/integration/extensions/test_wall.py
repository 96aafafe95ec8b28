"""An extension that would end the process ends its own answer and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.http.extension_wall import TriedToEnd
from tests.integration.api.conftest import Api, make_settings, serving
from tests.servers import Databases

CODE = '''
import sys
from asyncio import CancelledError
from flask import Blueprint, request
from ordinaut import Capability, Extension, ExtensionInfo

ENDINGS = {"exit": SystemExit(3), "interrupt": KeyboardInterrupt(), "close": GeneratorExit(), "stop": CancelledError()}

class Rude(Extension):
    def info(self):
        return ExtensionInfo(id="rude", name="Rude", version="1")

    def requested_capabilities(self):
        return {Capability.ROUTES, Capability.TOOLS}

    def setup(self, context):
        pages = Blueprint("rude", __name__)

        @pages.before_request
        def before():
            if "before" in request.args:
                sys.exit(3)

        @pages.after_request
        def after(response):
            if "after" in request.args:
                sys.exit(3)
            return response

        @pages.teardown_request
        def teardown(error):
            if "teardown" in request.args:
                sys.exit(3)

        @pages.get("/view/<how>")
        def view(how):
            raise ENDINGS[how]

        @pages.get("/async/<how>")
        async def awaited(how):
            raise ENDINGS[how]

        @pages.get("/fine")
        def fine():
            return {}

        @pages.get("/body")
        def body():
            def parts():
                yield b"some"
                sys.exit(3)
            return parts()

        @pages.get("/stream")
        def stream():
            def frames():
                yield "data: some\\n\\n"
                sys.exit(3)
            return context.routes.event_stream(frames())

        context.tool_registry.register_tool("leave", leave, {"type": "object"})
        return pages

def leave():
    """Ends it all."""
    sys.exit(3)

def get_extension():
    return Rude()
'''


@pytest.fixture(scope="module")
def api(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """The platform with the extension."""
    folder: Path = tmp_path_factory.mktemp("rude")
    manifest = {"id": "rude", "name": "Rude", "version": "1", "grants": ["ROUTES", "TOOLS"]}
    (folder / "rude").mkdir()
    (folder / "rude" / "extension.json").write_text(json.dumps(manifest))
    (folder / "rude" / "extension.py").write_text(CODE)
    settings = make_settings(databases.sqlite(folder / "o.db"), folder, ORDINAUT_EXT_PATHS=str(folder / "rude"))
    with serving(settings) as api:
        yield api


@pytest.mark.parametrize(
    "path",
    ["view/exit", "view/interrupt", "view/close", "view/stop", "async/exit", "async/stop", "fine?before", "fine?after"],
)
def test_it_is_a_defect_like_any_other(api: Api, path: str) -> None:
    answer = api.send("GET", f"/ext/rude/{path}", expect=500).get_json()
    assert (answer["error"], answer["details"]["extension_id"]) == ("internal_error", "rude")
    assert answer["details"]["error_type"] in ("SystemExit", "KeyboardInterrupt", "GeneratorExit", "CancelledError")
    text = api.send("GET", "/ext/observability/metrics").get_data(as_text=True)
    assert f'error_type="{answer["details"]["error_type"]}"' in text
    assert api.get("/ext/rude/fine") == {}


def test_a_body_that_has_begun_is_broken_off(api: Api) -> None:
    answer = iter(api.send("GET", "/ext/rude/body", buffered=False).response)
    assert next(answer) == b"some"
    with pytest.raises(TriedToEnd):
        next(answer)


def test_a_stream_that_has_begun_ends(api: Api) -> None:
    assert api.send("GET", "/ext/rude/stream").get_data(as_text=True).endswith("data: some\n\n")


def test_a_hook_that_comes_last_ends_no_more_than_the_request(api: Api) -> None:
    with pytest.raises(TriedToEnd):
        api.send("GET", "/ext/rude/fine?teardown")


def test_a_tool_that_would_end_the_process_has_failed_at_once(api: Api) -> None:
    answer = api.post("/tools/ext.rude.leave/invoke", {"arguments": {}}, expect=500)
    assert answer["error"] == "internal_error"
