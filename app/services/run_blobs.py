"""Large pieces of outputs: kept by tools while a run is at work, fetched by whoever may see the run."""

from __future__ import annotations

from typing import Any

from app.domain.blobs import LARGEST, MOST_BYTES, Blob, BlobUnit, BlobUnits
from app.domain.errors import NotFound, Unavailable
from app.services.ownership import run_seen
from ordinaut import Caller


class RunBlobs:
    """The use cases of blobs."""

    def __init__(self, *, units: BlobUnits) -> None:
        self._units = units

    def keep(self, blob: Blob) -> dict[str, Any] | None:
        """Store it; what stands for it in an output. None where it is too large, or cannot be stored now."""
        if len(blob.data) > LARGEST:
            return None
        try:
            with self._units() as unit:
                unit.runs.get(blob.run_id)
                if not _has_room(unit, blob):
                    return None
                unit.blobs.add(blob)
        except (NotFound, Unavailable):
            return None
        return blob.reference

    def get(self, run_id: str, blob_id: str, *, caller: Caller) -> Blob:
        """The blob; NotFound also for those who may not see its run."""
        with self._units(read_only=True) as unit:
            run_seen(unit, unit.runs.get(run_id), caller)
            return unit.blobs.get(run_id, blob_id)


def _has_room(unit: BlobUnit, blob: Blob) -> bool:
    """One that is there already takes no more."""
    return unit.blobs.has(blob.run_id, blob.id) or unit.blobs.bytes_of(blob.run_id) + len(blob.data) <= MOST_BYTES
