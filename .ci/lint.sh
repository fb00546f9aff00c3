#!/bin/sh
# Every check that needs no database server; all of them run, and the names of those that failed come last.
set -u
cd "$(dirname "$0")/.."
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
export DATAPROTECT_HOME="$home"
failed=""

check() {
    name=$1
    shift
    printf '%s\n' "== $name"
    "$@" || failed="$failed $name"
}

python=.venv/bin/python
check ruff $python -m ruff check .
check format $python -m ruff format --check .
check mypy $python -m mypy
check imports .venv/bin/lint-imports
check migrations $python manage.py makemigrations --check --dry-run
check deploy env DEBUG=false $python manage.py check --deploy --fail-level WARNING
if [ -n "$failed" ]; then
    printf '%s\n' "Failed:$failed" >&2
    exit 1
fi
