"""What a process says of itself, and what comes of the reports of all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from app.domain.metrics import FAMILIES, MEMORY, OPEN_FILES, PROCESSES, WORKERS, Family, Report, Series
from app.services.process_usage import ProcessUsage

_BY_NAME: Mapping[str, Family] = MappingProxyType({family.name: family for family in FAMILIES})


def of_this_process(role: str, usage: ProcessUsage, *, node: str) -> dict[Series, float]:
    """That it is alive, and what it takes; any process of a worker tells that its node is alive."""
    labels = (("role", role),)
    gauges: dict[Series, float] = {
        (PROCESSES.name, labels): 1,
        (MEMORY.name, labels): usage.memory_bytes(),
        (OPEN_FILES.name, labels): usage.open_files(),
    }
    if node:
        gauges[WORKERS.name, (("node", node),)] = 1
    return gauges


def lasting(gauges: Mapping[Series, float]) -> dict[Series, float]:
    """Those that count after the process has gone."""
    return {series: value for series, value in gauges.items() if _BY_NAME[series[0]].lasting}


def passing(gauges: Mapping[Series, float]) -> dict[Series, float]:
    """Those that do not: somebody may be waiting to see them change."""
    return {series: value for series, value in gauges.items() if not _BY_NAME[series[0]].lasting}


def combined(reports: Iterable[Report]) -> dict[Series, float]:
    """One value for each gauge, as its family says; strangers' gauges, of another version, are left out."""
    result: dict[Series, float] = {}
    counted: set[Series] = set()
    for report in reports:
        for series, value in report.gauges.items():
            family = _BY_NAME.get(series[0])
            if family is None or not (report.alive or family.lasting):
                continue
            if family.combine == "count":
                counted.add(series)
                continue
            before = result.get(series, 0.0)
            result[series] = max(before, value) if family.combine == "max" else before + value
    for name, _ in counted:
        result[name, ()] = result.get((name, ()), 0.0) + 1
    return result
