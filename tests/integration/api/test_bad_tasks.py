"""Tasks that cannot be: schedules, members and pipelines, each refused at once at the field that is wrong."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tests.integration.api.conftest import Api
from tests.integration.api.refusals import CRON, NUMBERS, SET, SOON, fields_of, nested, refused, steps

SCHEDULES = [
    # days that do not exist
    ("cron", "0 0 30 2 *", "schedule_expr"),
    ("cron", "0 0 31 4,6,9,11 *", "schedule_expr"),
    ("rrule", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "schedule_expr"),
    ("rrule", "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", "schedule_expr"),
    ("rrule", "FREQ=HOURLY;BYMONTH=2;BYMONTHDAY=30", "schedule_expr"),
    # numbers that make no rule
    ("rrule", "FREQ=DAILY;COUNT=0", "schedule_expr"),
    ("rrule", "FREQ=DAILY;INTERVAL=0", "schedule_expr"),
    ("rrule", "FREQ=DAILY;INTERVAL=-1", "schedule_expr"),
    ("rrule", f"FREQ=DAILY;INTERVAL={NUMBERS[:1900]}", "schedule_expr"),
    ("rrule", "FREQ=DAILY;COUNT=5;UNTIL=20300101T000000Z", "schedule_expr"),
    # rules that have ended before they begin
    ("rrule", "FREQ=DAILY;UNTIL=20000101T000000Z", "schedule_expr"),
    ("rrule", "DTSTART:20200101T000000Z\nRRULE:FREQ=DAILY;COUNT=3", "schedule_expr"),
    ("rrule", "FREQ=YEARLY;BYWEEKNO=53;BYMONTH=6", "schedule_expr"),
    # far ones and hot ones
    ("rrule", "FREQ=SECONDLY", "schedule_expr"),
    ("rrule", "DTSTART:00010101T000000Z\nRRULE:FREQ=SECONDLY", "schedule_expr"),
    ("rrule", "DTSTART:99990101T000000Z\nRRULE:FREQ=DAILY", "schedule_expr"),
    ("rrule", "FREQ=MINUTELY;BYMONTH=2;BYMONTHDAY=30;BYHOUR=1;BYMINUTE=1;BYSECOND=1", "schedule_expr"),
    ("rrule", "FREQ=DAILY;BYSETPOS=366", "schedule_expr"),
    ("rrule", "FREQ=DAILY;" + "BYHOUR=" + ",".join(["1"] * 900), "schedule_expr"),
    # not the language
    ("cron", "R R * * *", "schedule_expr"),
    ("cron", "* * * * * * *", "schedule_expr"),
    ("cron", "* *", "schedule_expr"),
    ("cron", "61 * * * *", "schedule_expr"),
    ("cron", "*/0 * * * *", "schedule_expr"),
    ("cron", "5-1 * * * *", "schedule_expr"),
    ("cron", ",".join(["1"] * 990) + " * * * *", "schedule_expr"),
    ("cron", "@reboot", "schedule_expr"),
    ("cron", "   ", "schedule_expr"),
    ("cron", "* * * * *" + "\u0660", "schedule_expr"),
    ("cron", None, "schedule_expr"),
    ("rrule", "", "schedule_expr"),
    ("rrule", "FREQ=", "schedule_expr"),
    ("rrule", "FREQ=DAILY;FREQ=DAILY", "schedule_expr"),
    ("rrule", "RRULE:FREQ=DAILY\nRRULE:FREQ=DAILY", "schedule_expr"),
    ("once", "2020-01-01T00:00:00Z", "schedule_expr"),
    ("once", "tomorrow", "schedule_expr"),
    ("once", "2027-02-30T00:00:00Z", "schedule_expr"),
    ("once", "99999-01-01T00:00:00Z", "schedule_expr"),
    ("manual", "* * * * *", "schedule_expr"),
    ("event", "a..b", "schedule_expr"),
    ("condition", "payload.(", "schedule_expr"),
    ("weekly", "* * * * *", "schedule_kind"),
]


@pytest.mark.parametrize(("kind", "expr", "field"), SCHEDULES)
@pytest.mark.parametrize("path", ["/tasks", "/tasks?preview=true"])
def test_schedules(lasting: Api, path: str, kind: str, expr: str | None, field: str) -> None:
    body = refused(lasting, "POST", path, json={"title": "A task", "schedule_kind": kind, "schedule_expr": expr})
    assert fields_of(body) == {field}


@pytest.mark.parametrize(
    "zone", ["Nowhere/City", "../../etc/passwd", "/etc/localtime", "utc\u0000", "", "a" * 65, "EST5", "."]
)
def test_time_zones(lasting: Api, zone: str) -> None:
    assert fields_of(refused(lasting, "POST", "/tasks", json={**CRON, "timezone": zone})) == {"timezone"}


FIELDS = [
    # true is not 1, and text and fractions are not whole numbers
    *[(name, True) for name in ("priority", "max_retries", "backoff_seconds", "timeout_seconds", "catchup_max")],
    *[(name, True) for name in ("misfire_grace_seconds", "jitter_seconds", "max_runs", "pause_after_failures")],
    ("priority", "5"),
    ("priority", 5.0),
    ("priority", 5.5),
    ("priority", None),
    ("priority", [5]),
    ("priority", {}),
    # out of range, far out too
    ("priority", 0),
    ("priority", 10),
    ("max_retries", -1),
    ("max_retries", 11),
    ("timeout_seconds", 0),
    ("timeout_seconds", 86_401),
    ("backoff_seconds", 3601),
    ("jitter_seconds", -1),
    ("max_runs", 0),
    ("max_runs", 2**63),
    ("pause_after_failures", 10**30),
    ("catchup_max", 10**18),
    # words that are not in the list
    ("overlap", "maybe"),
    ("overlap", "queue"),
    ("misfire", "LAST"),
    ("backoff_strategy", "none"),
    ("status", "completed"),
    ("status", "canceled"),
    ("status", True),
    # wrong kinds
    ("title", 5),
    ("title", None),
    ("title", ""),
    ("title", "   "),
    ("title", "x" * 201),
    ("description", "x" * 2001),
    ("tags", "a"),
    ("tags", ["a", "a"]),
    ("tags", [""]),
    ("tags", [1]),
    ("tags", ["x"] * 21),
    ("payload", []),
    ("payload", "text"),
    ("payload", None),
    # times without an offset, out of the calendar, as numbers
    ("starts_at", "2026-11-24T08:30:00"),
    ("starts_at", "2026-02-30T08:30:00Z"),
    ("starts_at", "2026-11-24T25:00:00Z"),
    ("starts_at", "2026-11-24"),
    ("starts_at", 1_790_000_000),
    ("starts_at", "9999-12-31T23:59:59-14:00"),
    ("starts_at", "0001-01-01T00:00:00+14:00"),
    ("ends_at", "2020-01-01T00:00:00Z"),
    # what nobody knows, and what only the platform sets
    ("colour", "red"),
    ("version", 3),
    ("id", "x"),
    ("next_run", None),
    ("__proto__", {}),
]


@pytest.mark.parametrize(("name", "value"), FIELDS)
def test_fields(lasting: Api, task_id: str, name: str, value: Any) -> None:
    body = refused(lasting, "POST", "/tasks", json={**CRON, name: value})
    assert {one.partition(".")[0] for one in fields_of(body)} == {name}
    if name not in ("status", "ends_at"):
        body = refused(lasting, "PATCH", f"/tasks/{task_id}", json={name: value})
        assert {one.partition(".")[0] for one in fields_of(body)} == {name}


def test_all_problems_at_once(lasting: Api) -> None:
    body = {"title": "", "priority": "x", "schedule_kind": "cron", "schedule_expr": "nonsense", "colour": 1}
    body["payload"] = {"pipeline": [{"uses": "no.such"}, {"id": "a", "uses": "data.set"}]}
    found = fields_of(refused(lasting, "POST", "/tasks", json=body))
    assert {"title", "priority", "schedule_expr", "colour", "payload.pipeline.0.uses"} <= found


PIPELINES = [
    # ids
    (steps({**SET, "id": "a"}, {**SET, "id": "a"}), "payload.pipeline.1.id"),
    (steps({**SET, "id": "1a"}), "payload.pipeline.0.id"),
    (steps({**SET, "id": ""}), "payload.pipeline.0.id"),
    (steps({**SET, "id": 5}), "payload.pipeline.0.id"),
    (steps({**SET, "id": "a\n"}), "payload.pipeline.0.id"),
    (steps({**SET, "id": "a"}, {**SET, "save_as": "a"}), "payload.pipeline.1.save_as"),
    # tools
    (steps({"uses": "no.such"}), "payload.pipeline.0.uses"),
    (steps({"uses": 7}), "payload.pipeline.0.uses"),
    (steps({"uses": ""}), "payload.pipeline.0.uses"),
    (steps({}), "payload.pipeline.0.uses"),
    (steps({"uses": "data.set"}), "payload.pipeline.0.with.value"),
    (steps({"uses": "data.set", "with": {"value": 1, "more": 2}}), "payload.pipeline.0.with.more"),
    (steps({"uses": "http.request", "with": {"url": 5}}), "payload.pipeline.0.with.url"),
    (steps({"uses": "log.write", "with": {"message": "a", "level": "loud"}}), "payload.pipeline.0.with.level"),
    # members
    (steps({**SET, "retries": 3}), "payload.pipeline.0.retries"),
    (steps({**SET, "timeout_seconds": True}), "payload.pipeline.0.timeout_seconds"),
    (steps({**SET, "timeout_seconds": 0}), "payload.pipeline.0.timeout_seconds"),
    (steps({**SET, "max_retries": -1}), "payload.pipeline.0.max_retries"),
    (steps({**SET, "on_error": "ignore"}), "payload.pipeline.0.on_error"),
    (steps({**SET, "if": "steps..x"}), "payload.pipeline.0.if"),
    (steps({**SET, "if": "(" * 400 + "a" + ")" * 400}), "payload.pipeline.0.if"),
    (steps({**SET, "if": "!" * 990}), "payload.pipeline.0.if"),
    (steps("text"), "payload.pipeline.0"),
    (steps(None), "payload.pipeline.0"),
    (steps(*[SET] * 201), "payload.pipeline"),
    # expressions
    (steps({**SET, "with": {"value": "${" + "[@,@]|" * 160 + "@}"}}), "payload.pipeline.0.with.value"),
    (steps({**SET, "with": {"value": "${steps.later}"}}, {**SET, "id": "later"}), "payload.pipeline.0.with.value"),
    (steps({**SET, "with": {"value": "${now+99999999999999999999h}"}}), "payload.pipeline.0.with.value"),
    (steps({**SET, "with": {"value": "${unclosed"}}), "payload.pipeline.0.with.value"),
    (steps({**SET, "with": {"value": "${}"}}), "payload.pipeline.0.with.value"),
    (steps({**SET, "with": {"value": "${no_such(params)}"}}), "payload.pipeline.0.with.value"),
    (steps({**SET, "with": {"value": "${'" + "x" * 1000 + "'}"}}), "payload.pipeline.0.with.value"),
    # sizes
    (steps(SET, text="x" * 262_145), "payload"),
    (steps(SET, number=2**70), "payload.params.number"),
    (steps({**SET, "with": {"value": json.loads(nested(40, "[", "]"))}}), "payload.pipeline"),
]


@pytest.mark.parametrize(("body", "field"), PIPELINES, ids=[str(n) for n in range(len(PIPELINES))])
def test_pipelines(lasting: Api, body: dict[str, Any], field: str) -> None:
    assert field in fields_of(refused(lasting, "POST", "/tasks", json=body))


@pytest.mark.parametrize("number", range(len(PIPELINES)))
def test_the_validator_answers_the_same_pipelines(lasting: Api, number: int) -> None:
    payload = PIPELINES[number][0]["payload"]
    began = time.thread_time()
    answer = lasting.send("POST", "/pipelines/validate", json=payload)
    assert answer.status_code in (200, 400)
    assert time.thread_time() - began < SOON
    if answer.status_code == 200 and PIPELINES[number][1] != "payload":
        report = answer.get_json()
        assert not report["valid"] and report["errors"][0]["message"]
