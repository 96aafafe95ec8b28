"""What every command of the client begins with: the options they share, and the server they talk to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from app.cli.remote.output import Form, Output
from app.cli.remote.servers import chosen

if TYPE_CHECKING:
    from app.cli.remote.connection import Connection, Reply

PAGE = 200
"""The most that the server gives at once."""


class Session:
    """A connection that is made when it is first needed, and how to print what comes back."""

    def __init__(self, output: Output, context: str | None = None) -> None:
        self.output = output
        self._context = context
        self._connection: Connection | None = None

    @property
    def connection(self) -> Connection:
        """To the chosen server."""
        from app.cli.remote.connection import Connection

        if self._connection is None:
            self._connection = Connection(chosen(self._context))
        return self._connection

    def get(self, path: str, query: Mapping[str, Any] | None = None, seconds: float = 30.0) -> Any:
        """The JSON of a GET."""
        from app.cli.remote.connection import Call

        return self.connection.ask(Call(path=path, query=query or {}, seconds=seconds)).body

    def post(self, path: str, body: Any = None, **more: Any) -> Any:
        """The JSON of a POST; `more` as `Call` takes it."""
        from app.cli.remote.connection import Call

        return self.connection.ask(Call(method="POST", path=path, body={} if body is None else body, **more)).body

    def send(self, method: str, path: str, **more: Any) -> Reply:
        """The answer to any other request; `more` as `Call` takes it."""
        from app.cli.remote.connection import Call

        return self.connection.ask(Call(method=method, path=path, **more))

    def pages(self, path: str, query: Mapping[str, Any], limit: int | None) -> tuple[list[dict[str, Any]], int]:
        """The first items of a list, all of them without a limit, and how many there are."""
        found: list[dict[str, Any]] = []
        while True:
            size = PAGE if limit is None else min(PAGE, limit - len(found))
            page = self.get(path, {**query, "limit": size, "offset": len(found)})
            found += page["items"]
            if not page["has_more"] or not page["items"] or (limit is not None and len(found) >= limit):
                return found, max(page["total"], len(found))


def remote(command: Callable[..., int]) -> Callable[..., int]:
    """A command that takes a Session first; gives it `--json`, `-o`, `-q` and `--context`."""

    @click.option("--json", "as_json", is_flag=True, help="Print JSON; the same as -o json.")
    @click.option("-o", "--output", "form", type=click.Choice(["table", "json", "yaml"]), help="How to print.")
    @click.option("-q", "--quiet", is_flag=True, help="Print ids only, or nothing.")
    @click.option("--context", help="The server to talk to, see `ordinaut context`.")
    @wraps(command)
    def begun(*, as_json: bool, form: Form | None, quiet: bool, context: str | None, **options: Any) -> int:
        return command(Session(Output(form or ("json" if as_json else "table"), quiet), context), **options)

    return begun


limited = click.option(
    "--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="How many to show."
)
patient = click.option(
    "--timeout", type=click.FloatRange(0), help="Seconds to wait at most; exit 8 then. Default: for ever."
)
