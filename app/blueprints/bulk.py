"""One action on many runs over HTTP."""

from __future__ import annotations

from typing import Any

from flask import Blueprint

from app.http.api import api
from app.http.identity import require
from app.http.request_id import request_id
from app.http.services import services
from app.schemas.bulk import BulkIn, BulkOut, bulk_out

bp = Blueprint("bulk", __name__, url_prefix="/runs")
SCOPES = {"cancel": "runs:cancel", "rerun": "tasks:run"}


@bp.post("/bulk")
@api(body=BulkIn, returns=BulkOut, tags=("runs",), scope="runs:read", repeats="reserved")
def act_on_runs(body: BulkIn) -> dict[str, Any]:
    """Cancel or repeat many runs.

    Those of your own tasks that the filter finds, 10,000 at most; `dry_run` is true unless you say otherwise, and
    then nothing is done. Takes `runs:cancel` or `tasks:run` as well, as the action alone does. Sent once more it does
    to no run what was done before: one whose cancellation was asked for, or that another run repeats, is left alone.
    """
    caller = require(SCOPES[body.action])
    return bulk_out(services().bulk.act(body.wish(), caller=caller, request_id=request_id()))
