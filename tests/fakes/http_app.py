"""The whole Flask application over fakes, with a few views that fail in chosen ways."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, cast

from flask import Blueprint, Flask, abort
from pydantic import BaseModel, Field
from werkzeug.exceptions import ImATeapot

from app.domain.errors import Conflict, InvalidInput, PreconditionFailed, Problem, Unavailable
from app.extension_host.host import ExtensionHost
from app.factory import create_app
from app.http.api import Answer, api
from app.schemas.fields import Body, Moment, Query, QueryMoment
from app.services.catalog import Services
from app.services.health import Check, HealthService
from app.services.holds import HoldService
from app.services.idempotency import IdempotencyService
from app.services.runs import Hub, RunService
from tests.fakes.extensions import no_extensions
from tests.fakes.http_runs import FakeRuns, FixedClock, ScriptedHub
from tests.fakes.keys import MemoryKeyUnits
from tests.fakes.metrics import metrics_of


@dataclass(frozen=True, kw_only=True)
class FakeSettings:
    """The settings the factory looks at."""

    production: bool = True
    redis_url: str | None = None
    redis_ssl_cert_reqs: str = "required"
    rate_limit: str = "1000/minute"
    proxy_hops: int = 0
    max_body_bytes: int = 4096
    web_threads: int = 4
    home: Path = Path("unused")
    auth: str = "off"
    jwt_keys: tuple[str, ...] | None = None
    jwt_algorithm: str = "HS256"
    access_token_seconds: int = 900
    login_rate_limit: str = "1000/minute"
    mcp_rate_limit: str = "1000/minute"
    oauth: bool = True
    require_scopes: bool = False
    trusted_proxies: tuple[str, ...] = ("127.0.0.0/8", "::1/128")
    protected_routes: tuple[str, ...] = ()
    allowed_hosts: tuple[str, ...] = ()
    locale: str = "en"


@dataclass(frozen=True, kw_only=True)
class World:
    """What a test may lay hands on."""

    runs: FakeRuns = field(default_factory=FakeRuns)
    hub: Hub = field(default_factory=ScriptedHub)
    settings: FakeSettings = field(default_factory=FakeSettings)
    required: dict[str, Check] = field(default_factory=dict)
    optional: dict[str, Check] = field(default_factory=dict)


@dataclass(frozen=True)
class _Container:
    settings: FakeSettings
    services: Services
    extensions: ExtensionHost = field(default_factory=no_extensions)


def make_app(world: World | None = None) -> Flask:
    """The application over a world of fakes."""
    world = world or World()
    clock = FixedClock()
    nobody: Any = None
    services = Services(
        tasks=nobody,
        schedules=nobody,
        tools=nobody,
        events=nobody,
        extension_work=nobody,
        access=nobody,
        oauth=nobody,
        task_upserts=nobody,
        task_looks=nobody,
        agenda=nobody,
        processes=nobody,
        idempotency=IdempotencyService(units=MemoryKeyUnits(), clock=clock),
        holds=HoldService(units=cast(Any, world.runs), clock=clock),
        blobs=nobody,
        reruns=nobody,
        bulk=nobody,
        approvals=nobody,
        approval_links=nobody,
        grants=nobody,
        budgets=nobody,
        backfills=nobody,
        hooks=nobody,
        incidents=nobody,
        webhooks=nobody,
        mcp=nobody,
        runs=RunService(units=cast(Any, world.runs), clock=clock, hub=world.hub),
        health=HealthService(required=world.required, optional=world.optional, clock=clock, version="9.9.9"),
        metrics=metrics_of(),
    )
    app = create_app(_Container(world.settings, services))
    app.register_blueprint(_probes())
    return app


class ProbeBody(Body):
    """A body with one member of each kind."""

    title: str
    count: int = 1
    ratio: float = 0.5
    active: bool = False
    due: Moment | None = None
    payload: dict[str, Any] | None = None


class ProbeQuery(Query):
    """A query with one parameter of each kind."""

    limit: int = 50
    status: Annotated[list[str], Field(default_factory=list)]
    since: QueryMoment | None = None


class Whole(BaseModel):
    """What was read."""

    read: dict[str, Any]


def _probes() -> Blueprint:
    bp = Blueprint("probes", __name__, url_prefix="/probes")

    @bp.post("/body")
    @api(body=ProbeBody, status=201)
    def probe_body(body: ProbeBody) -> Answer:
        """Give back what was read."""
        return Answer(body.model_dump(mode="json"))

    @bp.get("/query")
    @api(query=ProbeQuery, returns=Whole)
    def probe_query(query: ProbeQuery) -> Whole:
        """Give back what was read."""
        return Whole(read=query.model_dump(mode="json"))

    @bp.get("/tagged")
    @api()
    def probe_tagged() -> Answer:
        """Answer with an entity tag."""
        return Answer({"a": 1}, headers={"ETag": '"7"'})

    @bp.get("/fail/<how>")
    @api()
    def probe_failure(how: str) -> None:
        """Fail in the way the address names."""
        raise FAILURES[how]

    @bp.get("/undecorated")
    def probe_undecorated() -> str:
        abort(418)

    return bp


FAILURES: dict[str, Exception] = {
    "conflict": Conflict("A queued run cannot become waiting", status="queued"),
    "precondition": PreconditionFailed(),
    "invalid": InvalidInput([Problem("/a~1b/0", "is odd", "try 2"), Problem("/c", "is even")]),
    "away": Unavailable(),
    "teapot": ImATeapot(),
    "defect": RuntimeError("SELECT secret FROM /etc/passwd"),
}
