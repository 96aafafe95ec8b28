"""`/secrets`: what pipelines may use and nobody may read."""

from __future__ import annotations

from flask import Blueprint

from app.http.api import api
from app.http.identity import identity
from app.http.services import services
from app.schemas.fields import PageQuery
from app.schemas.paging import PageOut, page_out
from app.schemas.secrets import SecretIn, SecretOut, StoredOut, secret_out

bp = Blueprint("secrets", __name__)
TAGS = ("secrets",)


@bp.get("/secrets")
@api(query=PageQuery, returns=PageOut[SecretOut], tags=TAGS, scope="secrets:manage")
def list_secrets(query: PageQuery) -> PageOut[SecretOut]:
    """List the names of secrets."""
    return page_out(services().secrets.page(limit=query.limit, offset=query.offset), secret_out)


@bp.put("/secrets/<name>")
@api(body=SecretIn, returns=StoredOut, tags=TAGS, scope="secrets:manage")
def put_secret(name: str, body: SecretIn) -> StoredOut:
    """Store a secret, or replace it.

    Pipelines use it as `${secrets.NAME}` in the arguments of a step; its value is never given back.
    """
    new = services().secrets.put(name, body.value, caller=identity())
    return StoredOut(success=True, name=name, created=new)


@bp.delete("/secrets/<name>")
@api(status=204, tags=TAGS, errors=(404,), scope="secrets:manage")
def delete_secret(name: str) -> None:
    """Delete a secret; steps that name it fail from now on."""
    services().secrets.delete(name, caller=identity())
