"""`/incidents`: expectations of tasks that did not hold."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint

from app.http.api import api
from app.http.identity import identity
from app.http.services import services
from app.schemas.incidents import AcknowledgeIn, IncidentOut, IncidentQuery, incident_out
from app.schemas.paging import PageOut, page_out

bp = Blueprint("incidents", __name__, url_prefix="/incidents")
TAGS = ("incidents",)


@bp.get("")
@api(query=IncidentQuery, returns=PageOut[IncidentOut], tags=TAGS, scope="tasks:read")
def list_incidents(query: IncidentQuery) -> PageOut[IncidentOut]:
    """List incidents, newest first."""
    page = services().incidents.page(query.where(), caller=identity(), limit=query.limit, offset=query.offset)
    return page_out(page, incident_out)


@bp.get("/<uuid:incident_id>")
@api(returns=IncidentOut, tags=TAGS, errors=(404,), scope="tasks:read")
def get_incident(incident_id: UUID) -> IncidentOut:
    """Get an incident."""
    return incident_out(services().incidents.get(str(incident_id), caller=identity()))


@bp.post("/<uuid:incident_id>/acknowledge")
@api(body=AcknowledgeIn, returns=IncidentOut, tags=TAGS, errors=(404,), scope="tasks:update")
def acknowledge_incident(incident_id: UUID, body: AcknowledgeIn) -> IncidentOut:
    """Say that you have seen an incident, open or over, with a note for whoever comes next."""
    return incident_out(services().incidents.acknowledge(str(incident_id), body.note, caller=identity()))
