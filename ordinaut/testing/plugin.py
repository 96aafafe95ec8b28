"""The pytest plugin: `pytest_plugins = ["ordinaut.testing.plugin"]` in a `conftest.py`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from ordinaut.extension import Extension
from ordinaut.testing.harness import Harness


@pytest.fixture
def harness() -> Iterator[Callable[..., Harness]]:
    """Makes harnesses that are set up and started, and shuts them down when the test ends.

    `harness(Greeter(), grants=…, caller=…)` takes what `Harness` takes.
    """
    with ExitStack() as stack:

        def make(extension: Extension, **options: object) -> Harness:
            return stack.enter_context(Harness(extension, **options))  # type: ignore[arg-type]

        yield make
