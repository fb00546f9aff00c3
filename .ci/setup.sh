#!/bin/sh
# Make this checkout runnable: Debian packages where they are missing, and a .venv from the locked requirements.
# Usage: .ci/setup.sh [test|bench]      A second run that finds everything in place takes well under a second.
set -eu
cd "$(dirname "$0")/.."
purpose=${1:-run}

packages="postgresql-15 postgresql-client-15 libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 fonts-dejavu-core
          unixodbc util-linux"
locks="requirements.txt"
case $purpose in
run) ;;
test) packages="$packages redis-server chromium poppler-utils zstd openssl" ;;
bench) packages="$packages pgbackrest zstd openssl" ;;
*) echo "usage: $0 [test|bench]" >&2; exit 2 ;;
esac
[ "$purpose" = run ] || locks="$locks tests/requirements.txt"
compiler=""
command -v cc >/dev/null || compiler="gcc libc6-dev"

say() { printf '%s\n' "$*" >&2; }

missing_packages() {
    for package in $packages; do
        state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
        [ "$state" = installed ] || printf '%s ' "$package"
    done
}

# The person who reads this gets one command to run, and the reason.
ask_for_packages() {
    say ""
    say "DataProtect needs these system packages, and this account may not install them: $1"
    say "They are the PostgreSQL server and its tools, the text layout that reports are drawn with, fonts, and where"
    say "there is none a C compiler for the one loop that Python is too slow for."
    say "Have somebody with administrator rights run this one command, then run make again:"
    say ""
    say "    $2"
    exit 1
}

install_packages() {
    if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
        [ -x /usr/lib/postgresql/15/bin/initdb ] && return
        ask_for_packages "$(echo $packages)" "install PostgreSQL 15 and Pango with this system's own package tool (there is no apt here)"
    fi
    missing=$(missing_packages)
    wanted="$missing$compiler"
    wanted=${wanted% }
    [ -n "$wanted" ] || return 0
    # shellcheck disable=SC2086
    if [ "$(id -u)" = 0 ]; then
        say "Installing system packages: $wanted"
        quietly .ci/packages.sh $wanted
    elif command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
        say "Installing system packages with sudo: $wanted"
        sudo "$PWD/.ci/packages.sh" $wanted || ask_for_packages "$wanted" "sudo $PWD/.ci/packages.sh $wanted"
    elif [ -n "$missing" ]; then
        ask_for_packages "$wanted" "sudo $PWD/.ci/packages.sh $wanted"
    fi
}

# Runs a chatty command; shows what it said only when it failed.
quietly() {
    log=$(mktemp)
    if "$@" >"$log" 2>&1 </dev/null; then
        rm -f "$log"
    else
        cat "$log" >&2
        rm -f "$log"
        say "This failed: $*"
        exit 1
    fi
}

python_for_us() {
    for candidate in python3.11 python3 python3.12 python3.13; do
        "$candidate" -c 'import sys; raise SystemExit(sys.version_info < (3, 11))' 2>/dev/null && echo "$candidate" && return
    done
    say "DataProtect needs Python 3.11 or newer, and none was found. On Debian: sudo apt-get install python3 python3-pip"
    exit 1
}

new_environment() {
    rm -rf .venv
    # With pip outside, Debian's split-off python3-venv package is not needed.
    if "$1" -m pip --version >/dev/null 2>&1; then
        "$1" -m venv --without-pip .venv
    elif ! "$1" -m venv .venv >/dev/null 2>&1; then
        say "This Python has neither pip nor venv. Run this, then make again: sudo apt-get install python3-pip"
        exit 1
    fi
}

install_locked() {
    if .venv/bin/python -m pip --version >/dev/null 2>&1; then
        set -- "$1" .venv/bin/python -m pip
    else
        set -- "$1" "$2" -m pip --python .venv/bin/python
    fi
    lock=$1
    shift
    say "Installing Python packages of $lock (every one checked against its hash)"
    quietly "$@" install --disable-pip-version-check --no-input --require-hashes --only-binary :all: -r "$lock"
}

environment() {
    python=$(python_for_us)
    .venv/bin/python -c 'import sys; raise SystemExit(sys.version_info < (3, 11))' 2>/dev/null || new_environment "$python"
    for lock in $locks; do
        stamp=".venv/.installed-$(printf %s "$lock" | tr -c 'a-z' '_')"
        wanted=$(sha256sum <"$lock")
        [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && continue
        install_locked "$lock" "$python"
        printf '%s\n' "$wanted" >"$stamp"
    done
}

# Without a compiler everything works, and pages are checked at a quarter of the speed: nothing to stop for.
page_sums() {
    source=dataprotect/engine/databases/postgresql/page_sums.c
    library=dataprotect/engine/databases/postgresql/libpagesums.so.1
    if [ "$library" -nt "$source" ] || ! command -v cc >/dev/null; then
        return
    fi
    if said=$(cc -O3 -shared -fPIC -o "$library.$$" "$source" 2>&1); then
        mv "$library.$$" "$library"
    else
        say "Page checksums will be computed in Python, four times slower, because they could not be compiled:"
        say "$said"
    fi
}

install_packages
environment
page_sums
