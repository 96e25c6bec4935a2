#!/usr/bin/env bash
# The environment of `make lint-ansible` and of the cluster's tests: exactly what
# requirements-cluster.lock names. A stamp makes the second run cost nothing.
set -euo pipefail
export UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-1}"
cd "$(dirname "$0")/../.."

VENV=.venv-cluster
STAMP=$VENV/stowbay-setup
wanted="$PWD $(cat requirements-cluster.lock tests/cluster/setup.sh | sha256sum)"
[ "$(cat "$STAMP" 2>/dev/null)" != "$wanted" ] || exit 0

echo "Installing the packages of requirements-cluster.lock"
[ -x "$VENV/bin/python" ] || .venv/bin/python -m venv --without-pip "$VENV"
rm -f "$STAMP"
VIRTUAL_ENV=$PWD/$VENV .venv/bin/uv pip sync --quiet --require-hashes requirements-cluster.lock
printf '%s\n' "$wanted" >"$STAMP"
