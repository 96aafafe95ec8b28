"""What a pipeline is: steps in order, with their arguments and conditions compiled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from app.domain.conditions import Condition, compile_condition
from app.domain.templates import Template, compile_template

BackoffStrategy = Literal["exponential_jitter", "linear", "fixed"]
OnError = Literal["fail", "continue"]
OnUnknown = Literal["retry", "fail", "ask"]

BACKOFF_STRATEGIES: Final[tuple[BackoffStrategy, ...]] = ("exponential_jitter", "linear", "fixed")
ON_ERROR: Final[tuple[OnError, ...]] = ("fail", "continue")
ON_UNKNOWN: Final[tuple[OnUnknown, ...]] = ("retry", "fail", "ask")
SCOPE_NAMES: Final = ("params", "steps", "now", "task", "run", "event")
ITEM_NAMES: Final = ("item", "index")
"""Roots that only the arguments of a step with `foreach`, and the steps in its branches, have."""
PARALLEL: Final = "parallel"
"""What a step with branches uses, in place of a tool."""
SECRETS: Final = "secrets"
"""The root of secrets, which only arguments may read."""

ID_PATTERN: Final = r"^[A-Za-z_][A-Za-z0-9_-]*$"
ERROR_TYPE_PATTERN: Final = r"^[a-z][a-z0-9_]*$"
STEPS_LIMIT: Final = 200
BYTES_LIMIT: Final = 256 * 1024
DEPTH_LIMIT: Final = 32
NAME_LIMIT: Final = 100
TIMEOUT_LIMIT: Final = 86_400
RETRIES_LIMIT: Final = 10
BACKOFF_LIMIT: Final = 3_600
ITEMS_LIMIT: Final = 10_000
PARALLEL_LIMIT: Final = 100
BRANCHES_LIMIT: Final = 20

DEFAULT_TIMEOUT: Final = 30.0
DEFAULT_BACKOFF: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a pipeline.

    Attributes:
        id: Unique in the pipeline; its output is at `steps.<id>`.
        uses: Address of the tool; `parallel` for a step with branches.
        arguments: The tool's arguments, to be rendered on the scope.
        condition: The step is skipped where it does not hold; None runs it always.
        save_as: Second name of the output under `steps`.
        timeout_seconds: How long one attempt may take.
        max_retries: Further attempts after the first has failed.
        backoff_strategy: How the waits between attempts grow.
        backoff_seconds: Base of these waits.
        retry_on: Types of errors worth another attempt; empty for every retryable one.
        secrets: Names of the secrets that the arguments use.
        on_error: `fail` ends the run, `continue` goes on with `{error}` as the output.
        on_unknown: What is done about a call in which its worker was lost; None leaves that to the tool, see `unknown`.
        foreach: Renders to the list of items for each of which the step is done; None does it once.
        max_parallel: So many items at once.
        branches: Steps in order, each list beside the others; all end before the next step. With `foreach` they are run
            for each item.
    """

    id: str
    uses: str
    arguments: Template
    condition: Condition | None = None
    save_as: str | None = None
    timeout_seconds: float = DEFAULT_TIMEOUT
    max_retries: int = 0
    backoff_strategy: BackoffStrategy = "exponential_jitter"
    backoff_seconds: float = DEFAULT_BACKOFF
    retry_on: tuple[str, ...] = ()
    on_error: OnError = "fail"
    on_unknown: OnUnknown | None = None
    secrets: tuple[str, ...] = ()
    foreach: Template | None = None
    max_parallel: int = 1
    branches: tuple[tuple[Step, ...], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """Steps in the order in which they run."""

    steps: tuple[Step, ...]


def default_id(position: int, within: str = "") -> str:
    """The id of a step that has none, by its position counted from 0: `step_1` is the first.

    Args:
        within: What ids in a branch begin with, see `branch_prefix`.
    """
    return f"{within}step_{position + 1}"


def branch_prefix(step_id: str, branch: int) -> str:
    """What default ids in a branch begin with; branches are counted from 0."""
    return f"{step_id}_{branch + 1}_"


def every_step(steps: Sequence[Step]) -> Iterator[Step]:
    """These steps and those in their branches, however deep."""
    for step in steps:
        yield step
        for branch in step.branches:
            yield from every_step(branch)


def parse_pipeline(document: Sequence[Mapping[str, Any]]) -> Pipeline:
    """Compiles a pipeline that `validate_pipeline` has found to be without errors.

    Raises:
        TemplateSyntaxError: A template or a condition is wrong after all.
        KeyError: A step has no `uses`.
    """
    return Pipeline(steps=_parse_steps(document, ""))


def _parse_steps(document: Sequence[Mapping[str, Any]], within: str) -> tuple[Step, ...]:
    return tuple(_parse_step(step, default_id(position, within)) for position, step in enumerate(document))


def _parse_step(step: Mapping[str, Any], default: str) -> Step:
    condition, foreach, branches = step.get("if"), step.get("foreach"), step.get(PARALLEL, ())
    arguments = compile_template(step.get("with", {}))
    step_id = step.get("id", default)
    return Step(
        id=step_id,
        uses=PARALLEL if branches else step["uses"],
        arguments=arguments,
        condition=None if condition is None else compile_condition(condition),
        save_as=step.get("save_as"),
        timeout_seconds=float(step.get("timeout_seconds", DEFAULT_TIMEOUT)),
        max_retries=step.get("max_retries", 0),
        backoff_strategy=step.get("backoff_strategy", "exponential_jitter"),
        backoff_seconds=float(step.get("backoff_seconds", DEFAULT_BACKOFF)),
        retry_on=tuple(step.get("retry_on", ())),
        on_error=step.get("on_error", "fail"),
        on_unknown=step.get("on_unknown"),
        secrets=_secrets(arguments),
        foreach=None if foreach is None else compile_template(foreach),
        max_parallel=step.get("max_parallel", 1),
        branches=tuple(_parse_steps(one, branch_prefix(step_id, n)) for n, one in enumerate(branches)),
    )


def _secrets(arguments: Template) -> tuple[str, ...]:
    paths = (reference.path for reference in arguments.references)
    return tuple(dict.fromkeys(str(path[1]) for path in paths if path[0] == SECRETS and len(path) > 1))
