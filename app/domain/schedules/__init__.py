"""When tasks are due: cron, recurrence rules, one moment, or never by themselves.

Pure: text and moments in, moments and words out. The rule for clock changes is in `zones`.
"""

from app.domain.schedules.model import Firing, Occurrence, Schedule
from app.domain.schedules.parsing import parse
from app.domain.schedules.preview import preview

__all__ = ["Firing", "Occurrence", "Schedule", "parse", "preview"]
