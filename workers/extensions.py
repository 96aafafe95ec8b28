"""`python -m workers.extensions`: the process that does one extension's work; the keeper of a worker starts it."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Sequence

from app.bootstrap.work import extension_process
from app.domain.extension_work import Lease
from app.extension_host.work_process import EXIT_CRASHED
from config import logging
from config.settings import load

END_SECONDS = 2.0
"""What may still be done when all is over: metrics are stored, the interpreter ends."""


def main(arguments: Sequence[str]) -> int:
    """Work until told to stop; the exit status, as `app.extension_host.work_process` has them."""
    settings = load()
    logging.configure(settings)
    parent, owner, lease = arguments
    status = EXIT_CRASHED
    try:
        status = extension_process(settings, Lease(**json.loads(lease)), owner=owner, parent=int(parent)).run()
    finally:
        # Threads that hang in foreign code would keep the interpreter for ever.
        end = threading.Timer(END_SECONDS, os._exit, [status])
        end.daemon = True
        end.start()
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
