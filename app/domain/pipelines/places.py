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
        outer: What those in `if` and `foreach` may begin with: they are asked before the step has items of its own.
        loops: The steps with `foreach` whose branches it is in, the outermost first.
        looped: Names that only those in the same branches know, each with the step that has these branches.
    """

    pointer: str
    number: str
    label: Text
    named: Mapping[str, str]
    earlier: frozenset[str]
    later: frozenset[str]
    roots: tuple[str, ...]
    outer: tuple[str, ...]
    loops: tuple[str, ...]
    looped: Mapping[str, str]
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
    loops: tuple[str, ...]


def places(document: list[Any], at: str, params: Mapping[str, Any] | None) -> list[tuple[Any, Place]]:
    """Every step, whatever it is, with its place."""
    spots: list[_Spot] = []
    _walk(document, _Line(at, "", "", frozenset(), ()), spots)
    names = _Names(
        frozenset(name for spot in spots for name in spot.named.values()),
        {name: spot.loops[0] for spot in spots if spot.loops for name in spot.named.values()},
    )
    return [(spot.step, _place(spot, names, params)) for spot in spots]


@dataclass(frozen=True, slots=True)
class _Names:
    every: frozenset[str]
    looped: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Line:
    """A list of steps: where it is, what ids and numbers in it begin with, what was before, and what goes round it."""

    at: str
    within: str
    numbers: str
    earlier: frozenset[str]
    loops: tuple[str, ...]


def _walk(document: list[Any], line: _Line, spots: list[_Spot]) -> frozenset[str]:
    """Adds the steps of a list; the names they give to those after it."""
    given: frozenset[str] = frozenset()
    for position, step in enumerate(document):
        pointer, number = f"{line.at}/{position}", f"{line.numbers}{position + 1}"
        named = _named(step, model.default_id(position, line.within))
        earlier = line.earlier | given
        spots.append(_Spot(step, pointer, number, named, earlier, line.loops))
        given |= frozenset(named.values())
        loops = (*line.loops, named.get("id", "")) if _goes_through_list(step) else line.loops
        for branch, inner in _branches(step):
            within = model.branch_prefix(named.get("id", ""), branch)
            place = _Line(f"{pointer}/{model.PARALLEL}/{branch}", within, f"{number}.{branch + 1}.", earlier, loops)
            inside = _walk(inner, place, spots)
            # Of a branch that is run for each item there are many outputs under each name: its list has them all.
            given |= frozenset() if loops != line.loops else inside
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


def _goes_through_list(step: Any) -> bool:
    return isinstance(step, dict) and "foreach" in step


def _place(spot: _Spot, names: _Names, params: Mapping[str, Any] | None) -> Place:
    given = spot.step.get("id") if isinstance(spot.step, dict) else None
    label = (
        t("step {number} ({given})", number=spot.number, given=given)
        if isinstance(given, str)
        else t("step {number}", number=spot.number)
    )
    with_items = (*model.SCOPE_NAMES, *model.ITEM_NAMES)
    outer = with_items if spot.loops else model.SCOPE_NAMES
    return Place(
        pointer=spot.pointer,
        number=spot.number,
        label=label,
        named=spot.named,
        earlier=spot.earlier,
        later=names.every - spot.earlier - frozenset(spot.named.values()),
        roots=with_items if _goes_through_list(spot.step) else outer,
        outer=outer,
        loops=spot.loops,
        looped=names.looped,
        params=params,
    )
