"""The application with the extension of the tests, and with whatever else a test writes into its folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.integration.api.conftest import Api, make_settings, serving
from tests.servers import REPOSITORY, Databases

LAB = REPOSITORY / "tests" / "fakes" / "lab"

Serve = Callable[..., Api]


@pytest.fixture
def serve(sqlite_url: str, tmp_path: Path) -> Iterator[Serve]:
    """Makes the application with these paths of extensions, and with these settings."""
    with ExitStack() as stack:

        def make(*paths: Path, **environ: str) -> Api:
            places = ":".join(str(path) for path in paths)
            settings = make_settings(sqlite_url, tmp_path, ORDINAUT_EXT_PATHS=places, **environ)
            return stack.enter_context(serving(settings))

        yield make


@pytest.fixture(scope="module")
def lab(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """One application with the lab for all tests of a module, which leave each other alone."""
    folder = tmp_path_factory.mktemp("lab")
    settings = make_settings(databases.sqlite(folder / "ordinaut.db"), folder, ORDINAUT_EXT_PATHS=str(LAB))
    with serving(settings) as api:
        yield api
