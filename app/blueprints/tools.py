"""`/tools`: what pipelines can call, callable directly as well."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, g

from app.extension_host.tools import extension_of
from app.http.api import api
from app.http.errors import TOOL_OF
from app.http.idempotency import own_key
from app.http.identity import identity
from app.http.services import services
from app.schemas.fields import PageQuery
from app.schemas.tools import (
    InvocationOut,
    InvokeIn,
    ToolOut,
    ToolPageOut,
    invocation_out,
    tool_out,
    tool_page_out,
)

bp = Blueprint("tools", __name__)

TAGS = ("tools",)


@bp.get("/tools")
@api(query=PageQuery, returns=ToolPageOut, tags=TAGS, scope="signed_in")
def list_tools(query: PageQuery) -> dict[str, Any]:
    """List tools by name."""
    return tool_page_out(services().tools.list(), limit=query.limit, offset=query.offset)


@bp.get("/tools/<name>")
@api(returns=ToolOut, tags=TAGS, errors=(404,), scope="signed_in")
def get_tool(name: str) -> dict[str, Any]:
    """Get a tool with the schema of its arguments."""
    return tool_out(services().tools.get(name))


@bp.post("/tools/<name>/invoke")
@api(body=InvokeIn, returns=InvocationOut, tags=TAGS, errors=(404, 422), scope="tools:invoke", repeats="reserved")
def invoke_tool(name: str, body: InvokeIn) -> dict[str, Any]:
    """Call a tool and wait for its answer.

    A tool that fails is a 422 whose details name the type of the failure. Calls that take more than
    25 seconds belong into a task.
    """
    if (owner := extension_of(name)) is not None:
        g.setdefault(TOOL_OF, owner)
    invocation = services().tools.invoke(
        name, body.arguments, caller=identity(), timeout=body.timeout_seconds, key=own_key()
    )
    return invocation_out(invocation)
