"""A migration that makes a table anew keeps every row that refers to it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config

from app.storage.database import REVISION, Database
from tests.contract.test_database import opened
from tests.fakes.rows import a_task, queued, stored

ROOT = Path(__file__).resolve().parents[2]
WIDER = """
import sqlalchemy as sa
from alembic import op
revision, down_revision, branch_labels, depends_on = "9999", "{revision}", None, None
def upgrade():
    with op.batch_alter_table("tasks") as batch:
        batch.alter_column("title", type_=sa.String(300), existing_nullable=False)
def downgrade():
    pass
"""


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """This test's database."""
    database = opened(database_url)
    yield database
    database.close()


def test_a_batch_migration_deletes_nothing(database: Database, database_url: str, tmp_path: Path) -> None:
    (run_id,) = queued(database.units, stored(database.units, a_task(tags=("kept",))))
    database.close()
    (tmp_path / "wider.py").write_text(WIDER.format(revision=REVISION))
    config = Config()
    config.set_main_option("script_location", str(ROOT / "migrations"))
    config.set_main_option("path_separator", "os")
    config.set_main_option("version_locations", f"{ROOT / 'migrations' / 'versions'}:{tmp_path}")
    config.set_main_option("sqlalchemy.url", database_url.replace("%", "%%"))
    command.upgrade(config, "head")
    wider = opened(database_url)
    with wider.units(read_only=True) as unit:
        assert unit.runs.get(run_id).status == "queued"
    wider.close()
    sys.modules.pop("wider_py", None)
