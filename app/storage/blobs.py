"""Large pieces of outputs in SQL."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import func, select
from sqlalchemy.engine import Connection

from app.domain.blobs import Blob
from app.domain.errors import NotFound
from app.domain.texts import t
from app.storage.inserts import insert_into
from app.storage.tables_blobs import run_blobs


class SqlBlobStore:
    """See `app.domain.blobs.BlobStore`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, blob: Blob) -> None:
        """Store it, unless it is there."""
        values = {
            "run_id": blob.run_id,
            "id": blob.id,
            "step_id": blob.step_id,
            "media_type": blob.media_type,
            "size": len(blob.data),
            "created_at": datetime.now(UTC),
            "data": blob.data,
        }
        statement = insert_into(run_blobs, self._connection.dialect.name)
        self._connection.execute(statement.on_conflict_do_nothing(index_elements=["run_id", "id"]), values)

    def get(self, run_id: str, blob_id: str) -> Blob:
        """One, or NotFound."""
        columns = run_blobs.c
        query = select(columns.step_id, columns.media_type, columns.data)
        row = self._connection.execute(query.where(columns.run_id == run_id, columns.id == blob_id)).first()
        if row is None:
            raise NotFound(t("The run has no such blob"), run_id=run_id, blob_id=blob_id)
        return Blob(run_id=run_id, step_id=row.step_id, media_type=row.media_type, data=bytes(row.data))

    def has(self, run_id: str, blob_id: str) -> bool:
        """Without its data."""
        columns = run_blobs.c
        query = select(columns.id).where(columns.run_id == run_id, columns.id == blob_id)
        return self._connection.execute(query).first() is not None

    def bytes_of(self, run_id: str) -> int:
        """How much a run has."""
        total = select(func.coalesce(func.sum(run_blobs.c.size), 0)).where(run_blobs.c.run_id == run_id)
        return int(self._connection.execute(total).scalar_one())
