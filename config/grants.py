"""The settings of standing grants."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from config import parsers
from config.prices import PRICES, ToolPrices
from config.setting import Setting

GRANTS = (
    Setting(
        "ORDINAUT_GRANTS",
        parsers.choice("off", "agents", "all"),
        "off",
        "Whose tasks may run only once somebody has accepted what they do: those of `agents` that are not admin, or "
        "`all`. Set it alike for web and worker. Tasks from before go on without until what they do is changed.",
    ),
    Setting(
        "ORDINAUT_GRANTS_OUTSIDE",
        parsers.choice("fail", "ask"),
        "fail",
        "What a step does that would go beyond its task's grant, unless whoever accepts the grant says otherwise: it "
        "fails, or its run waits until somebody has decided.",
    ),
    Setting(
        "ORDINAUT_GRANT_DAYS",
        parsers.integer(1, 36500),
        "365",
        "How long a grant is good for, unless whoever accepts it says otherwise.",
    ),
    Setting(
        "ORDINAUT_GRANT_CALLS",
        parsers.integer(1, 1_000_000_000),
        "1000",
        "How many calls in a day (UTC) a grant allows, unless whoever accepts it says otherwise.",
    ),
    Setting(
        "ORDINAUT_PRICES",
        PRICES,
        "",
        "What calls of tools cost, in any one currency, for budgets of money: an object such as "
        '`{"llm.complete": {"1000_tokens": 0.4}, "ext.sms.*": {"call": 0.05}}`, or a file that holds one.',
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantSettings:
    """What the table above gives."""

    grants: Literal["off", "agents", "all"]
    grants_outside: Literal["fail", "ask"]
    grant_days: int
    grant_calls: int
    prices: ToolPrices
