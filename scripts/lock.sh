#!/bin/sh
# Locks what pyproject.toml asks for into requirements.txt and requirements-test.txt: scripts/lock.sh [--upgrade]
set -eu
cd "$(dirname -- "$0")/.."
lock() {
    .venv/bin/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
        --no-header --no-annotate --quiet "$@"
}
lock -o requirements.txt "$@"
lock --extra test -c requirements.txt -o requirements-test.txt "$@"
