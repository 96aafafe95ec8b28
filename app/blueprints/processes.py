"""`/processes`: what the platform is made of at this moment."""

from __future__ import annotations

from typing import Any

from flask import Blueprint

from app.http.api import api
from app.http.identity import identity
from app.http.services import services
from app.schemas.processes import WorkforceOut, workforce_out

bp = Blueprint("processes", __name__)


@bp.get("/processes")
@api(returns=WorkforceOut, tags=("processes",), scope="runs:read")
def list_processes() -> dict[str, Any]:
    """List the web, beat and worker processes of all machines, with the runs they have in hand.

    A process that has died is left out some seconds after it last spoke.
    """
    return workforce_out(services().processes.read(caller=identity()))
