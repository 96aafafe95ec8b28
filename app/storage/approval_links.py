"""Links to approvals in SQL; of those that are used at once, one is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.engine import Connection

from app.domain.approval_links import ApprovalLink
from app.domain.errors import NotFound
from app.domain.texts import t
from app.storage.tables_approvals import approval_links


class SqlApprovalLinkStore:
    """See `app.domain.approval_links.ApprovalLinkStore`; made for one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, link: ApprovalLink) -> None:
        """Store a new one."""
        self._connection.execute(insert(approval_links), asdict(link))

    def get(self, link_id: str) -> ApprovalLink:
        """The link, or NotFound."""
        row = self._connection.execute(select(approval_links).where(approval_links.c.id == link_id)).mappings().first()
        if row is None:
            raise NotFound(t("There is no such link"))
        known: Mapping[Any, Any] = row
        return ApprovalLink(**{**known, "scopes": None if known["scopes"] is None else tuple(known["scopes"])})

    def use(self, link_id: str, now: datetime) -> bool:
        """Use it up; False where it is."""
        unused = (approval_links.c.id == link_id) & approval_links.c.used_at.is_(None)
        return self._connection.execute(update(approval_links).where(unused).values(used_at=now)).rowcount == 1
