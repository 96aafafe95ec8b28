"""The meters of one process: prometheus_client's, and what they have counted since the store last heard of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics_core import Metric

from app.domain.exposition import number
from app.domain.metrics import FAMILIES, Family, Labels, Series

_BY_NAME: Mapping[str, Family] = MappingProxyType({family.name.removesuffix("_total"): family for family in FAMILIES})


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What one look at the meters found.

    Attributes:
        deltas: Series -> how much it has grown since the last settlement.
        gauges: Series -> what it shows now.
        seen: What stands from now on, once the deltas are stored.
    """

    deltas: Mapping[Series, float]
    gauges: Mapping[Series, float]
    seen: Mapping[Series, float] = field(repr=False)


class Meters:
    """A registry with the meters somebody asked for; other libraries may add theirs to it."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._meters: dict[str, Counter | Gauge | Histogram] = {}
        self._lock = threading.Lock()
        self._stored: dict[Series, float] = {}

    def counter(self, family: Family) -> Counter:
        """Its counter."""
        meter = self._meter(family)
        assert isinstance(meter, Counter)
        return meter

    def gauge(self, family: Family) -> Gauge:
        """Its gauge."""
        meter = self._meter(family)
        assert isinstance(meter, Gauge)
        return meter

    def histogram(self, family: Family) -> Histogram:
        """Its histogram."""
        meter = self._meter(family)
        assert isinstance(meter, Histogram)
        return meter

    def _meter(self, family: Family) -> Counter | Gauge | Histogram:
        with self._lock:
            if family.name not in self._meters:
                self._meters[family.name] = self._made(family)
            return self._meters[family.name]

    def _made(self, family: Family) -> Counter | Gauge | Histogram:
        if family.kind == "histogram":
            return Histogram(family.name, family.help, family.labels, registry=self.registry, buckets=family.buckets)
        kind = Counter if family.kind == "counter" else Gauge
        return kind(family.name, family.help, family.labels, registry=self.registry)

    def take(self) -> Taken:
        """What there is to store; nothing changes until `settle`."""
        seen: dict[Series, float] = {}
        gauges: dict[Series, float] = {}
        for metric in self.registry.collect():
            family = _BY_NAME.get(metric.name)
            if family is not None:
                (gauges if family.kind == "gauge" else seen).update(_series(family, metric))
        stored = self._stored
        deltas = {series: value - stored.get(series, 0.0) for series, value in seen.items()}
        return Taken(deltas={series: delta for series, delta in deltas.items() if delta}, gauges=gauges, seen=seen)

    def settle(self, taken: Taken) -> None:
        """The deltas are stored."""
        self._stored = dict(taken.seen)


def _series(family: Family, metric: Metric) -> Iterator[tuple[Series, float]]:
    if family.kind == "histogram":
        yield from _histogram(family, metric)
        return
    for sample in metric.samples:
        if sample.name == family.name:
            yield (family.name, _labels(family, sample.labels)), sample.value


def _histogram(family: Family, metric: Metric) -> Iterator[tuple[Series, float]]:
    """Each bucket's own count: prometheus_client gives them from the smallest on, each with all before it."""
    below: dict[Labels, float] = {}
    for sample in metric.samples:
        labels = _labels(family, sample.labels)
        if sample.name == f"{family.name}_bucket":
            count = sample.value - below.get(labels, 0.0)
            below[labels] = sample.value
            bound = number(float(sample.labels["le"]))
            if count:
                yield (sample.name, (*labels, ("le", bound))), count
        elif sample.name == f"{family.name}_sum":
            yield (sample.name, labels), sample.value


def _labels(family: Family, given: Mapping[str, str]) -> Labels:
    return tuple((name, given[name]) for name in family.labels)
