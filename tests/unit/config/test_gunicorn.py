"""The web server's options, and how streams learn that it stops."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from gunicorn.config import Config
from gunicorn.workers.gthread import ThreadWorker

from config import lifecycle
from config.gunicorn import options
from config.settings import load

DYNO = {"DYNO": "web.1", "ORDINAUT_AUTH": "off", "DATABASE_URL": "postgres://h/d", "WEB_CONCURRENCY": "2"}


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        (
            {},
            {"bind": ["127.0.0.1:8080"], "workers": 1, "threads": 64, "graceful_timeout": 20, "keepalive": 5},
        ),
        # an IPv6 address is bracketed
        ({"HOST": "::1"}, {"bind": ["[::1]:8080"]}),
        # behind Heroku's router: outlive its idle connections
        (DYNO, {"bind": ["0.0.0.0:8080"], "workers": 2, "keepalive": 95}),
        ({"ORDINAUT_DRAIN_SECONDS": "0"}, {"graceful_timeout": 1}),
    ],
)
def test_options_follow_the_settings(environ: dict[str, str], expected: dict[str, object]) -> None:
    assert expected.items() <= options(load(environ)).items()


def test_gunicorn_knows_every_option() -> None:
    config = Config()
    for name, value in options(load({})).items():
        config.set(name, value)
    assert issubclass(config.worker_class, ThreadWorker) and config.control_socket_disable


def test_stopping_follows_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "_attached", [])
    assert not lifecycle.stopping()
    worker = SimpleNamespace(alive=True)
    options(load({}))["post_worker_init"](worker)
    assert not lifecycle.stopping()
    worker.alive = False
    assert lifecycle.stopping()
