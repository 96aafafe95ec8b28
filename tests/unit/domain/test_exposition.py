"""The text that scrapers read, checked by prometheus_client's own parser."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.domain.exposition import exposition, number
from app.domain.metrics import EXTENSION_DURATION, FAMILIES, HTTP_REQUESTS, RUN_DURATION, TASK_EXECUTIONS, Series

ASKED = (("extension", "webui"), ("endpoint", "/ext/webui/"), ("method", "GET"))


def test_the_text_is_written_as_the_founding_document_prints_it() -> None:
    values: dict[Series, float] = {
        (HTTP_REQUESTS.name, (("method", "GET"), ("endpoint", "/health"))): 45,
        (TASK_EXECUTIONS.name, (("status", "success"),)): 123,
        (TASK_EXECUTIONS.name, (("status", "failed"),)): 5,
    }
    assert exposition(values).startswith(
        "# HELP http_requests_total Total number of HTTP requests\n"
        "# TYPE http_requests_total counter\n"
        'http_requests_total{method="GET",endpoint="/health"} 45.0\n'
        "\n"
        "# HELP task_executions_total Total number of task executions\n"
        "# TYPE task_executions_total counter\n"
        'task_executions_total{status="success"} 123.0\n'
        'task_executions_total{status="failed"} 5.0\n'
        'task_executions_total{status="canceled"} 0.0\n'
        "\n"
        "# HELP extension_requests_total Number of extension requests\n"
    )


def test_every_family_is_shown_even_with_nothing_to_show() -> None:
    shown = {family.name: family.type for family in text_string_to_metric_families(exposition({}))}
    assert shown == {family.name.removesuffix("_total"): family.kind for family in FAMILIES}


def test_a_bucket_holds_what_all_smaller_ones_hold_and_old_bounds_are_not_lost() -> None:
    bucket = f"{EXTENSION_DURATION.name}_bucket"
    values: dict[Series, float] = {
        (bucket, (*ASKED, ("le", "0.001"))): 2,
        (bucket, (*ASKED, ("le", "0.3"))): 3,  # a bound of some earlier version: it fits below 0.5
        (bucket, (*ASKED, ("le", "+Inf"))): 1,
        (f"{EXTENSION_DURATION.name}_sum", ASKED): 17.5,
    }
    samples = {
        (sample.name, sample.labels.get("le")): sample.value
        for family in text_string_to_metric_families(exposition(values))
        for sample in family.samples
        if family.name == EXTENSION_DURATION.name
    }
    assert samples[bucket, "0.001"] == samples[bucket, "0.25"] == 2
    assert samples[bucket, "0.5"] == samples[bucket, "10.0"] == 5
    assert samples[bucket, "+Inf"] == samples[f"{EXTENSION_DURATION.name}_count", None] == 6
    assert samples[f"{EXTENSION_DURATION.name}_sum", None] == 17.5


@pytest.mark.parametrize(
    "series",
    [
        # A family that this version does not have.
        ("ordinaut_gone_total", ()),
        # A counter with other labels than today's.
        (HTTP_REQUESTS.name, (("path", "/health"),)),
        # A histogram with other labels than today's.
        (f"{RUN_DURATION.name}_bucket", (("task", "1"), ("le", "0.01"))),
    ],
)
def test_what_another_version_has_counted_is_left_out(series: Series) -> None:
    assert exposition({series: 7}) == exposition({})


def test_label_values_and_help_are_escaped() -> None:
    odd = 'a"b\\c\nd'
    text = exposition({(HTTP_REQUESTS.name, (("method", "GET"), ("endpoint", odd))): 1}, lambda help: f"{help}\\\n")
    assert "# HELP http_requests_total Total number of HTTP requests\\\\\\n\n" in text
    [family] = [one for one in text_string_to_metric_families(text) if one.name == "http_requests"]
    assert family.samples[0].labels["endpoint"] == odd


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (45, "45.0"),
        (0.1, "0.1"),
        (1e21, "1e+21"),
        (float("inf"), "+Inf"),
        (float("-inf"), "-Inf"),
        (float("nan"), "NaN"),
    ],
)
def test_numbers_are_written_as_the_format_wants_them(value: float, text: str) -> None:
    assert number(value) == text
