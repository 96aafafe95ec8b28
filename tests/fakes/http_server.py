"""A real gunicorn over fakes: `python -m tests.fakes.http_server PORT`; its one run, `r1`, stays queued."""

from __future__ import annotations

import sys
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication

from app.realtime.hub import Hub
from config import lifecycle
from tests.fakes.http_app import FakeSettings, World, make_app
from tests.fakes.http_runs import FakeRuns, run_row

OPTIONS: dict[str, Any] = {
    "worker_class": "app.http.server.Server",
    "threads": 16,
    "graceful_timeout": 20,
    "post_worker_init": lifecycle.attach,
    "control_socket_disable": True,
}


class Server(BaseApplication):  # type: ignore[misc]
    """Gunicorn with the options above."""

    def load_config(self) -> None:
        """Take the options; the port is the one argument."""
        for name, value in {**OPTIONS, "bind": f"127.0.0.1:{sys.argv[1]}"}.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        """The application, made in the worker."""
        runs = FakeRuns(run_row())
        hub = Hub(runs.states, stopping=lifecycle.stopping)
        return make_app(World(runs=runs, hub=hub, settings=FakeSettings(web_threads=16)))


if __name__ == "__main__":
    Server().run()
