"""docs/tools.md says what the registry says."""

from __future__ import annotations

from scripts.render_tools_doc import PAGE, render


def test_the_reference_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == render(), "run `python -m scripts.render_tools_doc`"
