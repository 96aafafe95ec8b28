"""Prometheus' text format 0.0.4, families and labels in the order of the catalogue."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping

from app.domain.metrics import FAMILIES, Family, Labels, Series

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def exposition(values: Mapping[Series, float], say: Callable[[str], str] = str) -> str:
    """The whole text: every family of the catalogue, with the samples there are.

    Args:
        values: Series -> value; of a histogram each bucket's own count and the sum, see `Series`.
        say: Translates the lines of help.
    """
    by_name: defaultdict[str, dict[Labels, float]] = defaultdict(dict)
    for (name, labels), value in values.items():
        by_name[name][labels] = value
    return "\n".join("".join(_family(family, by_name, say)) for family in FAMILIES)


def _family(family: Family, by_name: Mapping[str, Mapping[Labels, float]], say: Callable[[str], str]) -> Iterator[str]:
    yield f"# HELP {family.name} {_escaped(say(family.help))}\n"
    yield f"# TYPE {family.name} {family.kind}\n"
    if family.kind == "histogram":
        yield from _histogram(family, by_name)
        return
    known: dict[Labels, float] = {((family.labels[0], word),): 0.0 for word in family.known}
    for labels, value in {**known, **dict(sorted(by_name.get(family.name, {}).items()))}.items():
        if tuple(name for name, _ in labels) == family.labels:
            yield _sample(family.name, labels, value)


def _histogram(family: Family, by_name: Mapping[str, Mapping[Labels, float]]) -> Iterator[str]:
    """Buckets as the format wants them: each holds all that is smaller as well."""
    bounds = (*family.buckets, math.inf)
    counts: dict[Labels, list[float]] = {}
    for labels, value in by_name.get(f"{family.name}_bucket", {}).items():
        *rest, (_, bound) = labels
        if tuple(name for name, _ in rest) == family.labels:
            # A bound of an earlier version counts where its observations fit now.
            at = bisect_left(bounds, float(bound))
            counts.setdefault(tuple(rest), [0.0] * len(bounds))[at] += value
    sums = by_name.get(f"{family.name}_sum", {})
    for labels, row in sorted(counts.items()):
        total = 0.0
        for upper, count in zip(bounds, row, strict=True):
            total += count
            yield _sample(f"{family.name}_bucket", (*labels, ("le", number(upper))), total)
        yield _sample(f"{family.name}_count", labels, total)
        yield _sample(f"{family.name}_sum", labels, sums.get(labels, 0.0))


def _sample(name: str, labels: Iterable[tuple[str, str]], value: float) -> str:
    inside = ",".join(f'{key}="{_quoted(text)}"' for key, text in labels)
    return f"{name}{{{inside}}} {number(value)}\n" if inside else f"{name} {number(value)}\n"


def number(value: float) -> str:
    """A float as the format writes it: `45.0`, `+Inf`."""
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return "NaN" if math.isnan(value) else repr(float(value))


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n")


def _quoted(text: str) -> str:
    return _escaped(text).replace('"', r"\"")
