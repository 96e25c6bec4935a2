#!/usr/bin/env bash
# Everything `make` needs before Python can take over: Debian's packages, the virtual
# environment with exactly what requirements.lock names, and the two commands in it.
# Run again it costs some milliseconds: a stamp holds the hash of what was installed.
set -euo pipefail

# Companies have authorities of their own: trust what the machine trusts.
export UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-1}"
cd "$(dirname "$0")/../.."

UV_VERSION=0.13.8
VENV=.venv
STAMP=$VENV/stowbay-setup

. appliance/machine/packages.sh
need_packages

scripts=(appliance/machine/setup.sh appliance/machine/packages.sh)
wanted="$PWD $(cat requirements.lock pyproject.toml "${scripts[@]}" | sha256sum)"
if [ -x "$VENV/bin/python" ] && [ "$(cat "$STAMP" 2>/dev/null)" = "$wanted" ]; then
    exit 0
fi

if ! "$VENV/bin/python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    say "Making the virtual environment $VENV"
    rm -rf "$VENV"
    "$(find_python)" -m venv "$VENV"
fi
rm -f "$STAMP"
say "Installing the packages of requirements.lock"
# The first step can't be checked against the lock file yet: it brings the program that checks.
"$VENV/bin/python" -m pip install --quiet --disable-pip-version-check "uv==$UV_VERSION"
export VIRTUAL_ENV=$PWD/$VENV
"$VENV/bin/uv" pip sync --quiet --require-hashes requirements.lock
if ! "$VENV/bin/python" -c 'import fastcdc.fastcdc_cy' 2>/dev/null; then
    # Built before there was a compiler, and kept: build it again.
    "$VENV/bin/uv" cache clean --quiet fastcdc
    "$VENV/bin/uv" pip uninstall --quiet fastcdc
    "$VENV/bin/uv" pip sync --quiet --require-hashes requirements.lock
    "$VENV/bin/python" -c 'import fastcdc.fastcdc_cy'
fi
"$VENV/bin/uv" pip install --quiet --no-deps --editable .
printf '%s\n' "$wanted" >"$STAMP"
