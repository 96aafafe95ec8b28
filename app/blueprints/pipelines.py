"""`/pipelines` and the schema by which editors check them."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from flask import Blueprint, Response, request

from app.http.api import api
from app.http.services import services
from app.schemas.pipelines import PipelineIn, ReportOut, report_out

bp = Blueprint("pipelines", __name__)


@bp.post("/pipelines/validate")
@api(body=PipelineIn, returns=ReportOut, tags=("pipelines",), scope="signed_in")
def validate_pipeline(body: PipelineIn) -> dict[str, Any]:
    """Check a pipeline.

    All problems at once; 200 whether there are any or not. Without `params`, references to them are not
    checked.
    """
    return report_out(services().tools.validate_pipeline(body.pipeline, body.params))


@bp.get("/schemas/pipeline.json")
@api(returns=dict[str, Any], tags=("pipelines",), media="application/schema+json", scope="signed_in")
def get_pipeline_schema() -> Response:
    """Get the JSON Schema (2020-12) of a pipeline, made from the tools there are."""
    text = services().tools.pipeline_schema()
    response = Response(text, content_type="application/schema+json")
    response.set_etag(sha256(text).hexdigest()[:32])
    response.make_conditional(request)
    return response
