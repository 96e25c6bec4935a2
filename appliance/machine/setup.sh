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

say() { printf '%s\n' "$*"; }

# --- Debian's packages -------------------------------------------------------------------

missing_packages() {
    compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || echo postgresql
    [ -x /usr/bin/redis-server ] || [ -x /usr/bin/valkey-server ] || echo redis-server
    [ -x /usr/sbin/nginx ] || echo nginx
    [ -e /usr/lib/nginx/modules/ngx_http_js_module.so ] || echo libnginx-mod-http-js
    find_python >/dev/null || echo python3-venv
    if needs_compiler; then
        [ -x /usr/bin/gcc ] || echo gcc libc6-dev
        has_headers || echo python3-dev
    fi
}

# The wheels of fastcdc, which cuts files, are for Python 3.11 and 3.12 on x86_64. Elsewhere it is
# built from source, and without a compiler it is quietly installed without its fast half.
needs_compiler() {
    local python version release=0
    if python=$(find_python); then
        version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    else
        release=$(. /etc/os-release && echo "${VERSION_ID:-0}")
        version=$([ "${release%%.*}" -ge 13 ] && echo 3.13 || echo 3.11)
    fi
    case $version-$(uname -m) in
    3.11-x86_64 | 3.12-x86_64) return 1 ;;
    esac
}

has_headers() {
    local python folder
    python=$(find_python) || return 1
    folder=$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')
    [ -e "$folder/Python.h" ]
}

# A Python of 3.11 or later that can make a virtual environment: PYTHON, the one on the PATH,
# or Debian's own. The bare interpreter isn't enough there: ensurepip is in python3-venv.
find_python() {
    local each
    for each in "${PYTHON:-}" python3 /usr/bin/python3; do
        [ -n "$each" ] || continue
        if "$each" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' \
            >/dev/null 2>&1; then
            command -v "$each"
            return 0
        fi
    done
    return 1
}

install_packages() {
    local packages=("$@") policy=/usr/sbin/policy-rc.d made_policy= made_cluster_rule= each
    local command="apt-get install --no-install-recommends ${packages[*]}"
    if [ "$(id -u)" -ne 0 ]; then
        say "These Debian packages are missing: ${packages[*]}"
        say "Install them with: sudo $command"
        exit 1
    fi
    say "Installing Debian packages: ${packages[*]}"
    # Only the programs are wanted: no service starts (exit code 101, see invoke-rc.d(8)) and
    # no database cluster is made. Both rules go again, whatever happens.
    local cluster_rules=/etc/postgresql-common/createcluster.d
    undo() {
        [ -z "$made_policy" ] || rm -f "$policy"
        [ -z "$made_cluster_rule" ] || rm -f "$cluster_rules/stowbay-setup.conf"
    }
    trap undo EXIT
    if [ ! -e "$policy" ]; then
        made_policy=yes
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
    fi
    if [[ " ${packages[*]} " == *" postgresql "* ]]; then
        mkdir -p "$cluster_rules"
        made_cluster_rule=yes
        printf 'create_main_cluster = false\n' >"$cluster_rules/stowbay-setup.conf"
    fi
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -q
    apt-get install -q -y --no-install-recommends "${packages[@]}"
    undo
    trap - EXIT
    # Nor does a service start at the next boot: ours run under their own supervisor.
    if command -v systemctl >/dev/null; then
        for each in "${packages[@]}"; do
            case $each in
            postgresql | redis-server | nginx) systemctl --quiet disable "$each.service" ;;
            esac
        done
    fi
}

mapfile -t packages < <(missing_packages | tr ' ' '\n')
[ ${#packages[@]} -eq 0 ] || install_packages "${packages[@]}"

# --- The virtual environment -------------------------------------------------------------

wanted="$PWD $(cat requirements.lock pyproject.toml appliance/machine/setup.sh | sha256sum)"
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
