"""`/audit`: who changed what."""

from __future__ import annotations

from flask import Blueprint

from app.http.api import api
from app.http.services import services
from app.schemas.audit import AuditQuery, AuditRowOut, audit_row_out
from app.schemas.paging import PageOut, page_out

bp = Blueprint("audit", __name__)


@bp.get("/audit")
@api(query=AuditQuery, returns=PageOut[AuditRowOut], tags=("audit",), scope="audit:read")
def list_audit(query: AuditQuery) -> PageOut[AuditRowOut]:
    """List changes, newest first.

    Every row is sealed with the one before it: `ordinaut audit verify` proves that none was changed or removed.
    """
    return page_out(services().audit.page(query.where(), limit=query.limit, offset=query.offset), audit_row_out)
