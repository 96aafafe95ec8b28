"""`ordinaut ext`: making extensions, checking them, and seeing which there are."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from app.cli.exits import FAILED
from app.cli.remote.session import Session, remote

SKELETON = Path(__file__).resolve().parent / "skeleton"
COLUMNS = (("ID", "id"), ("STATE", "state"), ("VERSION", "version"), ("REQUESTS", "requests"), ("ERROR", "error"))


@click.group()
def ext() -> None:
    """Make extensions, check them, and see which there are."""


@ext.command()
@click.argument("extension_id")
@click.option("--into", type=click.Path(file_okay=False, path_type=Path), default=".", help="Where its folder goes.")
def new(extension_id: str, into: Path) -> int:
    """Make a new extension named EXTENSION_ID, with one of everything, and tests."""
    from app.extension_host.manifest import ID_PATTERN, RESERVED

    if not re.fullmatch(ID_PATTERN, extension_id) or extension_id in RESERVED:
        raise click.UsageError("An id has lower-case letters, digits and _, begins with a letter, and is not reserved.")
    folder = into / extension_id
    if folder.exists():
        raise click.UsageError(f"{folder} is there already.")
    for source in sorted(SKELETON.rglob("*")):
        if source.is_file():
            target = folder / source.relative_to(SKELETON).with_name(source.name.removesuffix(".txt"))
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(_filled(source.read_text(encoding="utf-8"), extension_id), encoding="utf-8")
    click.echo(f"{folder} is made. Try it: ordinaut ext check {folder}")
    return 0


def _filled(text: str, extension_id: str) -> str:
    words = extension_id.split("_")
    name = " ".join(word.capitalize() for word in words)
    class_name = "".join(word.capitalize() for word in words)
    for place, value in (("ID", extension_id), ("NAME", name), ("CLASS", class_name)):
        text = text.replace(f"EXTENSION_{place}", value)
    return text


@ext.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def check(path: Path, as_json: bool) -> int:
    """Try the extension at PATH against the whole platform: 0 when it keeps all promises, 1 when not.

    It is imported and its routes are asked; nothing of an installation is touched.
    """
    from app.cli.ext_check import checked

    if not path.exists():
        raise click.UsageError(f"There is no {path.absolute()}: name the folder of an extension, or its single file.")
    findings = checked(path)
    if as_json:
        ok = not any(one.failed for one in findings)
        click.echo(json.dumps({"ok": ok, "findings": [asdict(one) for one in findings]}, ensure_ascii=False))
    else:
        for one in findings:
            click.echo(f"{one.word:<5} {one.name}{': ' + one.text if one.text else ''}")
    return FAILED if any(one.failed for one in findings) else 0


@ext.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON list.")
def list_extensions(as_json: bool) -> int:
    """List the extensions that this installation finds; imports none of them."""
    from app.extension_host.assembly import sources_of
    from app.extension_host.discovery import discover
    from config.settings import load

    records = discover(sources_of(load()))
    rows = [
        {
            "id": record.id,
            "state": record.state.value,
            "version": record.info.version,
            "source": record.source.value,
            "capabilities": sorted(record.allowed),
            "error": record.failure.message if record.failure else None,
        }
        for record in records
    ]
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False))
        return 0
    for record, row in zip(records, rows, strict=True):
        told = row["error"] or ", ".join(sorted(record.allowed)) or "no capabilities"
        click.echo(f"{row['id']:<20} {row['state']:<11} {row['version']:<10} {row['source']:<12} {told}")
    return 0


@ext.command()
@remote
def status(session: Session) -> int:
    """Tell how the extensions of a server are, over HTTP: added up over all of its processes."""
    answer = session.get("/ext/status")
    if session.output.form != "table" and not session.output.quiet:
        session.output.data(answer)
        return 0
    rows = [_row(extension_id, found) for extension_id, found in sorted(answer["extensions"].items())]
    session.output.many(rows, COLUMNS)
    return 0


def _row(extension_id: str, found: dict[str, Any]) -> dict[str, Any]:
    error = found.get("error") or {}
    return {
        "id": extension_id,
        "state": found["state"],
        "version": found["info"]["version"],
        "requests": round(found["metrics"]["requests_total"]),
        "error": error.get("message"),
    }
