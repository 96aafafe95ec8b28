"""The types of which requests are made: text without surprises, exact numbers, moments with an offset."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

from app.domain.texts import t
from app.http.locale import speak

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_CONTROL_IN_PROSE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_SPACE_FOR_PLUS = re.compile(r" (?=\d\d:\d\d\Z)")
_YEARS = range(1970, 9000)

STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
"""Bodies: unknown members are refused, and no value is taken for another type than it has."""
LENIENT = ConfigDict(extra="forbid", allow_inf_nan=False)
"""Queries, in which every value is text."""


class Body(BaseModel):
    """A JSON body."""

    model_config = STRICT


class Query(BaseModel):
    """A query string; each parameter once."""

    model_config = LENIENT


def _one_line(text: str) -> str:
    if _CONTROL.search(text):
        raise ValueError(t("control characters are not allowed"))
    if text and not text.strip():
        raise ValueError(t("it must not be blank"))
    return text


def _prose(text: str) -> str:
    if _CONTROL_IN_PROSE.search(text):
        raise ValueError(t("control characters other than line breaks and tabs are not allowed"))
    return text


def _read_moment(value: Any) -> datetime:
    if not isinstance(value, str) or not (form := _MOMENT.fullmatch(value)):
        raise ValueError(t("it must be an RFC 3339 time with an offset, such as 2026-11-24T08:30:00Z"))
    try:
        # More digits than microseconds are cut off: the store keeps no finer time.
        moment = datetime.fromisoformat(value.upper())
    except ValueError:
        raise ValueError(t("there is no such time with the offset {offset}", offset=form[1])) from None
    if moment.year not in _YEARS:
        raise ValueError(t("the year must be {low}-{high}", low=_YEARS[0], high=_YEARS[-1]))
    return moment.astimezone(UTC)


def _read_query_moment(value: Any) -> datetime:
    """The same; an unescaped `+` has become a blank on its way through the address."""
    return _read_moment(_SPACE_FOR_PLUS.sub("+", value) if isinstance(value, str) else value)


_DATE_TIME = WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-11-24T08:30:00Z"]})

Prose = Annotated[str, Field(max_length=2000), AfterValidator(_prose)]
"""Text that may have line breaks, or be empty."""
Name = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_one_line)]
"""A short line: a title, an id, a key."""
Tag = Annotated[str, Field(min_length=1, max_length=50), AfterValidator(_one_line)]
Reason = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_one_line)]
Zone = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_one_line)]
Expr = Annotated[str, Field(min_length=1, max_length=2000), AfterValidator(_prose)]
"""A schedule; rules may take several lines."""
Key = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_one_line)]
"""A name that things share, or the template of one."""
Moment = Annotated[datetime, BeforeValidator(_read_moment), _DATE_TIME]
"""A moment in a body; handed on in UTC."""
QueryMoment = Annotated[datetime, BeforeValidator(_read_query_moment), _DATE_TIME]
Spoken = Annotated[str, PlainSerializer(speak, return_type=str)]
"""A message in an answer: said in the reader's language when it is written."""
Limit = Annotated[int, Field(ge=1, le=200)]
Offset = Annotated[int, Field(ge=0, le=1_000_000)]


class PageQuery(Query):
    """Which part of a list."""

    limit: Limit = 50
    offset: Offset = 0
