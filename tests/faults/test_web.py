"""A web process that dies in the middle of requests: whoever asks again under the same key gets the same run."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import requests

from tests.faults.stack import PATIENCE, Stack
from tests.faults.test_beats import NOTHING
from tests.servers import wait_for

KEYS = [f"key-{number}" for number in range(120)]


class Asker:
    """Asks for a run under a key until it gets an answer."""

    def __init__(self, stack: Stack, task_id: str) -> None:
        self._stack = stack
        self._task_id = task_id
        self.failures = 0
        self.answered: dict[str, str] = {}

    def ask(self, key: str) -> None:
        """Keep asking; whatever is not 202 or a broken connection is an error."""
        wait_for(lambda: self._asked(key), seconds=PATIENCE, what=f"an answer for {key}")

    def wait_for(self, share: int) -> None:
        """Return when so many keys have their answer."""
        wait_for(lambda: len(self.answered) >= share, seconds=PATIENCE, what=f"{share} of the answers")

    def _asked(self, key: str) -> bool:
        try:
            self.answered[key] = self._stack.run_now(self._task_id, key)
        except requests.RequestException:
            self.failures += 1
            return False
        return True


def test_asking_again_after_the_web_died_gives_one_run_for_each_key(stack: Stack) -> None:
    asker = Asker(stack, stack.task(NOTHING))
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(asker.ask, key) for key in KEYS]
        for share in (10, 40, 80):
            asker.wait_for(share)
            stack.kill("web")
            stack.start("web")
        for one in asked:
            one.result(PATIENCE)
    assert asker.failures > 0
    assert set(asker.answered) == set(KEYS)
    rows = stack.query("SELECT id FROM runs WHERE task_id = ?", asker._task_id)
    assert {run_id for (run_id,) in rows} == set(asker.answered.values())
    assert len(rows) == len(KEYS)
    for run_id in asker.answered.values():
        assert stack.ended(run_id)["status"] == "succeeded"
