"""docs/email-and-llm.md, line for line, against an `ordinaut up` with a mail server and a model."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.examples import Example, differences, examples
from tests.docs.instance import Instance
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
    """What each example printed; they run in one shell."""
    folder = tmp_path_factory.mktemp("page")
    files = [folder / f"{number}.txt" for number in range(len(EXAMPLES))]
    script = "".join(f"exec >'{file}' 2>&1\n{example.command}" for file, example in zip(files, EXAMPLES, strict=True))
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    done = subprocess.run(
        ["/bin/sh", "-c", script.replace("8080", str(speaking.port))],
        env={"PATH": path, "HOME": str(folder)},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [file.read_text(encoding="utf-8") for file in files]


@pytest.mark.parametrize(
    ("number", "example"), list(enumerate(EXAMPLES)), ids=[example.command.splitlines()[0][:60] for example in EXAMPLES]
)
def test_the_page_shows_what_comes_back(answers: list[str], number: int, example: Example) -> None:
    if example.shown is None:
        assert not answers[number], "it prints something that the page does not show"
    else:
        assert differences(example.shown, answers[number]) == [], answers[number]


def test_the_message_and_the_question_went_out(answers: list[str], mail: SmtpServer, model: LlmServer) -> None:
    assert len(answers) == 3
    assert [one.recipients for one in mail.received] == [["desk@example.com"]]
    assert [one["headers"]["authorization"] for one in model.asked] == [f"Bearer {KEY}"]


def test_the_key_is_in_no_record(answers: list[str], speaking: Instance) -> None:
    home = speaking.log.parent / "var"
    texts = [file.read_bytes() for file in (speaking.log, *home.glob("*.db*"))]
    assert len(texts) > 1 and not any(KEY.encode() in text for text in texts)
    assert KEY not in "".join(answers)
