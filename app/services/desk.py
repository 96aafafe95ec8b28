"""What a run in execution asks of its worker."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

from app.domain.execution import Claimed, Settlement
from app.domain.pipelines.fan_out import PartEnd
from app.domain.pipelines.model import Step
from app.services.allowances import Allowances
from ordinaut import Caller

if TYPE_CHECKING:
    from app.services.run_execution import RunExecution

T = TypeVar("T")


class Desk(Protocol):
    """The worker, as one run sees it."""

    def checkpoint(self, execution: RunExecution) -> None:
        """Commit the lines gathered so far; raises LeaseLost when the run is no longer ours."""

    def turn(self, execution: RunExecution, step: Step) -> Settlement | None:
        """The run leaves the worker's hands here, since the step's tool is over one of its limits; mostly None."""

    @property
    def allowances(self) -> Allowances | None:
        """What calls are held against; None where nobody needs a grant and nothing is counted."""

    def insist(self, ask: Callable[[], T]) -> T:
        """Ask until the database answers; raises Abandoned once the run may have passed on."""

    def began(self, execution: RunExecution, deadline: float) -> None:
        """A call starts that must have ended by `deadline` (monotonic)."""

    def ended(self, execution: RunExecution) -> None:
        """The call has ended, in time."""

    def caller(self, agent_id: str) -> Caller:
        """The agent in whose name a run acts."""

    def secrets(self, names: Sequence[str]) -> Mapping[str, str]:
        """The values of secrets."""

    def parts(self, run_id: str, step_id: str, ids: Sequence[str] = ()) -> Sequence[PartEnd]:
        """The runs in which the work of a step went on, or those of them, in the order in which they were made."""

    def sibling_failed(self, run: Claimed) -> bool:
        """Whether another part of the same step has failed, as far as is known."""

    @property
    def stopping(self) -> bool:
        """Whether the worker is going away."""
