"""Writes docs/settings.md, the reference of every setting, from the table itself.

Run `python -m scripts.render_settings_doc` after changing a setting; a test fails while the page is behind.
"""

from __future__ import annotations

from pathlib import Path

from config.settings import SETTINGS, Setting

PAGE = Path(__file__).resolve().parent.parent / "docs" / "settings.md"

_INTRO = """# Settings

<!-- Made by scripts/render_settings_doc.py from config/settings.py; change the table, then run it. -->

Ordinaut is configured by environment variables alone; every one of them is listed here. An empty variable
counts as unset. A value that cannot be used stops the start with exit code 6 and a sentence that names the
variable and the cure. An `ORDINAUT_*` variable that is not listed is ignored, with a warning that names the
nearest one.

Secrets may come from a file instead: `DATABASE_URL_FILE=/run/secrets/database` reads the value from that
file. `ordinaut doctor` shows every value, with secrets masked, and where it came from.

| Variable | Kind | Default |
|---|---|---|
"""


def render() -> str:
    """The whole page."""
    rows = "".join(
        f"| [`{setting.name}`](#{setting.name.lower()}) | {setting.parser.kind} | {_default(setting)} |\n"
        for setting in SETTINGS
    )
    return _INTRO + rows + "".join(_section(setting) for setting in SETTINGS)


def _default(setting: Setting) -> str:
    return setting.default_text or "none"


def _section(setting: Setting) -> str:
    file = f" May come from the file that `{setting.name}_FILE` names." if setting.secret else ""
    takes = f"Takes {setting.parser.cure}." if setting.parser.cure != setting.parser.kind else ""
    return f"\n## {setting.name}\n\n{setting.help}{file}\n\nDefault: {_default(setting)}. {takes}".rstrip() + "\n"


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
