"""Trying an extension without the platform: everything it is handed lives in memory.

    from ordinaut.testing import Harness

    def test_it_greets():
        with Harness(Greeter()) as harness:
            assert harness.client.get("/ext/greeter/").json == {"text": "Salut"}
            assert harness.call("hello", name="Ana") == {"text": "Salut, Ana"}

`pytest_plugins = ["ordinaut.testing.plugin"]` in a `conftest.py` gives tests the fixture `harness`, which makes them.
"""

from ordinaut.testing.harness import Harness
from ordinaut.testing.sockets import FakeSocket

__all__ = ["FakeSocket", "Harness"]
