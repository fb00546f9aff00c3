#!/bin/sh
# Resolve pyproject.toml into requirements.txt and tests/requirements.txt: exact versions, hashes, no index address.
set -eu
cd "$(dirname "$0")/.."
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
python3 -m venv "$tools"
"$tools/bin/python" -m pip install --disable-pip-version-check -q uv

lock() {
    "$tools/bin/uv" pip compile -q --upgrade --python-version 3.11 --generate-hashes --no-header \
        --no-emit-index-url --no-emit-find-links "$@"
}

lock pyproject.toml -o requirements.txt
lock --group pyproject.toml:test -c requirements.txt -o tests/requirements.txt
