"""What the tests of the documentation share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.docs.instance import Instance


@pytest.fixture(scope="session")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """One fresh installation for the whole session; it has to stop cleanly."""
    one = Instance.start(tmp_path_factory.mktemp("instance"))
    yield one
    assert one.stop() == 0, one.lines()
