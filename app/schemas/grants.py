"""Grants on the wire."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from pydantic import ConfigDict, Field

from app.domain.grants import Grant, GrantFilter, GrantStatus, Outside
from app.domain.permissions import Permission
from app.schemas.fields import STRICT, Body, Moment, Name, PageQuery, Prose, Spoken
from app.schemas.shown import Shown, UtcTime
from app.services.grants import Acceptance

_PERMISSION: dict[str, Any] = {
    "tool": "http.request",
    "where": {"method": "GET", "host": "https://api.example.org"},
    "open": [],
    "free": False,
    "secrets": ["API_KEY"],
}


class GrantListQuery(PageQuery):
    """What `GET /grants` may be narrowed by."""

    status: Annotated[list[GrantStatus], Field(description="Repeat it, or join values by commas")] = Field(
        default_factory=list
    )
    task_id: UUID | None = None

    def as_filter(self) -> GrantFilter:
        """The same for the store."""
        task_id = None if self.task_id is None else str(self.task_id)
        return GrantFilter(status=tuple(dict.fromkeys(self.status)), task_id=task_id)


class PermissionIn(Body):
    """Calls of one tool that are to be allowed."""

    model_config = ConfigDict(**STRICT, json_schema_extra={"examples": [_PERMISSION]})

    tool: Name
    where: dict[str, Any] = Field(description="Facts that a call must have, as they stand here")
    open: list[Name] = Field(default_factory=list, description="Facts that may have any value")
    free: bool = Field(False, description="Whether any further facts will do")
    secrets: list[Name] = Field(default_factory=list, description="Secrets that it may be lent")

    def made(self) -> Permission:
        """The same for the service."""
        return Permission(
            tool=self.tool, where=self.where, open=tuple(self.open), free=self.free, secrets=tuple(self.secrets)
        )


class AcceptIn(Body):
    """How far it is accepted; an empty body takes it as it is offered."""

    model_config = ConfigDict(**STRICT, json_schema_extra={"examples": [{"outside": "ask", "comment": "Fine"}]})

    until: Annotated[Moment | None, Field(description="When it ends; null for never")] = None
    outside: Annotated[Outside | None, Field(description="What a step outside of it does")] = None
    calls_per_day: Annotated[
        int | None, Field(ge=1, le=1_000_000_000, description="How many calls it allows in a day; null for any number")
    ] = None
    permissions: Annotated[list[PermissionIn] | None, Field(max_length=200, description="Fewer than are asked for")] = (
        None
    )
    comment: Prose | None = None

    def made(self) -> Acceptance:
        """The same for the service."""
        return Acceptance(
            until=self.until,
            endless="until" in self.model_fields_set and self.until is None,
            outside=self.outside,
            calls_per_day=self.calls_per_day,
            unlimited="calls_per_day" in self.model_fields_set and self.calls_per_day is None,
            permissions=None if self.permissions is None else [one.made() for one in self.permissions],
            comment=self.comment,
        )


class RefuseIn(Body):
    """Why; an empty body will do."""

    model_config = ConfigDict(**STRICT, json_schema_extra={"examples": [{"comment": "Not to that address"}]})

    comment: Prose | None = None


class PermissionOut(Shown):
    """Calls of one tool that are allowed."""

    model_config = ConfigDict(frozen=True, json_schema_extra={"examples": [_PERMISSION]})

    text: Spoken = Field(description="The same in words")
    cut: bool = Field(description="Whether the words leave out the end of something that `where` has whole")
    tool: str
    where: dict[str, Any]
    open: list[str]
    free: bool
    secrets: list[str]


class GrantOut(Shown):
    """What a task's runs may do."""

    id: str
    task_id: str
    task_title: str
    status: GrantStatus
    asked_by: str
    asked_at: UtcTime
    permissions: list[PermissionOut]
    until: UtcTime | None = Field(description="When it ends; null for never")
    outside: Outside = Field(description="What a step outside of it does")
    calls_per_day: int | None = Field(description="How many calls it allows in a day; null for any number")
    decided_by: str | None
    decided_at: UtcTime | None
    comment: str | None


_SAME = ("id", "task_id", "task_title", "status", "asked_by", "asked_at", "decided_by", "decided_at", "comment")


def _permission_out(one: Permission) -> PermissionOut:
    return PermissionOut(**one.as_document(), text=one.in_words(), cut=one.is_cut)


def grant_out(grant: Grant) -> GrantOut:
    """The grant as it is answered."""
    return GrantOut(
        **{name: getattr(grant, name) for name in _SAME},
        permissions=[_permission_out(one) for one in grant.permissions],
        until=grant.terms.until,
        outside=grant.terms.outside,
        calls_per_day=grant.terms.calls_per_day,
    )
