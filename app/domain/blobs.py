"""What is too large for a run's journal, such as a picture: stored beside it, and named in a step's output."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Protocol

from app.domain.ports import UnitOfWork

LARGEST = 16 * 1024 * 1024
"""Bytes of one…"""
MOST_BYTES = 64 * 1024 * 1024
"""…and of all of a run together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """Bytes with their type.

    Attributes:
        media_type: As whoever made it says, which need not be true.
    """

    run_id: str
    step_id: str
    media_type: str
    data: bytes = field(repr=False)

    @property
    def id(self) -> str:
        """The same for the same bytes: a step that is done again stores nothing twice."""
        return sha256(self.data).hexdigest()[:32]

    @property
    def reference(self) -> dict[str, Any]:
        """What stands in an output in its place."""
        path = f"/runs/{self.run_id}/blobs/{self.id}"
        return {"id": self.id, "bytes": len(self.data), "media_type": self.media_type, "path": path}


class BlobStore(Protocol):
    """Blobs, inside a unit of work; they go with their run."""

    def add(self, blob: Blob) -> None:
        """Store it, unless it is there."""

    def get(self, run_id: str, blob_id: str) -> Blob:
        """One, or NotFound."""

    def has(self, run_id: str, blob_id: str) -> bool:
        """Whether it is there."""

    def bytes_of(self, run_id: str) -> int:
        """How much a run has."""


class BlobUnit(UnitOfWork, Protocol):
    """A unit of work with the store of blobs."""

    @property
    def blobs(self) -> BlobStore: ...


class BlobUnits(Protocol):
    """Opens them; see `app.domain.ports.UnitsOfWork`."""

    def __call__(self, *, read_only: bool = False) -> AbstractContextManager[BlobUnit]: ...
