"""Where the steps of a pipeline stand, those in branches too, and what each may refer to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from app.domain.pipelines import model
from app.domain.texts import Text, t


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a step stands and what it may refer to.

    Attributes:
        number: Counted from 1; in a branch `2.1.3`: the third step in the first branch of step 2.
        named: The names under which its output is found, each by the key that gives it.
        earlier: Names of outputs that are there when it begins.
        later: All other names, but its own.
        roots: What expressions in `with` may begin with.
    """

    pointer: str
    number: str
    label: Text
    named: Mapping[str, str]
    earlier: frozenset[str]
    later: frozenset[str]
    roots: tuple[str, ...]
    params: Mapping[str, Any] | None

    @property
    def own(self) -> frozenset[str]:
        """Its names."""
        return frozenset(self.named.values())


@dataclass(frozen=True, slots=True)
class _Spot:
    step: Any
    pointer: str
    number: str
    named: Mapping[str, str]
    earlier: frozenset[str]


def places(document: list[Any], at: str, params: Mapping[str, Any] | None) -> list[tuple[Any, Place]]:
    """Every step, whatever it is, with its place."""
    spots: list[_Spot] = []
    names = _walk(document, _Line(at, "", "", frozenset()), spots)
    return [(spot.step, _place(spot, names, params)) for spot in spots]


@dataclass(frozen=True, slots=True)
class _Line:
    """A list of steps: where it is, what ids and numbers in it begin with, and what was before."""

    at: str
    within: str
    numbers: str
    earlier: frozenset[str]


def _walk(document: list[Any], line: _Line, spots: list[_Spot]) -> frozenset[str]:
    """Adds the steps of a list; the names they give."""
    given: frozenset[str] = frozenset()
    for position, step in enumerate(document):
        pointer, number = f"{line.at}/{position}", f"{line.numbers}{position + 1}"
        named = _named(step, model.default_id(position, line.within))
        earlier = line.earlier | given
        spots.append(_Spot(step, pointer, number, named, earlier))
        given |= frozenset(named.values())
        for branch, inner in _branches(step):
            within = model.branch_prefix(named.get("id", ""), branch)
            place = _Line(f"{pointer}/{model.PARALLEL}/{branch}", within, f"{number}.{branch + 1}.", earlier)
            given |= _walk(inner, place, spots)
    return given


def _branches(step: Any) -> Iterator[tuple[int, list[Any]]]:
    branches = step.get(model.PARALLEL) if isinstance(step, dict) else None
    for number, branch in enumerate(branches if isinstance(branches, list) else ()):
        if isinstance(branch, list):
            yield number, branch


def _named(step: Any, default: str) -> dict[str, str]:
    if not isinstance(step, dict):
        return {}
    given = {"id": step.get("id", default), "save_as": step.get("save_as")}
    return {key: name for key, name in given.items() if isinstance(name, str)}


def _place(spot: _Spot, names: frozenset[str], params: Mapping[str, Any] | None) -> Place:
    given = spot.step.get("id") if isinstance(spot.step, dict) else None
    label = (
        t("step {number} ({given})", number=spot.number, given=given)
        if isinstance(given, str)
        else t("step {number}", number=spot.number)
    )
    each = isinstance(spot.step, dict) and "foreach" in spot.step
    return Place(
        pointer=spot.pointer,
        number=spot.number,
        label=label,
        named=spot.named,
        earlier=spot.earlier,
        later=names - spot.earlier - frozenset(spot.named.values()),
        roots=(*model.SCOPE_NAMES, *model.ITEM_NAMES) if each else model.SCOPE_NAMES,
        params=params,
    )
