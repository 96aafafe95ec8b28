"""What a pipeline is: steps in order, with their arguments and conditions compiled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from app.domain.conditions import Condition, compile_condition
from app.domain.templates import Template, compile_template

BackoffStrategy = Literal["exponential_jitter", "linear", "fixed"]
OnError = Literal["fail", "continue"]

BACKOFF_STRATEGIES: Final[tuple[BackoffStrategy, ...]] = ("exponential_jitter", "linear", "fixed")
ON_ERROR: Final[tuple[OnError, ...]] = ("fail", "continue")
SCOPE_NAMES: Final = ("params", "steps", "now", "task", "run", "event")
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

DEFAULT_TIMEOUT: Final = 30.0
DEFAULT_BACKOFF: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a pipeline.

    Attributes:
        id: Unique in the pipeline; its output is at `steps.<id>`.
        uses: Address of the tool.
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
    secrets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """Steps in the order in which they run."""

    steps: tuple[Step, ...]


def default_id(position: int) -> str:
    """The id of a step that has none, by its position counted from 0: `step_1` is the first."""
    return f"step_{position + 1}"


def parse_pipeline(document: Sequence[Mapping[str, Any]]) -> Pipeline:
    """Compiles a pipeline that `validate_pipeline` has found to be without errors.

    Raises:
        TemplateSyntaxError: A template or a condition is wrong after all.
        KeyError: A step has no `uses`.
    """
    return Pipeline(steps=tuple(_parse_step(step, position) for position, step in enumerate(document)))


def _parse_step(step: Mapping[str, Any], position: int) -> Step:
    condition = step.get("if")
    arguments = compile_template(step.get("with", {}))
    return Step(
        id=step.get("id", default_id(position)),
        uses=step["uses"],
        arguments=arguments,
        condition=None if condition is None else compile_condition(condition),
        save_as=step.get("save_as"),
        timeout_seconds=float(step.get("timeout_seconds", DEFAULT_TIMEOUT)),
        max_retries=step.get("max_retries", 0),
        backoff_strategy=step.get("backoff_strategy", "exponential_jitter"),
        backoff_seconds=float(step.get("backoff_seconds", DEFAULT_BACKOFF)),
        retry_on=tuple(step.get("retry_on", ())),
        on_error=step.get("on_error", "fail"),
        secrets=_secrets(arguments),
    )


def _secrets(arguments: Template) -> tuple[str, ...]:
    paths = (reference.path for reference in arguments.references)
    return tuple(dict.fromkeys(str(path[1]) for path in paths if path[0] == SECRETS and len(path) > 1))
