"""Pages of lists, as they are answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from app.domain.paging import Page
from app.schemas.shown import Shown

Item = TypeVar("Item")
Row = TypeVar("Row")


class PageOut(Shown, Generic[Item]):
    """A page of a list."""

    items: list[Item]
    total: int
    limit: int
    offset: int
    has_more: bool


def page_out(page: Page[Row], shown: Callable[[Row], Item]) -> PageOut[Item]:
    """The page as it is answered, each row through `shown`."""
    items = [shown(row) for row in page.items]
    return PageOut(items=items, total=page.total, limit=page.limit, offset=page.offset, has_more=page.has_more)
