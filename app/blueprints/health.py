"""Health over HTTP, for people, load balancers and supervisors; open to all and never limited."""

from __future__ import annotations

from flask import Blueprint

from app.http.api import Answer, api
from app.http.services import services
from app.schemas.health import HealthOut, health_out
from app.services.health import Health

bp = Blueprint("health", __name__, url_prefix="/health")
TAGS = ("health",)


@bp.get("")
@api(returns=HealthOut, tags=TAGS, also=(503,), limited=False, scope="public")
def get_health() -> Answer:
    """Tell how everything is.

    503 and `unhealthy` when something no request can do without is away, 200 and `degraded` when it is
    something the platform works without.
    """
    return _answer(services().health.health())


@bp.get("/ready")
@api(returns=HealthOut, tags=TAGS, also=(503,), limited=False, scope="public")
def get_readiness() -> Answer:
    """Tell whether requests can be served: the database answers and its schema is current."""
    return _answer(services().health.ready())


@bp.get("/live")
@api(returns=HealthOut, tags=TAGS, limited=False, scope="public")
def get_liveness() -> Answer:
    """Tell that this process answers."""
    return _answer(services().health.live())


def _answer(health: Health) -> Answer:
    status = 503 if health.status == "unhealthy" else 200
    return Answer(health_out(health), status, {"Cache-Control": "no-store"})
