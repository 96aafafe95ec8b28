"""Links to approvals on the wire."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from app.domain.approval_links import LONGEST_SECONDS, SHORTEST_SECONDS, USUAL_SECONDS, Linked, LinkWish
from app.schemas.approvals import ApprovalOut, approval_out
from app.schemas.fields import STRICT, Body, Name, Prose, Query
from app.schemas.shown import Shown, UtcTime

Token = Annotated[str, Field(min_length=1, max_length=400, description="From the link")]
Seconds = Annotated[int, Field(ge=SHORTEST_SECONDS, le=LONGEST_SECONDS, description="How long it is good")]


class LinkIn(Body):
    """What the link is to be like; an empty body will do."""

    model_config = ConfigDict(
        **STRICT, json_schema_extra={"examples": [{"option": "approve", "expires_in_seconds": 3600}]}
    )

    option: Annotated[Name, Field(description="The only option that it offers")] | None = None
    expires_in_seconds: Seconds = USUAL_SECONDS

    def wish(self) -> LinkWish:
        """The same for the service."""
        return LinkWish(option=self.option, seconds=self.expires_in_seconds)


class LinkOut(Shown):
    """A link; its address is told this once."""

    url: str
    expires_at: UtcTime
    option: str | None


class TokenQuery(Query):
    """What is in the address of a link."""

    token: Token


class LinkDecideIn(Body):
    """Your decision; a link with one option needs none."""

    model_config = ConfigDict(**STRICT, json_schema_extra={"examples": [{"decision": "approve"}]})

    decision: Annotated[Name, Field(description="One of `options`")] | None = None
    form: Annotated[Any, Field(description="What its form asks for")] = None
    comment: Prose | None = None


class LinkedOut(Shown):
    """What a link is about."""

    options: list[str] = Field(description="What there is to choose from by this link")
    expires_at: UtcTime = Field(description="Of the link")
    approval: ApprovalOut


def linked_out(linked: Linked) -> LinkedOut:
    """What a link is about, as it is answered."""
    return LinkedOut(
        options=list(linked.options), expires_at=linked.link.expires_at, approval=approval_out(linked.approval)
    )
