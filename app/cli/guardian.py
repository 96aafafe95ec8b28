"""The guardian: a small process that ends everything when the supervisor itself is killed.

It reads a pipe from the supervisor. Whatever ends the supervisor, kill -9 included, closes that pipe; the
guardian then stops the process groups it was told of. A shell script, as it only waits: 1 MB, no interpreter.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

_SCRIPT = r"""
trap '' HUP INT TERM
first= last=
alive() { for group in $1; do kill -s 0 -- "-$group" 2>/dev/null && return 0; done; return 1; }
signal() { for group in $2; do kill -s "$1" -- "-$group" 2>/dev/null; done; }
wait_for() { left=$2; while alive "$1" && [ "$left" -gt 0 ]; do sleep 1; left=$((left - 1)); done; }
without() { kept=; for group in $1; do [ "$group" = "$2" ] || kept="$kept $group"; done; echo "$kept"; }
while read -r word group; do
    case $word in
        first) first="$first $group" ;;
        last) last="$last $group" ;;
        forget) first=$(without "$first" "$group") last=$(without "$last" "$group") ;;
        done) exit 0 ;;
    esac
done
for groups in "$first" "$last"; do
    signal TERM "$groups"; wait_for "$groups" "$0"; signal KILL "$groups"
done
"""


class Guardian:
    """A running guardian. `grace` is what each of the two waves may take to end, in seconds."""

    def __init__(self, *, grace: int, keep_open: Sequence[int] = ()) -> None:
        # The lock file's descriptor in `keep_open` stays locked until the guardian is through as well.
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", _SCRIPT, str(grace)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            pass_fds=keep_open,
            start_new_session=True,
        )

    def watch(self, group: int, *, last: bool = False) -> None:
        """End this process group too; the `last` ones when the others are gone."""
        self._say(f"{'last' if last else 'first'} {group}\n")

    def forget(self, group: int) -> None:
        """This group has ended; its number may come to belong to somebody else."""
        self._say(f"forget {group}\n")

    def dismiss(self) -> None:
        """Everything has ended: the guardian goes as well."""
        self._say("done\n")
        if self._process.stdin:
            self._process.stdin.close()
        self._process.wait()

    def _say(self, line: str) -> None:
        if self._process.stdin is None:
            return
        try:
            self._process.stdin.write(line.encode())
            self._process.stdin.flush()
        except BrokenPipeError:
            # Somebody killed it. The supervisor still stops everything by itself.
            self._process.stdin = None
