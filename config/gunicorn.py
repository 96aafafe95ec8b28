"""The web server's options, made from the settings; a `gunicorn.conf.py` in the cwd plays no part."""

from __future__ import annotations

import os
import signal
from typing import Any

from gunicorn.glogging import Logger

from config import lifecycle
from config.settings import Settings

SHARED_MEMORY = "/dev/shm"  # noqa: S108 - gunicorn makes its own unpredictable name in it
ROUTER_IDLE_SECONDS = 90
"""How long Heroku's router keeps an idle connection; closing sooner shows as H13 or H18 there."""


class RootLogger(Logger):  # type: ignore[misc]
    """Gunicorn's messages go to the root logger, so they look like every other line."""

    def setup(self, cfg: Any) -> None:
        """Install no handlers of its own. `cfg` is gunicorn's configuration."""
        self.cfg = cfg
        for log in (self.error_log, self.access_log):
            log.handlers.clear()
            log.propagate = True
        # Requests are logged by the application, with their ids; two lines for each would be one too many.
        self.access_log.disabled = True


def options(settings: Settings) -> dict[str, Any]:
    """Option -> value, as gunicorn's `cfg.set` takes them. Times are seconds."""
    chosen: dict[str, Any] = {
        "bind": [_bind(settings.host, settings.port)],
        "workers": settings.web_concurrency,
        "worker_class": "app.http.server.Server",
        "threads": settings.web_threads,
        "timeout": 30,
        "graceful_timeout": max(1, int(settings.drain_seconds)),
        "keepalive": ROUTER_IDLE_SECONDS + 5 if settings.dyno else 5,
        "max_requests": 0,
        "control_socket_disable": True,
        "accesslog": None,
        "logger_class": RootLogger,
        "post_worker_init": _attach,
        "on_exit": _turn_deaf,
        "proc_name": "ordinaut-web",
        # The application believes forwarded headers by ORDINAUT_PROXY_HOPS alone; gunicorn believes nobody.
        "forwarded_allow_ips": "",
        "limit_request_line": 8190,
    }
    if os.access(SHARED_MEMORY, os.W_OK):
        chosen["worker_tmp_dir"] = SHARED_MEMORY
    return chosen


def _bind(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _attach(worker: lifecycle.Worker) -> None:
    lifecycle.attach(worker)


def _turn_deaf(_arbiter: Any) -> None:
    # A second SIGTERM while the interpreter is being torn down would make a failure of a clean stop.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
