"""docs/email-and-llm.md, line for line, against an `ordinaut up` with a mail server and a model."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.docs.examples import examples
from tests.docs.instance import Instance
from tests.docs.shell import printed, unlike
from tests.fakes.llm_server import LlmServer, Reply, completion, llm_server
from tests.fakes.smtp_server import Manners, SmtpServer, smtp_server
from tests.servers import REPOSITORY

EXAMPLES = examples(REPOSITORY / "docs" / "email-and-llm.md")
KEY = "sk-canary-0123456789"


@pytest.fixture(scope="module")
def mail() -> Iterator[SmtpServer]:
    with smtp_server(Manners(replies={"RCPT nobody@example.com": "550 5.1.1 no such user"})) as server:
        yield server


@pytest.fixture(scope="module")
def model() -> Iterator[LlmServer]:
    with llm_server() as server:
        server.reply = Reply(completion('{"complaint": true, "about": "tea"}'))
        yield server


@pytest.fixture(scope="module")
def speaking(mail: SmtpServer, model: LlmServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """An installation that knows both."""
    one = Instance.start(
        tmp_path_factory.mktemp("speaking"),
        ORDINAUT_SMTP_URL=f"smtp://127.0.0.1:{mail.port}",
        ORDINAUT_SMTP_FROM="Ordinaut <robot@example.com>",
        ORDINAUT_LLM_BASE_URL=model.url,
        ORDINAUT_LLM_API_KEY=KEY,
        ORDINAUT_LLM_MODEL="tiny",
    )
    yield one
    assert one.stop() == 0, one.lines()


@pytest.fixture(scope="module")
def answers(speaking: Instance, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What each example printed."""
    return printed(EXAMPLES, port=speaking.port, folder=tmp_path_factory.mktemp("page"))


def test_the_page_shows_what_comes_back(answers: list[str]) -> None:
    assert unlike(EXAMPLES, answers) == []


def test_the_message_and_the_question_went_out(answers: list[str], mail: SmtpServer, model: LlmServer) -> None:
    assert len(answers) == 3
    assert [one.recipients for one in mail.received] == [["desk@example.com"]]
    assert [one["headers"]["authorization"] for one in model.asked] == [f"Bearer {KEY}"]


def test_the_key_is_in_no_record(answers: list[str], speaking: Instance) -> None:
    home = speaking.log.parent / "var"
    texts = [file.read_bytes() for file in (speaking.log, *home.glob("*.db*"))]
    assert len(texts) > 1 and not any(KEY.encode() in text for text in texts)
    assert KEY not in "".join(answers)
