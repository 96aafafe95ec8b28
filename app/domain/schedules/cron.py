"""Cron schedules: cronsim finds the clock readings, `clockwork` turns them into instants.

cronsim works on naive readings only. Its own handling of clock changes leaves six fields alone, treats
`* 3 * * *` as elapsed time, and steps by real hours across shifts that are not whole hours.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from app.domain.schedules import clockwork, zones
from app.domain.schedules.cron_grammar import CronFields, read_cron
from app.domain.schedules.model import Firing
from app.domain.schedules.refusals import bad_cron, required_text
from app.domain.schedules.words_cron import cron_in_words
from app.domain.texts import t

# Any date will do: whether cron fields can match at all does not depend on where one starts to look.
_SOME_DAY = datetime(2000, 1, 1)  # noqa: DTZ001 - a clock reading
_LAST_READING = datetime(9900, 1, 1)  # noqa: DTZ001 - a clock reading


class CronSchedule:
    """The times a cron expression matches, by the clocks of one zone. Immutable."""

    kind = "cron"

    def __init__(self, *, expr: str, zone: ZoneInfo, fields: CronFields, sim: CronSim) -> None:
        self.expr = expr
        self.timezone = zone.key
        self._zone = zone
        self._fields = fields
        self._sim = sim

    def upcoming(self, after: datetime) -> Iterator[Firing]:
        """Firings strictly after `after`: fixed hours by the clock, `*` and open steps by elapsed time."""
        start = zones.within_reach(after)
        if start is None:
            return iter(())
        if self._fields.elapsed:
            return clockwork.elapsed_time(self._zone, self._steady_readings, start)
        return clockwork.fixed_clock(self._zone, self._readings, start)

    def next_after(self, moment: datetime) -> datetime | None:
        """The first firing strictly after `moment`, in UTC."""
        firing = next(self.upcoming(moment), None)
        return firing.at if firing else None

    def describe(self) -> str:
        """ "Monday to Friday at 08:30", or cronsim's own wording for rare shapes."""
        return cron_in_words(self._fields)

    def _readings(self, after: datetime) -> Iterator[datetime]:
        if after >= _LAST_READING:
            return iter(())
        # A copy is a tenth of the price of parsing the expression again.
        sim = copy.copy(self._sim)
        sim.dt = after.replace(microsecond=0)
        return iter(sim)

    def _steady_readings(self, _offset: timedelta, after: datetime) -> Iterator[datetime]:
        return self._readings(after)


def parse_cron(expr: str | None, timezone: str) -> CronSchedule:
    """Reads five or six fields or a macro; raises `ScheduleInvalid`, also when nothing can ever match."""
    zone = zones.find_zone(timezone)
    text = required_text(expr, "30 8 * * MON-FRI")
    fields = read_cron(text)
    try:
        sim = CronSim(fields.text, _SOME_DAY)
    except CronSimError as error:
        raise _never(error) from error
    if next(iter(copy.copy(sim)), None) is None:
        raise _never(None)
    return CronSchedule(expr=text, zone=zone, fields=fields, sim=sim)


def _never(error: CronSimError | None) -> Exception:
    reason = str(error) if error else ""
    if reason in ("", "Bad day-of-month"):
        return bad_cron(
            t("no date matches this schedule: it would never fire"), t("check the day of month and the month")
        )
    return bad_cron(t("the cron expression is not valid: {reason}", reason=reason))
