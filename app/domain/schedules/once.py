"""One moment (ISO 8601), and no moment at all."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from app.domain.schedules import zones
from app.domain.schedules.model import Firing
from app.domain.schedules.refusals import bad_expr, required_text, shown
from app.domain.schedules.shape import Moment
from app.domain.schedules.words_english import in_english
from app.domain.texts import Text, t

_FORM = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,6})?)?(?P<offset>[Zz]|[+-]\d\d(?::?\d\d)?)?\Z",
    re.ASCII,
)
_YEARS = range(1900, 3000)
_HINT = t("write it as 2030-05-17T09:00:00 or, with an offset, 2030-05-17T09:00:00+03:00")


@dataclass(frozen=True, slots=True)
class Once:
    """A single instant. Past instants are allowed here: `next_after` just finds nothing."""

    expr: str
    timezone: str
    firing: Firing
    kind: str = "once"

    def upcoming(self, after: datetime) -> Iterator[Firing]:
        """The instant, if it is still to come."""
        if self.firing.at > after:
            yield self.firing

    def next_after(self, moment: datetime) -> datetime | None:
        """The instant when it lies after `moment`, else None."""
        return self.firing.at if self.firing.at > moment else None

    def describe(self) -> Text:
        """ "Once, on Friday 17 May 2030 at 09:00", by the clocks of the zone."""
        local = Moment(self.firing.at.astimezone(zones.find_zone(self.timezone)).replace(tzinfo=None))
        return Text(in_english(local), "{schedule}", {"schedule": local})


@dataclass(frozen=True, slots=True)
class Manual:
    """Never due by itself; people and programs start it."""

    expr: str
    timezone: str
    kind: str = "manual"

    def upcoming(self, after: datetime) -> Iterator[Firing]:
        """Nothing."""
        return iter(())

    def next_after(self, moment: datetime) -> datetime | None:
        """None."""
        return None

    def describe(self) -> str:
        """One sentence for all manual schedules."""
        return t("Only when started by hand")


def parse_once(expr: str | None, timezone: str) -> Once:
    """Reads an ISO 8601 date and time; without an offset it is a reading of the clocks of `timezone`."""
    zone = zones.find_zone(timezone)
    text = required_text(expr, "2030-05-17T09:00:00")
    form = _FORM.match(text)
    if not form:
        raise bad_expr(t("{text} is not an ISO 8601 date with a time", text=shown(text)), _HINT)
    try:
        moment = datetime.fromisoformat(text.upper().replace(",", "."))
    except ValueError as error:
        raise bad_expr(
            t("{text} is not a date and time that exists: {error}", text=shown(text), error=error), _HINT
        ) from error
    if moment.year not in _YEARS:
        raise bad_expr(t("the year must be {low}-{high}, got {year}", low=_YEARS[0], high=_YEARS[-1], year=moment.year))
    if form["offset"]:
        at = moment.astimezone(UTC)
        return Once(text, timezone, Firing(at, zones.wall_at(zone, at)))
    return Once(text, timezone, Firing(zones.localise(zone, moment), moment))


def parse_manual(expr: str | None, timezone: str) -> Manual:
    """A schedule that is never due; an expression left over from another kind is ignored."""
    zones.find_zone(timezone)
    return Manual((expr or "").strip(), timezone)
