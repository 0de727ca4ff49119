#!/bin/sh
# Checks the tools that a build (setup.sh build) or the tests (setup.sh test) need. What is missing is
# installed with apt-get when the user is root, else the command to do so is printed.
set -eu
cd "$(dirname "$0")/.."
purpose=${1:?usage: setup.sh build|test}
missing=

have() { command -v "$1" >/dev/null 2>&1; }
want() { # want PACKAGE COMMAND...: the package, unless the command succeeds
    package=$1
    shift
    "$@" >/dev/null 2>&1 || missing="$missing $package"
}

if ! have cargo; then
    echo "setup: cargo is missing. Install Rust (1.90 or later): see https://rustup.rs, then run make again." >&2
    exit 1
fi
want gcc have cc
want libc6-dev test -e /usr/include/stdlib.h
want binutils have objcopy
if [ "$purpose" = test ]; then
    want pkg-config have pkg-config
    want cmake have cmake
    want valgrind have valgrind
    want golang-go have go
    want ruby have ruby
    want ruby-ffi ruby -rffi -e 0
    want openssl have openssl
    want iproute2 have ip
    want util-linux have unshare
    want python3 have python3
    want python3-venv python3 -c 'import ensurepip, venv'
fi

if [ -n "$missing" ]; then
    if have apt-get && [ "$(id -u)" = 0 ]; then
        echo "setup: installing$missing"
        export DEBIAN_FRONTEND=noninteractive
        log=$(mktemp)
        # shellcheck disable=SC2086 # one word for each package
        if ! { apt-get update -qq && apt-get install -y -qq --no-install-recommends $missing; } \
            >"$log" 2>&1 </dev/null; then
            cat "$log" >&2
            echo "setup: apt-get could not install$missing (its output is above)." >&2
            exit 1
        fi
        rm -f "$log"
    else
        echo "setup: missing tools. On Debian or Ubuntu run" >&2
        echo "    sudo apt-get update && sudo apt-get install$missing" >&2
        echo "then run make again." >&2
        exit 1
    fi
fi
[ "$purpose" = test ] || exit 0

for part in rustfmt clippy; do
    if ! cargo "$(echo $part | sed s/rustfmt/fmt/)" --version >/dev/null 2>&1; then
        echo "setup: the Rust component $part is missing. Run: rustup component add $part" >&2
        exit 1
    fi
done

# Each server has its own environment, since each pins libraries of its own. The mark holds what was
# installed and by which Python, so a changed list is a new environment and an unchanged one costs nothing.
python=$(python3 -c 'import sys; print(sys.executable, sys.version_info[:3])')
for server in ministack moto; do
    list=tests/interop/requirements-$server.txt
    place=target/venv-$server
    wanted=$(printf '%s\n' "$python"; cat "$list")
    if [ -f "$place/made-from" ] && [ "$wanted" = "$(cat "$place/made-from")" ]; then
        continue
    fi
    echo "setup: making $place from $list"
    rm -rf "$place"
    mkdir -p target
    python3 -m venv "$place"
    if ! "$place/bin/python" -m pip install --quiet --disable-pip-version-check --no-input \
        --requirement "$list" </dev/null; then
        echo "setup: pip could not install what $list names (its output is above)." >&2
        exit 1
    fi
    printf '%s\n' "$wanted" >"$place/made-from"
done
