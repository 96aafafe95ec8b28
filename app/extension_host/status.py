"""All extensions as the whole platform sees them: what this process knows, and what the others have told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from app.domain.extension_loads import Load
from app.extension_host.registry import Failure, Record, State
from ordinaut import Capability, ExtensionInfo


class Totals(Protocol):
    """What an extension has been asked, over all processes."""

    @property
    def requests_total(self) -> float: ...
    @property
    def errors_total(self) -> float: ...
    @property
    def latency_ms_sum(self) -> float: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """All extensions; `totals` are by id, and left out for one that nobody has asked anything.

    Attributes:
        crashes: By id, why the worker side of an extension that is loaded otherwise is not at work.
    """

    records: tuple[Record, ...]
    sources: tuple[str, ...]
    totals: Mapping[str, Totals] = field(default_factory=dict)
    crashes: Mapping[str, str] = field(default_factory=dict)


class LoadBoard(Protocol):
    """Where processes tell each other what they have loaded; `app.services.extension_loads`."""

    def post(self, load: Load) -> None:
        """Tell, and say it again and again while this process lives. Never raises."""

    def told(self) -> Sequence[Load]:
        """What every living process has told, this one included."""

    def stop(self) -> None:
        """Take leave: this process is no longer there."""


def load_of(record: Record) -> Load:
    """What there is to tell of a record."""
    failure = record.failure
    return Load(
        extension_id=record.id,
        state=record.state,
        loaded_ms=record.loaded_ms,
        grants=tuple(sorted(record.grants)),
        name=record.info.name,
        version=record.info.version,
        description=record.info.description,
        error_type=failure.error_type if failure else "",
        # Plain: what is told goes through the database.
        message=str(failure.message) if failure else "",
    )


def merged(records: Sequence[Record], told: Sequence[Load]) -> tuple[Record, ...]:
    """The records as everybody should show them: failed where any process failed, loaded where any has it.

    Of several that loaded it, the first to have told says how long that took.
    """
    by_id: dict[str, list[Load]] = {}
    for load in told:
        by_id.setdefault(load.extension_id, []).append(load)
    return tuple(_merged(record, by_id.get(record.id, [])) for record in records)


def _merged(record: Record, told: Sequence[Load]) -> Record:
    by_state: Mapping[str, Load] = {load.state: load for load in reversed(told)}
    if record.state is State.DISABLED or not told:
        return record
    if (failed := by_state.get(State.FAILED)) is not None:
        failure = Failure(error_type=failed.error_type, message=failed.message)
        return replace(record, state=State.FAILED, failure=failure, loaded_ms=None)
    loaded = by_state.get(State.LOADED)
    if loaded is None or record.state is State.FAILED:
        return record
    grants = frozenset(Capability(one) for one in loaded.grants)
    info = ExtensionInfo(
        id=record.id,
        name=loaded.name,
        version=loaded.version,
        description=loaded.description,
    )
    return replace(record, state=State.LOADED, loaded_ms=loaded.loaded_ms, grants=grants, info=info)
