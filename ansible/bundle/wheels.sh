#!/bin/bash
# Runs in a Debian 13 that can build wheels: wheels.sh wheels|sources LOCK. Only files whose hashes
# the lock names come in; /run/out is filled.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
pip=("$work/venv/bin/python" -m pip --disable-pip-version-check --quiet)
case $1 in
wheels) "${pip[@]}" wheel --require-hashes --requirement "$2" --wheel-dir /run/out ;;
sources)
    "${pip[@]}" download --require-hashes --requirement "$2" --no-deps --no-binary :all: --dest /run/out
    ;;
esac
