#!/bin/sh
# Makes a controller out of a Debian 13 that has no internet: sh BUNDLE/controller.sh FOLDER
# FOLDER then has Ansible in bin/. Verify the bundle before. Root is needed only where python3-venv
# isn't installed: it comes from the bundle, too.
set -eu
LC_ALL=C
export LC_ALL
if [ $# -ne 1 ] || [ -e "$1" ]; then
    echo "usage: sh controller.sh FOLDER (which isn't there yet)" >&2
    exit 2
fi
bundle=$(cd "$(dirname "$0")" && pwd)
case $bundle in *[!A-Za-z0-9._+~@%=:,/-]*)
    echo "put the bundle into a folder whose path has no such characters: $bundle" >&2
    exit 2
    ;;
esac

if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
    if [ "$(id -u)" -ne 0 ]; then
        echo "python3-venv is missing: run this as root, or install it from the bundle" >&2
        exit 1
    fi
    place=$(mktemp -d)
    trap 'rm -rf "$place"' EXIT
    mkdir -p "$place/lists/partial"
    # apt's own user may not be able to read where the bundle lies.
    echo "deb [trusted=yes] file:$bundle/apt ./" >"$place/bundle.list"
    set_apt="-q -o Dir::Etc::SourceList=$place/bundle.list -o Dir::Etc::SourceParts=/dev/null"
    set_apt="$set_apt -o Dir::State::Lists=$place/lists -o APT::Sandbox::User=root"
    # shellcheck disable=SC2086
    apt-get $set_apt update
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive apt-get $set_apt install -y --no-install-recommends python3-venv
fi

python3 -m venv "$1"
PIP_CONFIG_FILE=/dev/null "$1/bin/python" -m pip install --quiet --disable-pip-version-check \
    --no-cache-dir --no-index --find-links "$bundle/wheels/controller" --require-hashes \
    --requirement "$bundle/wheels/controller/requirements.txt"
echo "$1/bin has Ansible; its playbooks: $bundle/project/ansible"
