#!/bin/bash
# Builds, on Debian 13: wheels.sh SOURCE OUT. SOURCE holds the project's files, OUT is filled.
# Only files whose hashes requirements-host.lock names come in; what has no wheel for this Python
# is built from such a file.
set -euo pipefail
source=$1 out=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
pip=("$work/venv/bin/python" -m pip --disable-pip-version-check --quiet)
"${pip[@]}" wheel --require-hashes --requirement "$source/requirements-host.lock" \
    --wheel-dir "$out"
"${pip[@]}" wheel --no-deps --wheel-dir "$out" "$source"

# fastcdc without a compiler is quietly built without its fast half.
"${pip[@]}" install --no-index --find-links "$out" fastcdc
"$work/venv/bin/python" -c 'import fastcdc.fastcdc_cy'
