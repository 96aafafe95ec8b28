# Sourced by bin/up, bin/test and bin/check: makes .venv hold exactly what a requirements file locks.
# shellcheck shell=sh

say() { printf '%s\n' "$*" >&2; }

find_python() {
    for name in "${PYTHON:-}" python3.14 python3.13 python3.12 python3.11 python3 python; do
        if [ -n "$name" ] && "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$name"
            return
        fi
    done
    say "Ordinaut needs Python 3.11 or newer. Install it, or set PYTHON to its path."
    return 1
}

make_venv() {
    python=$(find_python) || return 1
    say "Making the environment in $1/.venv …"
    if ! "$python" -m venv --clear "$1/.venv"; then
        say "Python's venv module does not work here; on Debian and Ubuntu it is the package python3-venv."
        return 1
    fi
}

# uv installs in a second what takes pip a quarter of a minute; pip is there when uv cannot be had.
install() {
    if [ ! -x "$1/.venv/bin/uv" ]; then
        "$1/.venv/bin/python" -m pip install --quiet --disable-pip-version-check uv 2>/dev/null || true
    fi
    if [ -x "$1/.venv/bin/uv" ]; then
        "$1/.venv/bin/uv" pip install --quiet --python "$1/.venv/bin/python" --require-hashes -r "$1/$2" && return
    fi
    "$1/.venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$1/$2"
}

# prepare ROOT FILE: the second time, it only compares the file with what it noted the first time.
prepare() {
    stamp="$1/.venv/.ordinaut-$2"
    if ! "$1/.venv/bin/python" -c '' 2>/dev/null; then
        make_venv "$1" || return 1
    fi
    if ! cmp -s "$1/$2" "$stamp"; then
        say "Installing $2 …"
        install "$1" "$2" || { say "The installation failed; the lines above say why."; return 1; }
        cp "$1/$2" "$stamp"
    fi
}
