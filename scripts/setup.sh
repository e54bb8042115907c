#!/usr/bin/env bash
# Set up the virtual environment $1: the pinned packages, this project, and libsndfile where the system has none.
# An interrupted set-up leaves no .ready, and the next one starts from an empty environment.
set -euo pipefail
venv=$1
unfinished=$venv/.unfinished

usable() { "$1" -c 'import sys, venv; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' >/dev/null 2>&1; }

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        usable "$PYTHON" && echo "$PYTHON" && return
        echo "PYTHON=$PYTHON is not a working Python 3.10, 3.11 or 3.12 with the venv module" >&2
        return 1
    fi
    for candidate in python3 python3.12 python3.11 python3.10 python; do
        usable "$candidate" && echo "$candidate" && return
    done
    echo "no Python 3.10, 3.11 or 3.12 with the venv module found; name one: make env PYTHON=/path/to/python3.12" >&2
    return 1
}

rm -f "$venv/.ready"
if [ -e "$unfinished" ] || ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    python=$(find_python)
    rm -rf "$venv"
    mkdir -p "$venv"
    touch "$unfinished"
    "$python" -m venv "$venv"
fi
touch "$unfinished"
# The project is installed in place, so that changed code needs no new set-up.
"$venv/bin/python" -m pip install --disable-pip-version-check --quiet -c constraints.txt -e '.[demo,evaluator,dev]'
"$venv/bin/python" scripts/link_libsndfile.py
"$venv/bin/lst" --version
touch "$venv/.ready"
rm "$unfinished"
