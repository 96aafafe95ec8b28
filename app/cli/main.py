"""The `ordinaut` command. `up` goes its own way: it lives as long as all it starts, so it stays small."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence

from app.cli.exits import FAILED, INTERRUPTED, INVALID, CannotStart
from config.settings import SettingsError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code, one of `app.cli.exits`."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return _run(words)
    except SettingsError as error:
        return _complain(str(error), INVALID)
    except CannotStart as error:
        return _complain(str(error), FAILED)
    except KeyboardInterrupt:
        return INTERRUPTED
    finally:
        # A platform may repeat its SIGTERM, and an interpreter that is ending would die of it: only what is
        # ignored stays so until the last moment.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _run(words: list[str]) -> int:
    if words == ["up"]:
        from app.cli.up import up

        return up()
    from app.cli.group import ordinaut

    result = ordinaut.main(words, prog_name="ordinaut", standalone_mode=False)
    return result if isinstance(result, int) else 0


def _complain(sentence: str, code: int) -> int:
    sys.stderr.write(f"ordinaut: {sentence}\n")
    return code
