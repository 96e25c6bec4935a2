# shellcheck shell=bash
# Debian's packages: which are missing, and bringing them. Sourced by setup.sh, which calls
# `need_packages`. SYSTEM stands before every path of the machine's: empty but for the tests, which
# show what is done on a bare machine without touching this one.

SYSTEM=${STOWBAY_SETUP_SYSTEM:-}

say() { printf '%s\n' "$*"; }

need_packages() {
    local packages
    mapfile -t packages < <(missing_packages | tr ' ' '\n')
    [ ${#packages[@]} -eq 0 ] || install_packages "${packages[@]}"
}

missing_packages() {
    compgen -G "$SYSTEM/usr/lib/postgresql/*/bin/initdb" >/dev/null || echo postgresql
    [ -x "$SYSTEM/usr/bin/redis-server" ] || [ -x "$SYSTEM/usr/bin/valkey-server" ] ||
        echo redis-server
    [ -x "$SYSTEM/usr/sbin/nginx" ] || echo nginx
    [ -e "$SYSTEM/usr/lib/nginx/modules/ngx_http_js_module.so" ] || echo libnginx-mod-http-js
    # Only the tests need promtool, which checks the alerts, faketime, which skews a clock, and
    # ssh-keygen, which signs bundles (the Makefile sets this).
    [ -z "${STOWBAY_SETUP_TESTS:-}" ] || [ -x "$SYSTEM/usr/bin/promtool" ] || echo prometheus
    [ -z "${STOWBAY_SETUP_TESTS:-}" ] || [ -x "$SYSTEM/usr/bin/faketime" ] || echo faketime
    [ -z "${STOWBAY_SETUP_TESTS:-}" ] || [ -x "$SYSTEM/usr/bin/ssh-keygen" ] || echo openssh-client
    find_python >/dev/null || echo python3-venv
    if needs_compiler; then
        [ -x "$SYSTEM/usr/bin/gcc" ] || echo gcc libc6-dev
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
        release=$(. "$SYSTEM/etc/os-release" && echo "${VERSION_ID:-0}")
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
    for each in "${PYTHON:-}" python3 "$SYSTEM/usr/bin/python3"; do
        [ -n "$each" ] || continue
        if "$each" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' \
            >/dev/null 2>&1; then
            command -v "$each"
            return 0
        fi
    done
    return 1
}

# What keeps services from starting meanwhile. Not local: the EXIT trap of a failed apt-get runs
# when bash has left the function, and a rule left behind would keep the machine's own services off.
RULES=()

remove_rules() {
    [ ${#RULES[@]} -eq 0 ] || rm -f -- "${RULES[@]}"
    RULES=()
}

install_packages() {
    local packages=("$@") policy=$SYSTEM/usr/sbin/policy-rc.d each
    local command="apt-get install --no-install-recommends ${packages[*]}"
    if [ "$(id -u)" -ne 0 ]; then
        say "These Debian packages are missing: ${packages[*]}"
        say "Install them with: sudo $command"
        exit 1
    fi
    say "Installing Debian packages: ${packages[*]}"
    # Only the programs are wanted: no service starts (exit code 101, see invoke-rc.d(8)) and
    # no database cluster is made.
    local cluster_rules=$SYSTEM/etc/postgresql-common/createcluster.d
    trap remove_rules EXIT
    if [ ! -e "$policy" ]; then
        RULES+=("$policy")
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
    fi
    if [[ " ${packages[*]} " == *" postgresql "* ]]; then
        mkdir -p "$cluster_rules"
        RULES+=("$cluster_rules/stowbay-setup.conf")
        printf 'create_main_cluster = false\n' >"$cluster_rules/stowbay-setup.conf"
    fi
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -q
    apt-get install -q -y --no-install-recommends "${packages[@]}"
    remove_rules
    trap - EXIT
    # Nor does a service start at the next boot: ours run under their own supervisor.
    if command -v systemctl >/dev/null; then
        for each in "${packages[@]}"; do
            case $each in
            postgresql | redis-server | nginx | prometheus)
                systemctl --quiet disable "$each.service"
                ;;
            esac
        done
    fi
}
