"""What commands print: tables for people, JSON and YAML for programs, or as little as can be."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import click

from app.cli.remote.plain import one_line, plain
from config.settings import environment

Form = Literal["table", "json", "yaml"]
Column = tuple[str, str]
"""A heading, and the member shown under it."""
_COLOURS: Mapping[str, str] = {
    **dict.fromkeys(("succeeded", "active", "loaded", "healthy"), "green"),
    **dict.fromkeys(("failed", "unhealthy"), "red"),
    **dict.fromkeys(("queued", "running", "waiting", "leased"), "cyan"),
    **dict.fromkeys(("paused", "canceled", "completed", "skipped", "disabled"), "yellow"),
}


@dataclass(frozen=True, slots=True)
class Output:
    """Where answers go. With `quiet` lists are ids, one a line, and what was done is not told."""

    form: Form = "table"
    quiet: bool = False

    def one(self, thing: Mapping[str, Any], *, key: str = "id") -> None:
        """One thing with all its members."""
        if self.quiet:
            click.echo(plain(str(thing.get(key, ""))))
        elif self.form == "table":
            width = max(map(len, thing), default=0)
            for name, value in thing.items():
                click.echo(f"{name:{width}}  {_shown(value)}".rstrip())
        else:
            self.data(thing)

    def many(self, things: Sequence[Mapping[str, Any]], columns: Sequence[Column], *, total: int | None = None) -> None:
        """A list; where there are more than `total` of them than are shown, people are told."""
        if self.quiet:
            for thing in things:
                click.echo(plain(str(thing.get(columns[0][1], ""))))
        elif self.form == "table":
            _table(things, columns)
            if total is not None and total > len(things):
                click.echo(f"{len(things)} of {total}; --limit {total} shows all", err=True)
        else:
            self.data({"items": list(things), **({} if total is None else {"total": total})})

    def done(self, answer: Mapping[str, Any], sentence: str) -> None:
        """Something was done: a sentence for people, the answer for programs."""
        if self.quiet:
            return
        if self.form == "table":
            click.echo(plain(sentence))
        else:
            self.data(answer)

    def piece(self, thing: Mapping[str, Any], line: str) -> None:
        """One of a stream: a line for people, one JSON object a line for programs, YAML documents."""
        if self.form == "table":
            click.echo(line)
        elif self.form == "json":
            click.echo(json.dumps(thing, ensure_ascii=False))
        else:
            click.echo("---")
            self.data(thing)
        sys.stdout.flush()

    def data(self, value: Any) -> None:
        """A value for programs."""
        if self.form == "yaml":
            from app.cli.remote.yaml_text import dump

            click.echo(dump(value), nl=False)
        else:
            click.echo(json.dumps(value, ensure_ascii=False, indent=2))


def coloured(text: str, colour: str | None) -> str:
    """The text in a colour, unless NO_COLOR (no-color.org) is set; click leaves it out where no terminal reads."""
    return click.style(text, fg=colour) if colour and not environment().get("NO_COLOR") else text


def _table(things: Sequence[Mapping[str, Any]], columns: Sequence[Column]) -> None:
    rows = [[_shown(thing.get(name)) for _, name in columns] for thing in things]
    widths = [max(map(len, column)) for column in zip([heading for heading, _ in columns], *rows, strict=True)]
    click.echo(_row([heading for heading, _ in columns], widths))
    for row in rows:
        click.echo(_row(row, widths))


def _row(cells: Iterable[str], widths: Iterable[int]) -> str:
    padded = [(cell, " " * (width - len(cell))) for cell, width in zip(cells, widths, strict=True)]
    return "  ".join(coloured(cell, _COLOURS.get(cell)) + space for cell, space in padded).rstrip()


def _shown(value: Any) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case list() if all(isinstance(one, str) for one in value):
            return one_line(",".join(value)) or "-"
        case list() | dict():
            return one_line(json.dumps(value, ensure_ascii=False))
        case _:
            return one_line(str(value))
