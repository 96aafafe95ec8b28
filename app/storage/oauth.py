"""Programs with rights by OAuth, and their codes, in SQL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import delete, exists, func, insert, select, update
from sqlalchemy.engine import Connection

from app.domain.oauth import UNUSED_LIFETIME, USED_LIFETIME, OAuthClient, OAuthCode
from app.storage.inserts import insert_into
from app.storage.tables_access import oauth_clients, oauth_codes, sessions


class SqlOAuthStore:
    """See `app.domain.oauth.OAuthStore`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def put_client(self, client: OAuthClient) -> None:
        """Store it, in place of an older one of that id."""
        values = _values(client)
        changed = {name: value for name, value in values.items() if name not in ("id", "created_at", "used_at")}
        statement = insert_into(oauth_clients, self._connection.dialect.name).values(values)
        self._connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=changed))

    def client(self, client_id: str) -> OAuthClient | None:
        """The program of that id."""
        row = self._connection.execute(select(oauth_clients).where(oauth_clients.c.id == client_id)).mappings().first()
        if row is None:
            return None
        lists = {name: tuple(row[name]) for name in ("redirect_uris", "grant_types")}
        return OAuthClient(**{**row, **lists})

    def clients(self) -> int:
        """How many there are."""
        return self._connection.execute(select(func.count()).select_from(oauth_clients)).scalar_one()

    def use_client(self, client_id: str, now: datetime) -> None:
        """Note that somebody lets it do something."""
        self._connection.execute(update(oauth_clients).where(oauth_clients.c.id == client_id).values(used_at=now))

    def evict(self) -> None:
        """Forget the one that has waited longest for somebody to let it do anything."""
        oldest = select(oauth_clients.c.id).where(oauth_clients.c.used_at.is_(None))
        oldest = oldest.order_by(oauth_clients.c.created_at).limit(1)
        self._connection.execute(delete(oauth_clients).where(oauth_clients.c.id.in_(oldest)))

    def add_code(self, code: OAuthCode) -> None:
        """Store a new code."""
        self._connection.execute(insert(oauth_codes), _values(code))

    def code(self, code_hash: str, *, lock: bool = False) -> OAuthCode | None:
        """The code of that hash."""
        query = select(oauth_codes).where(oauth_codes.c.code_hash == code_hash)
        row = self._connection.execute(query.with_for_update() if lock else query).mappings().first()
        return None if row is None else OAuthCode(**{**row, "scopes": tuple(row["scopes"])})

    def spend_code(self, code_hash: str, session_id: str) -> None:
        """Note what it bought."""
        mine = update(oauth_codes).where(oauth_codes.c.code_hash == code_hash)
        self._connection.execute(mine.values(session_id=session_id))


def forget_unused(connection: Connection, before: datetime) -> None:
    """Delete programs that nobody ever let do anything, and those that have not for a year and hold nothing."""
    never = oauth_clients.c.used_at.is_(None) & (oauth_clients.c.created_at < before - UNUSED_LIFETIME)
    held = exists().where(sessions.c.client_id == oauth_clients.c.id)
    connection.execute(
        delete(oauth_clients).where(never | ((oauth_clients.c.used_at < before - USED_LIFETIME) & ~held))
    )


def _values(value: OAuthClient | OAuthCode) -> Mapping[str, Any]:
    return {f.name: getattr(value, f.name) for f in fields(value)}
