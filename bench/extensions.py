"""An extension's route beside a core route: what the host costs a request once the extension is loaded.

Run `python -m bench.extensions`. Both answer the same JSON through the same application; requests go through the WSGI
entry in one thread, in turns, so that whatever slows the machine slows both.
"""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from flask import Blueprint, Flask
from werkzeug.test import EnvironBuilder, run_wsgi_app

from app.bootstrap.web import build
from app.cli.ext_check import migrated
from app.factory import create_app
from app.http.api import api
from config import logging
from config.settings import Settings, load

ROUNDS = 40
REQUESTS = 200
LEAST = 0.95
CODE = """
from flask import Blueprint
from ordinaut import Capability, Extension, ExtensionInfo

class Bench(Extension):
    def info(self):
        return ExtensionInfo(id="bench", name="Bench", version="1")
    def requested_capabilities(self):
        return {Capability.ROUTES}
    def setup(self, context):
        page = Blueprint("bench", __name__)
        page.get("/hello/<name>")(lambda name: {"text": name})
        return page

get_extension = Bench
"""


def main() -> None:
    """Print both rates and their ratio; AssertionError below 0.95."""
    with tempfile.TemporaryDirectory(prefix="ordinaut-bench-", ignore_cleanup_errors=True) as home:
        app = application(Path(home))
        core, extension = rates(app, "/core/hello/ana"), rates(app, "/ext/bench/hello/ana")
        pairs = [(core(), extension()) for _ in range(ROUNDS)]
    ratio = statistics.median(theirs / ours for ours, theirs in pairs)
    result = {
        "core_requests_per_second": round(statistics.median(ours for ours, _ in pairs)),
        "extension_requests_per_second": round(statistics.median(theirs for _, theirs in pairs)),
        "ratio": round(ratio, 3),
    }
    print(json.dumps(result, indent=2))
    assert ratio >= LEAST, result


def application(home: Path) -> Flask:
    """The whole application, with the extension and a core route of the same kind."""
    folder = home / "bench"
    folder.mkdir()
    manifest = {"id": "bench", "name": "Bench", "version": "1", "grants": ["ROUTES"]}
    (folder / "extension.json").write_text(json.dumps(manifest))
    (folder / "extension.py").write_text(CODE)
    app = create_app(build(settings(home, folder)))
    page = Blueprint("core", __name__)

    @page.get("/core/hello/<name>")
    @api()
    def hello(name: str) -> dict[str, str]:
        """Say hello."""
        return {"text": name}

    app.register_blueprint(page)
    return app


def settings(home: Path, folder: Path) -> Settings:
    """Production, quiet, with no limit to speak of."""
    found = load(
        {
            "PATH": os.defpath,
            "ORDINAUT_ENV": "production",
            "ORDINAUT_AUTH": "off",
            "ORDINAUT_HOME": str(home),
            "DATABASE_URL": f"sqlite:///{home}/bench.db",
            "ORDINAUT_EXT_PATHS": str(folder),
            "ORDINAUT_RATE_LIMIT": "100000000/minute",
            "LOG_LEVEL": "CRITICAL",
        }
    )
    logging.configure(found)
    return migrated(found)


def rates(app: Flask, path: str) -> Callable[[], float]:
    """Measures requests to this address per second of CPU time, which other programs do not take away."""
    environ = EnvironBuilder(path=path).get_environ()

    def measure() -> float:
        begun = time.thread_time()
        for _ in range(REQUESTS):
            body, status, _ = run_wsgi_app(app, dict(environ))
            assert status == "200 OK", (status, b"".join(body))
            b"".join(body)
        return REQUESTS / (time.thread_time() - begun)

    measure()
    return measure


if __name__ == "__main__":
    main()
