"""Every pipeline on the page docs/pipelines.md is valid."""

from __future__ import annotations

import json
import re
from pathlib import Path

from app.domain.pipelines.validate import validate_pipeline
from tests.unit.domain.pipelines.tools import FewTools

PAGE = Path(__file__).parents[4] / "docs" / "pipelines.md"


def test_examples_are_valid() -> None:
    blocks = re.findall(r"```json\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) >= 3
    for block in blocks:
        report = validate_pipeline(json.loads(block), tools=FewTools(), params=None)
        assert (report.errors, report.warnings) == ((), ()), block
