"""Everything that can be wrong with a pipeline, found before it is saved and all at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any, Protocol

import orjson

from app.domain.conditions import compile_condition
from app.domain.errors import Problem
from app.domain.expressions import Reference, TemplateSyntaxError
from app.domain.pipelines import model
from app.domain.pipelines.arguments import certain_problems, escape_token
from app.domain.pipelines.places import Place, places
from app.domain.pipelines.rules import RULES, kind_of, shown
from app.domain.templates import compile_template
from app.domain.texts import any_of, t


class ToolSchemas(Protocol):
    """What validation asks of the tools."""

    def get_schema(self, name: str) -> Mapping[str, Any] | None:
        """Returns the JSON Schema of a tool's arguments, or None for a tool that does not exist."""
        ...

    def names(self) -> Iterable[str]:
        """Returns the addresses of all tools."""
        ...

    def argument_problems(self, name: str, arguments: Mapping[str, Any]) -> list[Problem]:
        """Checks arguments against the tool's schema; pointers are relative to the arguments."""
        ...


@dataclass(frozen=True, slots=True)
class Report:
    """What validation found: errors forbid the pipeline, warnings do not."""

    errors: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()

    @property
    def valid(self) -> bool:
        """True without errors; `parse_pipeline` then takes the document."""
        return not self.errors


@dataclass(frozen=True, slots=True)
class _Warning(Problem):
    """A problem that does not forbid the pipeline."""


def validate_pipeline(
    document: Any, *, tools: ToolSchemas, params: Mapping[str, Any] | None, at: str = "/pipeline"
) -> Report:
    """Finds all problems of a pipeline.

    Args:
        document: The pipeline as JSON data; anything but a list of steps is reported as well.
        tools: The tools that exist.
        params: The parameters of the task, or None where they are not known yet.
        at: JSON pointer of the pipeline in its document.
    """
    found = list(_pipeline_problems(document, tools, params, at))
    return Report(
        errors=tuple(problem for problem in found if not isinstance(problem, _Warning)),
        warnings=tuple(problem for problem in found if isinstance(problem, _Warning)),
    )


def _pipeline_problems(
    document: Any, tools: ToolSchemas, params: Mapping[str, Any] | None, at: str
) -> Iterator[Problem]:
    if not isinstance(document, list):
        message = t("The pipeline is {kind}, not a list of steps.", kind=kind_of(document))
        yield Problem(at, message, t('Write [{"uses": "…"}].'))
        return
    too_large = list(_size_problems(document, at))
    yield from too_large
    if too_large:
        return
    if not document:
        yield _Warning(at, t("The pipeline has no steps, so its runs do nothing."), t("Add a step."))
    steps = places(document, at, params)
    yield from _count_problems(len(steps), at)
    yield from _name_problems([place for _, place in steps])
    for step, place in steps:
        if isinstance(step, dict):
            yield from _step_problems(step, tools, place)
        else:
            hint = t('Write {"uses": "tool.name", "with": {…}}.')
            yield Problem(
                place.pointer,
                t("Step {number} is {kind}, not an object.", number=place.number, kind=kind_of(step)),
                hint,
            )


def _count_problems(count: int, at: str) -> Iterator[Problem]:
    if count > model.STEPS_LIMIT:
        message = t(
            "The pipeline has {count} steps; at most {limit} are allowed.", count=count, limit=model.STEPS_LIMIT
        )
        yield Problem(at, message, t("Split it into tasks that start each other with tasks.run."))


def _size_problems(document: list[Any], at: str) -> Iterator[Problem]:
    if _is_deeper(document, model.DEPTH_LIMIT):
        message = t("The pipeline is nested deeper than {limit} levels.", limit=model.DEPTH_LIMIT)
        yield Problem(at, message, t("Flatten the arguments, or pass the inner part as text."))
        return
    try:
        size = len(orjson.dumps(document))
    except TypeError as error:
        yield Problem(at, t("The pipeline is not JSON: {error}.", error=error), t("Use plain JSON values only."))
        return
    if size > model.BYTES_LIMIT:
        message = t("The pipeline takes {size} bytes; at most {limit} are allowed.", size=size, limit=model.BYTES_LIMIT)
        yield Problem(at, message, t("Keep large data elsewhere and fetch it in a step."))


def _is_deeper(value: Any, limit: int) -> bool:
    level = [value]
    for _ in range(limit + 1):
        nested = [item for item in level if isinstance(item, (dict, list))]
        if not nested:
            return False
        level = [member for item in nested for member in (item.values() if isinstance(item, dict) else item)]
    return True


def _name_problems(steps: Sequence[Place]) -> Iterator[Problem]:
    """Reports names that are taken: ids first, so that `save_as` yields to an id even further down."""
    owners: dict[str, Place] = {}
    for wanted in ("id", "save_as"):
        for place in steps:
            name = place.named.get(wanted)
            owner = place if name is None else owners.setdefault(name, place)
            if owner is not place:
                message = t(
                    "`{wanted}` of step {number}, `{name}`, is taken by step {owner}.",
                    wanted=wanted,
                    number=place.number,
                    name=name,
                    owner=owner.number,
                )
                yield Problem(f"{place.pointer}/{wanted}", message, t("Give every step names of its own."))


def _step_problems(step: dict[str, Any], tools: ToolSchemas, place: Place) -> Iterator[Problem]:
    for key in step.keys() - RULES.keys():
        near = get_close_matches(str(key), RULES, 1)
        hint = t("Did you mean `{name}`?", name=near[0]) if near else t("Known keys: {names}.", names=", ".join(RULES))
        pointer = f"{place.pointer}/{escape_token(str(key))}"
        yield Problem(pointer, t("`{key}` of {step} is not a known key.", key=key, step=place.label), hint)
    for key, rule in RULES.items():
        if key in step and not rule.holds(step[key]):
            message = t(
                "`{key}` of {step} is {value}, but has to be {wanted}.",
                key=key,
                step=place.label,
                value=shown(step[key]),
                wanted=rule.wanted,
            )
            yield Problem(f"{place.pointer}/{key}", message, rule.hint)
    yield from _retry_warnings(step, place)
    yield from _condition_problems(step.get("if"), place)
    yield from _list_problems(step, place)
    if model.PARALLEL in step:
        yield from _branch_problems(step, place)
        return
    yield from _tool_problems(step, tools, place)


def _branch_problems(step: dict[str, Any], place: Place) -> Iterator[Problem]:
    for key in ("uses", "with"):
        if key in step:
            message = t("`{key}` of {step} cannot stand beside `parallel`.", key=key, step=place.label)
            yield Problem(f"{place.pointer}/{key}", message, t("Put it into a step of a branch."))


def _list_problems(step: dict[str, Any], place: Place) -> Iterator[Problem]:
    """What is wrong with the list that a step goes through, before it is rendered."""
    if "foreach" in step:
        plain = replace(place, roots=place.outer)
        yield from _template_problems(step["foreach"], plain, f"{place.pointer}/foreach")
    elif "max_parallel" in step:
        message = t("`max_parallel` of {step} has no effect without `foreach`.", step=place.label)
        yield _Warning(f"{place.pointer}/max_parallel", message, t("Add `foreach`, or leave it out."))


def _retry_warnings(step: dict[str, Any], place: Place) -> Iterator[Problem]:
    if step.get("max_retries", 0) != 0:
        return
    for key in ("backoff_strategy", "backoff_seconds", "retry_on"):
        if key in step:
            message = t("`{key}` of {step} has no effect, because the step has no retries.", key=key, step=place.label)
            yield _Warning(f"{place.pointer}/{key}", message, t("Set max_retries to 1 or more."))


def _condition_problems(condition: Any, place: Place) -> Iterator[Problem]:
    if not isinstance(condition, (str, bool)):
        return
    at = f"{place.pointer}/if"
    try:
        compiled = compile_condition(condition)
    except TemplateSyntaxError as error:
        yield Problem(
            at, t("The condition of {step} is wrong: {error}", step=place.label, error=error.message), error.hint
        )
        return
    plain = replace(place, roots=place.outer)
    for reference in compiled.references:
        yield from _reference_problems(reference, at, plain)


def _tool_problems(step: dict[str, Any], tools: ToolSchemas, place: Place) -> Iterator[Problem]:
    arguments = step.get("with", {})
    if "uses" not in step:
        hint = t('Name the tool: "uses": "http.request". GET /tools lists all of them.')
        yield Problem(f"{place.pointer}/uses", t("`uses` of {step} is missing.", step=place.label), hint)
    if not isinstance(arguments, dict):
        return
    yield from _template_problems(arguments, place, f"{place.pointer}/with")
    yield from call_problems(step, tools, place)


def call_problems(step: Mapping[str, Any], tools: ToolSchemas, place: Place) -> Iterator[Problem]:
    """Whether there is the tool that a step uses, and what of its arguments cannot be right for it."""
    uses, arguments = step.get("uses"), step.get("with", {})
    schema = tools.get_schema(uses) if isinstance(uses, str) and uses else None
    if schema is not None and isinstance(uses, str):
        for problem in certain_problems(tools.argument_problems(uses, arguments), arguments, schema):
            cure: str = problem.hint or t("See GET /tools/{uses}.", uses=uses)
            yield Problem(f"{place.pointer}/with{problem.pointer}", problem.message, cure)
    elif isinstance(uses, str) and uses:
        yield _unknown_tool(uses, tools, place)


def _unknown_tool(uses: str, tools: ToolSchemas, place: Place) -> Problem:
    near = get_close_matches(uses, sorted(tools.names()), 3)
    hint = t("Did you mean {names}?", names=any_of(near)) if near else t("GET /tools lists all of them.")
    if "${" in uses:
        hint = t("The tool cannot be a template; write its name.")
    return Problem(
        f"{place.pointer}/uses", t("There is no tool `{uses}`, which {step} uses.", uses=uses, step=place.label), hint
    )


def _template_problems(value: Any, place: Place, at: str) -> Iterator[Problem]:
    """Compiles every text by itself, so that one wrong template does not hide the next."""
    for pointer, text in _texts(value, at):
        try:
            template = compile_template(text)
        except TemplateSyntaxError as error:
            yield Problem(
                pointer, t("A template of {step} is wrong: {error}", step=place.label, error=error.message), error.hint
            )
            continue
        for reference in template.references:
            if reference.path[0] == model.SECRETS and at.endswith("/with"):
                yield from _secret_problems(reference, pointer, place)
            else:
                yield from _reference_problems(reference, pointer, place)


def _secret_problems(reference: Reference, at: str, place: Place) -> Iterator[Problem]:
    named = {"expression": reference.expression, "step": place.label}
    if len(reference.path) < 2 or not isinstance(name := reference.path[1], str):
        yield Problem(at, t("`{expression}` of {step} names no secret.", **named), t("Write secrets.NAME."))
    elif reference.expression not in (f"secrets.{name}", f'secrets."{name}"'):
        # Reversed or cut into pieces it would stand unmasked in what is written of the run.
        message = t("`{expression}` of {step} does more with a secret than lend it.", **named)
        yield Problem(at, message, t("Write secrets.NAME."))


def _texts(value: Any, pointer: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield pointer, value
    elif isinstance(value, dict):
        for key, member in value.items():
            yield from _texts(member, f"{pointer}/{escape_token(str(key))}")
    elif isinstance(value, list):
        for position, member in enumerate(value):
            yield from _texts(member, f"{pointer}/{position}")


def _reference_problems(reference: Reference, at: str, place: Place) -> Iterator[Problem]:
    root = reference.path[0]
    named = {"expression": reference.expression, "step": place.label}
    if root == model.SECRETS:
        cure = t("Only the arguments of a step, in `with`, can use secrets.")
        yield Problem(at, t("`{expression}` of {step} uses a secret outside of `with`.", **named), cure)
    elif root not in place.roots:
        hint = _root_hint(str(root), reference, place)
        yield Problem(
            at,
            t("`{expression}` of {step} begins with `{root}`, which is not there to be read.", root=root, **named),
            hint,
        )
    elif root == "steps" and len(reference.path) > 1 and reference.path[1] not in place.earlier:
        name = str(reference.path[1])
        message = t(
            "`{expression}` of {step} refers to a step `{name}`, {which}.",
            name=name,
            which=_which(name, place),
            **named,
        )
        yield Problem(at, message, _step_hint(name, place))
    elif root == "params" and place.params is not None and reference.required:
        missing = _missing_param(reference.path[1:], place.params)
        if missing:
            hint = t("Add it to the params, or write `{expression} || 'default'`.", expression=reference.expression)
            message = t(
                "`{expression}` of {step} needs the parameter `{name}`, which is not given.", name=missing, **named
            )
            yield _Warning(at, message, hint)


def _root_hint(root: str, reference: Reference, place: Place) -> str:
    if root in model.ITEM_NAMES:
        return t("Only `with` of a step with `foreach`, and the steps in its branches, have it.")
    allowed = t("Allowed: {names}.", names=", ".join(place.roots))
    if root in place.earlier:
        return t("Write steps.{root}.", root=root)
    if place.params and root in place.params:
        return t("Write params.{root}.", root=root)
    if f'"{root}"' in reference.expression:
        return t("Text goes in single quotes: '{root}'.", root=root)
    near = get_close_matches(root, place.roots, 1)
    return t("Did you mean {name}? {allowed}", name=near[0], allowed=allowed) if near else allowed


def _which(name: str, place: Place) -> str:
    if name in place.own:
        return t("which is this step itself")
    if _loop_of(name, place):
        return t("which is done for each item of a list")
    return t("which runs later") if name in place.later else t("which does not exist")


def _loop_of(name: str, place: Place) -> str | None:
    """The step around that one whose items have its output, each one of its own; None for those inside."""
    loop = place.looped.get(name)
    return None if loop in place.loops else loop


def _step_hint(name: str, place: Place) -> str:
    if loop := _loop_of(name, place):
        return t("The outputs of all items are in steps.{step}, once that step is done.", step=loop)
    if name in place.later or name in place.own:
        return t("Only outputs of steps further up can be read; move that step up.")
    near = get_close_matches(name, sorted(place.earlier), 1)
    if not place.earlier:
        return t("This is the first step; it can read params, now, task, run and event.")
    known = t("Steps before this one: {names}.", names=", ".join(sorted(place.earlier)))
    return t("Did you mean {name}? {known}", name=near[0], known=known) if near else known


def _missing_param(path: tuple[str | int, ...], params: Mapping[str, Any]) -> str:
    """The shortest beginning of a path that the params do not have, dotted; empty where they have it all."""
    value: Any = params
    for length, key in enumerate(path, 1):
        if not isinstance(value, Mapping) or isinstance(key, int):
            return ""
        if key not in value:
            return ".".join(map(str, path[:length]))
        value = value[key]
    return ""
