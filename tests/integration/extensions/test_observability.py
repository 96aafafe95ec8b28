"""The built-in extension `observability`, as the founding document describes it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.domain.exposition import CONTENT_TYPE
from tests.integration.api.conftest import Api, make_settings, serving
from tests.servers import REPOSITORY, Databases

FOLDER = REPOSITORY / "extensions" / "observability"
METRICS = "/ext/observability/metrics"


@pytest.fixture(scope="module")
def romanian(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """An installation for readers of Romanian."""
    folder = tmp_path_factory.mktemp("romanian")
    url = databases.sqlite(folder / "ordinaut.db")
    with serving(make_settings(url, folder, ORDINAUT_LOCALE="ro")) as api:
        yield api


def test_the_answer_is_prometheus_text(romanian: Api) -> None:
    answer = romanian.send("GET", METRICS, expect=200)
    assert answer.headers["Content-Type"] == CONTENT_TYPE
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert answer.headers["Cache-Control"] == "no-store"


def test_the_sample_of_the_founding_document_comes_out_word_for_word(romanian: Api) -> None:
    romanian.get("/health")
    text = romanian.send("GET", METRICS, expect=200).get_data(as_text=True)
    for lines in (
        "# HELP http_requests_total Numărul total de cereri HTTP\n# TYPE http_requests_total counter\n",
        '\nhttp_requests_total{method="GET",endpoint="/health"} 1.0\n',
        "\n# HELP task_executions_total Numărul total de execuții sarcini\n# TYPE task_executions_total counter\n",
        '\ntask_executions_total{status="success"} 0.0\ntask_executions_total{status="failed"} 0.0\n',
        "\n# HELP extension_requests_total Numărul de cereri extensii\n# TYPE extension_requests_total counter\n",
    ):
        assert lines in text


def test_a_reader_of_english_gets_english(romanian: Api) -> None:
    answer = romanian.send("GET", METRICS, expect=200, headers={"Accept-Language": "en"})
    assert "# HELP http_requests_total Total number of HTTP requests\n" in answer.get_data(as_text=True)


def test_requests_to_it_are_shown_from_the_next_one_on(romanian: Api) -> None:
    own = f'extension_requests_total{{extension="observability",endpoint="{METRICS}",method="GET",status="200"}}'
    romanian.send("GET", METRICS, expect=200)
    before = _value(romanian, own)
    assert _value(romanian, own) == before + 1
    told = romanian.get("/ext/status")["extensions"]["observability"]["metrics"]
    assert told["requests_total"] >= before + 2
    assert told["errors_total"] == 0
    assert told["latency_ms_sum"] > 0


def test_it_is_healthy_while_the_database_answers(romanian: Api) -> None:
    assert romanian.get("/ext/observability/health")["checks"]["metrics"] in {"healthy", "sănătos"}


def test_it_uses_nothing_but_the_public_sdk() -> None:
    imports: set[str] = set()
    for path in FOLDER.rglob("*.py"):
        for node in ast.walk(ast.parse(Path(path).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imports |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imports.add((node.module or "").partition(".")[0])
    assert imports == {"__future__", "collections", "flask", "ordinaut"}


def _value(api: Api, series: str) -> float:
    text = api.send("GET", METRICS, expect=200).get_data(as_text=True)
    [line] = [line for line in text.splitlines() if line.startswith(f"{series} ")]
    return float(line.rpartition(" ")[2])
